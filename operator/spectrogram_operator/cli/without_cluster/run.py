"""`spectrogram run`: one job on this machine, from the file to the exit code."""

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

import spectrogram_operator
from spectrogram_operator.api.job import Job
from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.printing.display import Display, open_display, print_line
from spectrogram_operator.cli.printing.endings import advice, ending, exit_code
from spectrogram_operator.cli.printing.summary import print_summary
from spectrogram_operator.cli.reading.job_file import read_job_file
from spectrogram_operator.cli.reading.settings_file import settings_of, with_settings_file
from spectrogram_operator.cli.without_cluster.places import find_places
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.control.reconciling.controller import Controller
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import is_over
from spectrogram_operator.local.cluster import WORKER_COMMAND, LocalCluster
from spectrogram_operator.local.machine import policy_of_this_machine
from spectrogram_worker.contract import ExitCode

_LOG_LINES = 30
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_job_file(
    file: Path,
    mounts: Sequence[str],
    *,
    settings_file: Path | None = None,
    verbose: bool,
    environ: Mapping[str, str] = os.environ,
    command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Run the job in `file` to its end; returns the exit code. Raises CommandError for what can be known before."""
    job = read_job_file(file)
    settings = settings_of(environ)
    policy = settings.policy if settings_file is None else with_settings_file(settings.policy, settings_file)
    places = find_places(file, job.spec, mounts, policy)
    policy = replace(policy_of_this_machine(policy, job.spec), stores=places.stores)
    screen = Console(stderr=True)
    # What the planner's shell logs is for operators; the display says it to people.
    logging.getLogger(spectrogram_operator.__name__).addHandler(logging.NullHandler())
    name = job.metadata.name
    with open_display(screen, name) as display:
        for warning in settings.warnings:
            display.note(f"warning: {warning}")
        if job.spec.queue_name is not None:
            display.note("warning: spec.queueName: there is no Kueue on this machine, and the job starts at once")
        cluster = LocalCluster(
            claims=places.folders,
            refuse=ClusterError,
            command=command,
            warn=lambda message: display.note(f"warning: {message}"),
        )
        try:
            status = asyncio.run(drive(job.document(), cluster, policy, display))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            message = f"a bug, please report it: {type(error).__name__} in {where}: {error}"
            raise CommandError(message, exit_code=ExitCode.INTERNAL_ERROR) from None
    if status.phase is not Phase.SUCCEEDED and verbose and status.attempts:
        for line in list(cluster.log_of(status.attempts[-1].pod_name))[-_LOG_LINES:]:
            print_line(screen, f"  {line.level:<8} {line.message}", "dim")
    source, target = job.spec.input, job.spec.output
    recording = places.show(source, source.path or "")
    print_summary(Console(), status, recording, lambda path: places.show(target, path))
    sys.stdout.flush()
    if status.phase is not Phase.SUCCEEDED:
        what_to_do = advice(status, log="--verbose")
        print_line(screen, ending(name, status, what_to_do, cancelled="was interrupted"), "bold red")
    return exit_code(status)


async def drive(
    document: Mapping[str, Any], cluster: LocalCluster, policy: Policy, display: Display
) -> SpectrogramJobStatus:
    """Submit the job and reconcile it until it is over. No process of it is left when this returns or raises."""
    over: asyncio.Future[SpectrogramJobStatus] = asyncio.get_running_loop().create_future()

    def record(job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
        display.update(new)
        if is_over(new) and not over.done():
            over.set_result(new)

    def fail(error: Exception) -> None:
        # Trying again is for an API server that is away. Here nothing can be away: it is a bug.
        if not over.done():
            over.set_exception(error)

    controller = Controller(
        cluster=cluster, policy=policy, clock=lambda: datetime.now(UTC), record=record, on_error=fail
    )
    cluster.watch(controller.job_event, controller.pod_event)
    controller.slots.open()
    key = cluster.submit(document)
    working = asyncio.create_task(controller.queue.run())
    try:
        with _interrupts(lambda: _stop_in_order(cluster, key, display), cluster.kill):
            return await over
    finally:
        await cluster.close()
        await cancelled(working)
        controller.poller.stop()


def _stop_in_order(cluster: LocalCluster, key: str, display: Display) -> None:
    display.note("stopping: the worker keeps what is complete; Ctrl-C again ends it at once")
    cluster.cancel(key)


@contextmanager
def _interrupts(*handlers: Callable[[], None]) -> Iterator[None]:
    """Call the first handler at the first Ctrl-C, SIGTERM or hang-up, the next at the next, the last from then on."""
    loop = asyncio.get_running_loop()
    remaining = list(handlers)

    def interrupt() -> None:
        handler = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        handler()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
