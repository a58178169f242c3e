"""Metrics of the operator, for Prometheus.

Labels come from closed sets, plus namespace and queue: never a job, a pod, a path or a message. Every combination
that can come up in a namespace is there from the first scrape after its first job, so that the first failure shows in
`increase()`. Counters move only with a status write that won (rule 13): no restart and no second operator
counts twice.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import prometheus_client
from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from spectrogram_operator.api.reasons import reasons_of
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Phase, RetryClass, SpectrogramJobStatus
from spectrogram_operator.telemetry.transitions import transition

UNROUTED = "none"
"""The queue label of a job that has no queue yet."""
OTHER = "Other"
"""The reason label of a reason that the table of reasons lacks, such as an older operator's: the set stays closed."""

ZOMBIE_REASONS = (*reasons_of(RetryClass.ZOMBIE), OTHER)
_RETRIED = (RetryClass.USER, RetryClass.MEMORY, RetryClass.INFRASTRUCTURE, RetryClass.ZOMBIE)
RETRY_REASONS = (*reasons_of(*_RETRIED), OTHER)
FAILURE_REASONS = (*reasons_of(RetryClass.FATAL), *RETRY_REASONS)
_REASONS_BY_RESULT = {"succeeded": ("Completed",), "failed": FAILURE_REASONS, "cancelled": ("Cancelled",)}

JobPlace = tuple[str, str, str]
"""Namespace, queue and phase of one job; the queue or the phase is empty where it is not known yet."""


class Metrics:
    """The metrics of one operator, in the registry that it is given."""

    def __init__(
        self,
        registry: CollectorRegistry,
        places: Callable[[], Mapping[JobPlace, int]],
        *,
        version: str,
        started: datetime,
        namespaces: Sequence[str] = (),
    ) -> None:
        """`places` counts the jobs that exist: asked at each scrape. `namespaces` are those known from the start."""
        self._known: set[str] = set()
        self._places = places
        # Registered first: a namespace that it meets has all its counters in the same scrape.
        registry.register(_JobsCollector(self._count_jobs))
        self._finished = Counter(
            "spectrogram_jobs_finished",
            "Jobs that ended. result: succeeded, failed, cancelled. reason: Completed if succeeded, Cancelled if"
            f" cancelled, if failed one of {', '.join(FAILURE_REASONS)}.",
            ["namespace", "queue", "result", "reason"],
            registry=registry,
        )
        self._zombies = Counter(
            "spectrogram_zombie_jobs",
            "Attempts whose worker was found dead: killed for memory, or its pod or node gone."
            f" reason: {', '.join(ZOMBIE_REASONS)}.",
            ["namespace", "reason"],
            registry=registry,
        )
        self._warnings = Counter(
            "spectrogram_memory_warnings",
            "Jobs for which a memory warning was raised: a high estimate before the start, or high use while running.",
            ["namespace"],
            registry=registry,
        )
        self._retries = Counter(
            "spectrogram_job_retries",
            f"Attempts that ended and are followed by another one. reason: {', '.join(RETRY_REASONS)}.",
            ["namespace", "reason"],
            registry=registry,
        )
        self._errors = Counter(
            "spectrogram_reconcile_errors",
            "Reconciles that met an error and will be tried again.",
            registry=registry,
        )
        self._swept = Gauge(
            "spectrogram_sweep_last_success_timestamp_seconds",
            "Unix time of the last sweep for zombies and stale jobs that succeeded; at first, of the start.",
            registry=registry,
        )
        self._swept.set(started.timestamp())
        build = Gauge(
            "spectrogram_operator_build_info",
            "Always 1; the labels say which operator runs.",
            ["version", "python_version"],
            registry=registry,
        )
        build.labels(version, platform.python_version()).set(1)
        for namespace in namespaces:
            self._meet(namespace)

    def record(self, old: SpectrogramJobStatus, new: SpectrogramJobStatus, namespace: str) -> None:
        """Count what happened between `old` and `new`. To be called once per status write, and only if it won."""
        self._meet(namespace)
        happened = transition(old, new)
        if happened.result is not None:
            reason = _one_of(new.reason, _REASONS_BY_RESULT[happened.result])
            self._finished.labels(namespace, _queue(new.queue), happened.result, reason).inc()
        for attempt in happened.zombies:
            self._zombies.labels(namespace, _one_of(attempt.reason, ZOMBIE_REASONS)).inc()
        for attempt in happened.retried:
            self._retries.labels(namespace, _one_of(attempt.reason, RETRY_REASONS)).inc()
        if happened.memory_warning is not None:
            self._warnings.labels(namespace).inc()

    def reconcile_failed(self) -> None:
        """Count a reconcile that met an error."""
        self._errors.inc()

    def sweep_succeeded(self, now: datetime) -> None:
        """A sweep went through all jobs."""
        self._swept.set(now.timestamp())

    def _meet(self, namespace: str) -> None:
        """Start every counter of the namespace at zero."""
        if namespace in self._known:
            return
        self._known.add(namespace)
        for result, reasons in _REASONS_BY_RESULT.items():
            for queue in QueueName:
                for reason in reasons:
                    self._finished.labels(namespace, queue, result, reason)
        for reason in ZOMBIE_REASONS:
            self._zombies.labels(namespace, reason)
        for reason in RETRY_REASONS:
            self._retries.labels(namespace, reason)
        self._warnings.labels(namespace)

    def _count_jobs(self) -> dict[JobPlace, int]:
        """The number of jobs by place, with a zero for each place of a known namespace that has none."""
        # Called in the scrape's thread, while the event loop counts: a dict is copied in one piece.
        places = dict(self._places())
        for namespace in {namespace for namespace, _, _ in places}:
            self._meet(namespace)
        tally = {(ns, str(queue), str(phase)): 0 for ns in list(self._known) for queue in QueueName for phase in Phase}
        for (namespace, queue, phase), count in places.items():
            place = (namespace, _queue(queue), phase or str(Phase.PENDING))
            if count or place in tally:
                tally[place] = tally.get(place, 0) + count
        return tally


class _JobsCollector(Collector):
    def __init__(self, count: Callable[[], dict[JobPlace, int]]) -> None:
        self._count = count

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "spectrogram_jobs",
            f"Jobs that exist now. queue: {', '.join(QueueName)}, {UNROUTED}. phase: {', '.join(Phase)}.",
            labels=["namespace", "queue", "phase"],
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for family in self.describe():
            for place, count in sorted(self._count().items()):
                family.add_metric(place, count)
            yield family


class MetricsServer:
    """GET /metrics on one port of every address, in threads of its own."""

    def __init__(self, registry: CollectorRegistry, port: int) -> None:
        """Serve at once. With port 0 the system chooses one. Raises OSError for a port that is taken."""
        # A creation time for each series would double their number, and nothing asks for it.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._server, self._thread = prometheus_client.start_http_server(port, registry=registry)

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _one_of(word: str | None, words: Sequence[str]) -> str:
    return word if word is not None and word in words else words[-1]


def _queue(queue: str | None) -> str:
    return queue if queue and queue in set(QueueName) else UNROUTED
