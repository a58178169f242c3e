"""A local cluster with fake workers, driven by the real reconciler; and jobs for it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.waiting import until
from pods.jobs import job_body
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.control.reconciling.controller import Controller
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import is_over
from spectrogram_operator.local.cluster import LocalCluster

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
POLICY = Policy(backoff_seconds=0.05, poll_seconds=0.05, status_seconds=0.01, termination_grace_seconds=30)
PATIENCE = 120.0
"""Seconds after which a test that waits in vain fails."""


def job(fate: str, **spec: Any) -> dict[str, Any]:
    """A job whose worker meets this fate."""
    return job_body("job", **{"input": {"claimName": "recordings", "path": fate}} | spec)


def folders(folder: Path) -> dict[str, Path]:
    """The claims of `job`, as folders in `folder`."""
    claims = {name: folder / name for name in ("recordings", "results")}
    for path in claims.values():
        path.mkdir()
    return claims


class Machine:
    """What a test sees of a run."""

    def __init__(self, cluster: LocalCluster, claims: dict[str, Path]) -> None:
        self.cluster = cluster
        self.results = claims["results"]
        self.statuses: list[SpectrogramJobStatus] = []
        self.warnings: list[str] = []
        self.errors: list[Exception] = []

    def record(self, job: object, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
        self.statuses.append(new)

    def fail(self, error: Exception) -> None:
        self.errors.append(error)

    async def until(self, condition: Callable[[SpectrogramJobStatus], bool]) -> SpectrogramJobStatus:
        """The first status for which this holds."""

        def found() -> SpectrogramJobStatus | None:
            if self.errors:
                raise self.errors[0]
            return next(filter(condition, self.statuses), None)

        return await until(found, PATIENCE, interval=0.01)

    async def ready(self) -> int:
        """Wait until the worker stands; returns its process id."""
        return await ready(self.results)


async def ready(results: Path) -> int:
    """Wait until a worker with this output folder stands; returns its process id."""
    file = results / "ready"
    return int(await until(lambda: file.read_text() if file.exists() else None, PATIENCE, what="the worker"))


@asynccontextmanager
async def running(
    folder: Path, document: dict[str, Any], policy: Policy = POLICY, command: tuple[str, ...] = FAKE_WORKER
) -> AsyncIterator[Machine]:
    """Submit `document` and reconcile as long as the context lasts."""
    claims = folders(folder)
    cluster = LocalCluster(
        claims=claims, refuse=ClusterError, command=command, warn=lambda text: machine.warnings.append(text)
    )
    machine = Machine(cluster, claims)

    controller = Controller(
        cluster=cluster,
        policy=policy,
        clock=lambda: datetime.now(UTC),
        record=machine.record,
        on_error=machine.fail,
    )
    cluster.watch(controller.job_event, controller.pod_event)
    controller.slots.open()
    cluster.submit(document)
    working = asyncio.create_task(controller.queue.run())
    try:
        yield machine
    finally:
        await cluster.close()
        await cancelled(working)
        controller.poller.stop()


async def run(folder: Path, document: dict[str, Any], policy: Policy = POLICY) -> tuple[SpectrogramJobStatus, Machine]:
    """The status of the job at its end."""
    async with running(folder, document, policy) as machine:
        return await machine.until(is_over), machine


def exists(path: str) -> bool:
    """Whether there is something at this path."""
    return Path(path).exists()


def alive(process: int) -> bool:
    """Whether a process exists that has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
