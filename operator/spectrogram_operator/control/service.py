"""The operator's own tasks: the work queue and the sweep, from start to end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.control.cluster import Cluster, View
from spectrogram_operator.control.reconcile import Reconciler
from spectrogram_operator.control.sweep import sweep
from spectrogram_operator.control.workqueue import WorkQueue, cancelled
from spectrogram_operator.core.judging.pod import read_pod
from spectrogram_operator.settings import Settings
from spectrogram_operator.telemetry.logs import ZOMBIE_MARKED, ZOMBIES_CLEANED_UP, log_transition
from spectrogram_operator.telemetry.metrics import JobPlace, Metrics
from spectrogram_operator.telemetry.transitions import transition

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Now, in UTC and whole seconds, as the API server keeps times."""
    return datetime.now(UTC).replace(microsecond=0)


class Service:
    """Everything that runs beside the watches. `connect` makes the cluster, in the loop that will use it."""

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[], Awaitable[Cluster]],
        registry: CollectorRegistry,
        *,
        version: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._connect = connect
        self._cluster: Cluster | None = None
        self._view: View | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._probed = -1
        self._zombies = 0
        self._metrics = Metrics(
            registry, self._places, version=version, started=clock(), namespaces=settings.namespaces
        )
        self.queue = WorkQueue(self._reconcile, on_error=self._metrics.reconcile_failed)
        self.reconciler: Reconciler

    async def start(self, view: View) -> None:
        """Begin to work on what `view` shows."""
        cluster = self._cluster = await self._connect()
        self._view = view
        self.reconciler = Reconciler(
            cluster=cluster,
            view=view,
            policy=self._settings.policy,
            clock=self._clock,
            wake=self.queue.add,
            record=self._record,
        )
        self._tasks = [
            asyncio.create_task(self.queue.run(), name="work queue"),
            asyncio.create_task(self._sweep_for_ever(cluster, view), name="sweep"),
        ]

    async def stop(self) -> None:
        """End the tasks; what they were doing is done again after the next start."""
        for task in self._tasks:
            await cancelled(task)
        if self._cluster is not None:
            await self._cluster.close()

    def job_changed(self, namespace: str | None, name: str) -> None:
        """A watch told of a job."""
        self.queue.add(f"{namespace}/{name}")

    def pod_changed(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """A watch told of a pod: look at the job that owns it."""
        metadata = body["metadata"]
        owner = next((entry for entry in metadata.get("ownerReferences") or () if entry.get("controller")), None)
        if owner is None:
            return
        key = f"{metadata['namespace']}/{owner['name']}"
        if deleted:
            self.reconciler.pod_is_gone(key, read_pod(body))
        self.queue.add(key)

    def probe(self, stuck_seconds: float) -> str:
        """Raises if the oldest key waits too long and nothing was finished since the last probe (Argo's rule)."""
        finished, before = self.queue.done, self._probed
        self._probed = finished
        if any(task.done() for task in self._tasks):
            raise RuntimeError("a task of the operator has ended")
        if self.queue.oldest_seconds() > stuck_seconds and finished == before:
            raise RuntimeError("the work queue does not move")
        return f"{finished} reconciles"

    async def _reconcile(self, key: str) -> float | None:
        return await self.reconciler.reconcile(key)

    def _record(self, job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
        self._metrics.record(old, new, job.namespace)
        log_transition(logger, job.key, old, new)
        happened = transition(old, new)
        if happened.zombies and happened.result == "failed":
            self._zombies += 1
            logger.warning(ZOMBIE_MARKED, job.key, extra={"job": job.key})

    def _places(self) -> Iterator[JobPlace]:
        """Namespace, queue and phase of every job, for the gauge. Called in the scrape's thread: works on a copy."""
        jobs = list(self._view.jobs()) if self._view is not None else []
        return ((job.namespace, job.status.queue or "", job.status.phase or "") for job in jobs)

    async def _sweep_for_ever(self, cluster: Cluster, view: View) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            swept = await sweep(
                cluster=cluster, view=view, reconciler=self.reconciler, wake=self.queue.add, clock=self._clock
            )
            if swept is not None:
                self._metrics.sweep_succeeded(swept)
            if self._zombies:
                logger.info(ZOMBIES_CLEANED_UP, self._zombies)
                self._zombies = 0
