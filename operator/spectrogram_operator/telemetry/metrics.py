"""Metrics of the operator, for Prometheus. docs/metrics.md is made of what is registered here.

Labels come from closed sets, plus namespace and queue: never a job, a pod, a path or a message. Every combination
that can come up in a namespace is there from the first scrape after its first job, so that the first failure shows in
`increase()`, and is forgotten when the namespace has had no job for a while. Counters move only with a status write
that won (rule 13): no restart and no second operator counts twice.
"""

import platform
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from spectrogram_operator.api.reasons import reasons_of
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Attempt, ConditionType, RetryClass, SpectrogramJobStatus
from spectrogram_operator.telemetry.scraped import UNROUTED, Scraped, Standing, queue_label
from spectrogram_operator.telemetry.transitions import transition
from spectrogram_worker.contract.kernels import KernelName

OTHER = "Other"
"""The reason label of a reason that the table of reasons lacks, such as an older operator's: the set stays closed."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""A namespace without a job keeps its counters so long: whoever scrapes has seen the last of them by then."""
ALL_NAMESPACES = "*"
"""The namespace label of the one Lease of an operator of all namespaces."""

ZOMBIE_REASONS = (*reasons_of(RetryClass.ZOMBIE), OTHER)
_RETRIED = (RetryClass.USER, RetryClass.MEMORY, RetryClass.INFRASTRUCTURE, RetryClass.ZOMBIE)
RETRY_REASONS = (*reasons_of(*_RETRIED), OTHER)
FAILURE_REASONS = (*reasons_of(RetryClass.FATAL), *RETRY_REASONS)
_REASONS_BY_RESULT = {"succeeded": ("Completed",), "failed": FAILURE_REASONS, "cancelled": ("Cancelled",)}
KERNELS = get_args(KernelName)

_SIZES = {"lt100MB": 100e6, "lt500MB": 500e6, "lt1GB": 1e9, "ge1GB": float("inf")}
SIZE_CLASSES = (*_SIZES, "unknown")
_SIZE_HELP = f"size_class, of the samples that were selected: {', '.join(SIZE_CLASSES)}."
_DURATIONS = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_WAITS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200)
_MEMORY = tuple(2**power for power in range(26, 37))
_RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.2, 1.5, 2, 3)
_LOOKS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one operator, in the registry that it is given."""

    def __init__(
        self,
        registry: CollectorRegistry,
        standing: Callable[[], Standing],
        *,
        version: str,
        started: datetime,
        namespaces: Sequence[str] = (),
    ) -> None:
        """`standing` is asked at each scrape. `namespaces` are those known from the start, and for good."""
        self._configured = frozenset(namespaces)
        self._known: dict[str, datetime] = {}
        """When each namespace last had a job, or was first met."""
        self._standing = standing
        self._newest = started
        # Registered first: a namespace that it meets has all its counters in the same scrape.
        registry.register(Scraped(self._look, lambda: list(self._known)))
        self._count_events(registry)
        self._measure_jobs(registry)
        self._watch_the_operator(registry, version, started)
        ProcessCollector(registry=registry)
        for namespace in namespaces:
            self._meet(namespace)

    def _count_events(self, registry: CollectorRegistry) -> None:
        self._finished = Counter(
            "spectrogram_jobs_finished",
            "Jobs that ended. result: succeeded, failed, cancelled. reason: Completed if succeeded, Cancelled if"
            f" cancelled, if failed one of {', '.join(FAILURE_REASONS)}.",
            ["namespace", "queue", "result", "reason"],
            registry=registry,
        )
        self._retries = Counter(
            "spectrogram_job_retries",
            f"Attempts that ended and are followed by another one. reason: {', '.join(RETRY_REASONS)}.",
            ["namespace", "reason"],
            registry=registry,
        )
        self._failures = Counter(
            "spectrogram_worker_pod_failures",
            f"Attempts that ended in a failure, of all namespaces. reason: {', '.join(FAILURE_REASONS)}.",
            ["reason"],
            registry=registry,
        )
        self._zombies = Counter(
            "spectrogram_zombie_jobs",
            "Attempts whose worker was found dead: killed for memory, or its pod or node gone."
            f" reason: {', '.join(ZOMBIE_REASONS)}.",
            ["namespace", "reason"],
            registry=registry,
        )
        self._stale = Counter(
            "spectrogram_stale_jobs",
            "Attempts that were ended because their worker answered and did not advance.",
            ["namespace"],
            registry=registry,
        )
        self._warnings = Counter(
            "spectrogram_memory_warnings",
            "Jobs for which a memory warning was raised: a high estimate before the start, or high use while running.",
            ["namespace"],
            registry=registry,
        )
        self._safeguard = Counter(
            "spectrogram_memory_safeguard_triggers",
            "Attempts that ended themselves before their memory passed its limit.",
            ["namespace"],
            registry=registry,
        )

        self._transforms = Counter(
            "spectrogram_transforms",
            f"Attempts that ended after their transform had begun, of all namespaces. kernel: {', '.join(KERNELS)}.",
            ["kernel"],
            registry=registry,
        )
        for kernel in KERNELS:
            self._transforms.labels(kernel)

    def _measure_jobs(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "spectrogram_job_duration_seconds",
            "Seconds from a job's first attempt to its end, with all attempts and the pauses between them."
            f" result: succeeded, failed, cancelled. {_SIZE_HELP}",
            ["queue", "result", "size_class"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self._wait = Histogram(
            "spectrogram_queue_wait_seconds",
            "Seconds from a job's creation, or from when it was last resumed, to its first attempt.",
            ["queue"],
            buckets=_WAITS,
            registry=registry,
        )
        self._peak = Histogram(
            "spectrogram_job_memory_peak_bytes",
            f"Peak memory of the last attempt of jobs that ended. {_SIZE_HELP}",
            ["size_class"],
            buckets=_MEMORY,
            registry=registry,
        )
        self._ratio = Histogram(
            "spectrogram_job_memory_estimate_ratio",
            "Peak memory over its estimate, of the last attempt of jobs that ended.",
            buckets=_RATIOS,
            registry=registry,
        )
        for queue in QueueName:
            self._wait.labels(queue)
            for result in _REASONS_BY_RESULT:
                for size in SIZE_CLASSES:
                    self._duration.labels(queue, result, size)
        for size in SIZE_CLASSES:
            self._peak.labels(size)
        for reason in FAILURE_REASONS:
            self._failures.labels(reason)

    def _watch_the_operator(self, registry: CollectorRegistry, version: str, started: datetime) -> None:
        self._reconciles = Histogram(
            "spectrogram_operator_reconcile_duration_seconds",
            "Seconds of each look at a job. result: success, or error where it will be tried again.",
            ["result"],
            buckets=_LOOKS,
            registry=registry,
        )
        self._requests = Counter(
            "spectrogram_operator_kube_api_requests",
            "Requests to the API server, without those of watches. verb: GET, POST, PUT, DELETE. code: of HTTP;"
            " 0 where there was no answer.",
            ["verb", "code"],
            registry=registry,
        )
        self._leader = Gauge(
            "spectrogram_operator_leader",
            "1 where this operator holds the Lease of the namespace and acts in it, else 0. namespace:"
            f" {ALL_NAMESPACES} for an operator of all.",
            ["namespace"],
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
        for result in ("success", "error"):
            self._reconciles.labels(result)
        for namespace in self._configured or (ALL_NAMESPACES,):
            self._leader.labels(namespace)

    def record(self, old: SpectrogramJobStatus, new: SpectrogramJobStatus, namespace: str, created: datetime) -> None:
        """Count what happened to a job of this namespace, created then, between `old` and `new`.

        To be called once per status write, and only if it won.
        """
        self._meet(namespace)
        happened = transition(old, new)
        if old.start_time is None and new.start_time is not None:
            self._wait.labels(queue_label(new.queue)).observe(_waited(new, created))
        if happened.result is not None:
            self._record_end(new, happened.result, namespace)
        for attempt in happened.ended:
            self._record_attempt(attempt, namespace)
        for attempt in happened.retried:
            self._retries.labels(namespace, _one_of(attempt.reason, RETRY_REASONS)).inc()
        if happened.memory_warning is not None:
            self._warnings.labels(namespace).inc()

    def _record_end(self, status: SpectrogramJobStatus, result: str, namespace: str) -> None:
        reason = _one_of(status.reason, _REASONS_BY_RESULT[result])
        self._finished.labels(namespace, queue_label(status.queue), result, reason).inc()
        size = _size_class(status.dataset.bytes if status.dataset else None)
        if status.start_time is not None and status.completion_time is not None:
            seconds = max(0.0, (status.completion_time - status.start_time).total_seconds())
            self._duration.labels(queue_label(status.queue), result, size).observe(seconds)
        if status.memory is not None and status.memory.peak_bytes:
            self._peak.labels(size).observe(status.memory.peak_bytes)
            if status.memory.estimate_bytes:
                self._ratio.observe(status.memory.peak_bytes / status.memory.estimate_bytes)

    def _record_attempt(self, attempt: Attempt, namespace: str) -> None:
        if attempt.retry_class not in (RetryClass.SUCCESS, RetryClass.HOLD):
            self._failures.labels(_one_of(attempt.reason, FAILURE_REASONS)).inc()
        if attempt.retry_class is RetryClass.ZOMBIE:
            self._zombies.labels(namespace, _one_of(attempt.reason, ZOMBIE_REASONS)).inc()
        if attempt.kernel is not None:
            self._transforms.labels(attempt.kernel).inc()
        if attempt.reason == "Stale":
            self._stale.labels(namespace).inc()
        if attempt.reason == "MemorySafeguardExceeded":
            self._safeguard.labels(namespace).inc()

    def reconciled(self, seconds: float, failed: bool) -> None:
        """A look at a job took so long."""
        self._reconciles.labels("error" if failed else "success").observe(seconds)

    def answered(self, verb: str, code: int) -> None:
        """The API server answered a request; code 0 where it did not."""
        self._requests.labels(verb, str(code)).inc()

    def leads(self, namespace: str | None, held: bool) -> None:
        """Whether the Lease of the namespace (None: of all) is held."""
        self._leader.labels(namespace or ALL_NAMESPACES).set(held)

    def sweep_succeeded(self, now: datetime) -> None:
        """A sweep went through all jobs."""
        self._swept.set(now.timestamp())

    def forget_namespaces(self, now: datetime) -> None:
        """Forget those that have had no job for a while, such as those that are gone."""
        present = {namespace for (namespace, _, _), count in dict(self._standing().places).items() if count}
        for namespace, last in list(self._known.items()):
            if namespace in present or namespace in self._configured:
                self._known[namespace] = now
            elif now - last >= FORGOTTEN_AFTER:
                del self._known[namespace]
                for counter in (self._finished, self._retries, self._zombies):
                    counter.remove_by_labels({"namespace": namespace})
                for counter in (self._stale, self._warnings, self._safeguard):
                    counter.remove_by_labels({"namespace": namespace})
        self._newest = now

    def _meet(self, namespace: str) -> None:
        """Start every counter of the namespace at zero."""
        if namespace in self._known:
            return
        self._known[namespace] = self._newest
        for result, reasons in _REASONS_BY_RESULT.items():
            for queue in (*QueueName, UNROUTED) if result != "succeeded" else QueueName:
                for reason in reasons:
                    self._finished.labels(namespace, queue, result, reason)
        for reason in ZOMBIE_REASONS:
            self._zombies.labels(namespace, reason)
        for reason in RETRY_REASONS:
            self._retries.labels(namespace, reason)
        for counter in (self._stale, self._warnings, self._safeguard):
            counter.labels(namespace)

    def _look(self) -> Standing:
        standing = self._standing()
        for namespace in {namespace for (namespace, _, _), count in dict(standing.places).items() if count}:
            self._meet(namespace)
        return standing


def _one_of(word: str | None, words: Sequence[str]) -> str:
    return word if word is not None and word in words else words[-1]


def _size_class(size: int | None) -> str:
    return "unknown" if size is None else next(name for name, limit in _SIZES.items() if size < limit)


def _waited(status: SpectrogramJobStatus, created: datetime) -> float:
    """Until the first attempt: what a job was suspended for is nobody's wait."""
    resumed = [c.last_transition_time for c in status.conditions if c.type == ConditionType.SUSPENDED]
    return max(0.0, ((status.start_time or created) - max([created, *resumed])).total_seconds())
