"""Gauges that are computed when somebody scrapes, of what the operator knows at that moment."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Phase

UNROUTED = "none"
"""The queue label of a job that has no queue yet."""

JobPlace = tuple[str, str, str]
"""Namespace, queue and phase of one job; the queue or the phase is empty where it is not known yet."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How things stand. Asked for in the scrape's thread, while the event loop changes what it is made of."""

    places: Mapping[JobPlace, int] = field(default_factory=dict)
    """How many jobs are where."""
    overdue: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By namespace and queue, how many run although their hard limit is over."""
    demand: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By queue, how many jobs stand in line, and the memory that they will ask for, in bytes."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """By queue, how many jobs may run at once."""
    waiting: int = 0
    """Jobs that wait for a look."""
    silent_seconds: float = 0.0
    """Since a watch last told of anything."""
    clock_seconds_ahead: float = 0.0
    """By how much the machine's clock is ahead of the API server's."""
    serves: Callable[[str], bool] = lambda namespace: True
    """Whether this operator acts in a namespace: of others it tells nothing of jobs, so that none counts twice."""


class Scraped(Collector):
    """`look` says how things stand; of each namespace of `namespaces` there is a zero for each place that has none."""

    def __init__(self, look: Callable[[], Standing], namespaces: Callable[[], list[str]]) -> None:
        self._look = look
        self._namespaces = namespaces

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families, without samples."""
        yield GaugeMetricFamily(
            "spectrogram_jobs",
            "Jobs that exist now, as told by the operator that acts in their namespace."
            f" queue: {', '.join(QueueName)}, {UNROUTED}. phase: {', '.join(Phase)}.",
            labels=["namespace", "queue", "phase"],
        )
        yield GaugeMetricFamily(
            "spectrogram_jobs_overdue",
            "Jobs whose pod has outlived their hard time limit and was not ended, as of the last sweep of the operator"
            " that acts in their namespace.",
            labels=["namespace", "queue"],
        )
        yield GaugeMetricFamily(
            "spectrogram_queue_depth",
            "Jobs that stand in line for a slot, as told by the operator that acts in their namespace.",
            labels=["queue"],
        )
        yield GaugeMetricFamily(
            "spectrogram_queue_wanted_memory_bytes",
            "Memory that the jobs in line will ask for.",
            labels=["queue"],
        )
        yield GaugeMetricFamily(
            "spectrogram_queue_limit",
            "Jobs that may run at once: maxConcurrent of the pool, or what follows from its nodes where that is auto.",
            labels=["queue"],
        )
        yield GaugeMetricFamily("spectrogram_operator_workqueue_depth", "Jobs that wait for the operator to look.")
        yield GaugeMetricFamily(
            "spectrogram_operator_seconds_since_last_watch_event",
            "Seconds since a watch last told of a job or a pod. Where nothing happens it grows too.",
        )
        yield GaugeMetricFamily(
            "spectrogram_clock_skew_seconds",
            "Seconds by which the clock of the operator's machine is ahead of the API server's, negative: behind it, as"
            " far as the dates of answers prove it.",
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As things stand."""
        standing = self._look()
        jobs, overdue, line, wanted, limit, depth, silence, skew = self.describe()
        namespaces = [namespace for namespace in self._namespaces() if standing.serves(namespace)]
        for place, count in sorted(_by_place(standing.places, namespaces).items()):
            jobs.add_metric(place, count)
        for namespace in sorted(namespaces):
            for queue in QueueName:
                overdue.add_metric([namespace, queue], standing.overdue.get((namespace, queue), 0))
        for queue in QueueName:
            count, memory_bytes = standing.demand.get(queue, (0, 0))
            line.add_metric([queue], count)
            wanted.add_metric([queue], memory_bytes)
            limit.add_metric([queue], standing.limits.get(queue, 0))
        depth.add_metric([], standing.waiting)
        silence.add_metric([], standing.silent_seconds)
        skew.add_metric([], standing.clock_seconds_ahead)
        yield from (jobs, overdue, line, wanted, limit, depth, silence, skew)


def queue_label(queue: str | None) -> str:
    """The queue, if it is one."""
    return queue if queue and queue in set(QueueName) else UNROUTED


def _by_place(places: Mapping[JobPlace, int], namespaces: list[str]) -> dict[JobPlace, int]:
    """The number of jobs of these namespaces by place, with a zero for each place that has none."""
    tally = {(ns, str(queue), str(phase)): 0 for ns in namespaces for queue in QueueName for phase in Phase}
    # The event loop counts meanwhile: a dict is copied in one piece.
    for (namespace, queue, phase), count in dict(places).items():
        place = (namespace, queue_label(queue), phase or str(Phase.PENDING))
        if namespace in namespaces and (count or place in tally):
            tally[place] = tally.get(place, 0) + count
    return tally
