"""`workers`: what runs where, since when, how far it is and how much memory it has."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from rich.console import Console

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.words import refusals_in_words, require_namespace
from spectrogram_operator.cli.printing.display import details, stage
from spectrogram_operator.cli.printing.formats import ProgramFormat
from spectrogram_operator.cli.printing.texts import document, table
from spectrogram_operator.cli.printing.units import age
from spectrogram_operator.cli.reading.settings_file import settings_of
from spectrogram_operator.core.status import active_attempt, is_over

_COLUMNS = ("JOB", "POD", "NODE", "QUEUE", "SINCE", "STAGE", "PROGRESS", "MEMORY", "HEARD", "DETAILS")


def print_workers(
    target: Target,
    *,
    watch: bool,
    output: ProgramFormat | None = None,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Print the workers there are now; `watch`: again and again, until somebody ends it."""
    connection = connect(target)
    seconds = settings_of(environ).policy.poll_seconds
    namespace = None if target.all_namespaces else connection.namespace
    screen = Console()
    while True:
        with refusals_in_words(connection.jobs.server, namespace):
            bodies = connection.jobs.list(namespace)
            if not bodies:
                require_namespace(connection.jobs, namespace)
        names, rows = workers(map(read_job, bodies), datetime.now(UTC), with_namespace=target.all_namespaces)
        if output is not None:
            text = document([dict(zip(map(str.lower, names), row, strict=True)) for row in rows], output)
        else:
            text = table(names, rows) if rows else ""
        if watch and screen.is_terminal:
            screen.clear()
        if text:
            print(text, flush=True)
        else:
            print("no workers" + (f" in the namespace {namespace}" if namespace else ""), file=sys.stderr)
        if not watch:
            return
        sleep(seconds)


def workers(jobs: Iterable[Job], now: datetime, *, with_namespace: bool) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and a row for each pod that runs or starts, the oldest first."""
    running = [(attempt, job) for job in jobs if (attempt := _worker_of(job)) is not None]
    running.sort(key=lambda pair: (_since(pair[0]) or now, pair[1].key))
    rows = [[*([job.namespace] if with_namespace else []), *_row(attempt, job, now)] for attempt, job in running]
    return [*(["NAMESPACE"] if with_namespace else []), *_COLUMNS], rows


def _worker_of(job: Job) -> Attempt | None:
    """The attempt whose pod there is."""
    attempt = active_attempt(job.status)
    return attempt if attempt is not None and attempt.pod_uid is not None and not is_over(job.status) else None


def _since(attempt: Attempt) -> datetime | None:
    return attempt.start_time or attempt.reserved_time


def _row(attempt: Attempt, job: Job, now: datetime) -> list[str]:
    status, since = job.status, _since(attempt)
    heard = status.heartbeat_time
    memory = status.memory.text if status.memory is not None and status.memory.text else ""
    return [
        job.name,
        attempt.pod_name,
        attempt.node_name or status.node_name or "",
        attempt.pool,
        age((now - since).total_seconds()) if since is not None else "",
        stage(status),
        status.progress.text or "" if status.progress is not None else "",
        memory,
        f"{age((now - heard).total_seconds())} ago" if heard is not None else "",
        ", ".join(part for part in details(status) if not part.startswith("memory ")),
    ]
