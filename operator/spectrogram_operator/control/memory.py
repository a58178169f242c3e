"""What the shell remembers between reconciles. Losing all of it in a restart costs a few requests, never a job."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.judging.refusals import Refusal


@dataclass
class JobMemory:
    """What is remembered of one job, until it is over."""

    written: Job | None = None
    """The job as our own last write left it: the watch lags behind."""
    last_seen: dict[str, Pod] = field(default_factory=dict)
    """By UID: the last body of each pod that a watch saw deleted."""
    absent_since: datetime | None = None
    """When a live look-up first said that the active attempt has no pod; the newest agrees."""
    polled: datetime | None = None
    """When the worker was last asked."""
    refusal: Refusal | None = None
    """Why the API server did not create the pod; creating it again waits for a while."""
    refused: datetime | None = None
    """When it said so."""

    def standing_refusal(self, now: datetime, holds_seconds: float) -> Refusal | None:
        """The refusal, if it still holds: our own status writes come back as events, and must not ask again at once."""
        if self.refusal is None or self.refused is None:
            return None
        return self.refusal if (now - self.refused).total_seconds() < holds_seconds else None


@dataclass
class Recollection:
    """Facts that the watches do not carry, or not yet. Jobs by namespace/name."""

    jobs: defaultdict[str, JobMemory] = field(default_factory=lambda: defaultdict(JobMemory))
    outdated: dict[str, tuple[Pod, Pod]] = field(default_factory=dict)
    """By UID: a pod as the watch showed it before the last sweep, and as the sweep's list shows it."""
    buried: set[str] = field(default_factory=set)
    """UIDs of jobs that the watch still shows and the API server says are gone: a relist drops no entry."""

    def compare(self, shown: Iterable[Pod], listed: Iterable[Pod]) -> None:
        """Hold what the watch showed against a list that was made after it: what the list lacks is gone."""
        found = {pod.uid: pod for pod in listed}
        now = {pod.uid: (pod, found.get(pod.uid) or replace(pod, gone=True)) for pod in shown}
        self.outdated = {uid: (before, after) for uid, (before, after) in now.items() if before != after}

    def current(self, shown: Pod) -> Pod:
        """The pod as the watch shows it, or as the last sweep found it if the watch has said nothing since."""
        before, after = self.outdated.get(shown.uid, (None, shown))
        return after if shown == before else shown

    def newer(self, seen: Job) -> Job:
        """The job as seen or as we wrote it, whichever has the higher resourceVersion."""
        written = self.jobs[seen.key].written if seen.key in self.jobs else None
        if written is None or written.uid != seen.uid:
            return seen
        return written if int(written.resource_version or 0) > int(seen.resource_version or 0) else seen

    def forget(self, key: str, *, except_written: bool = False) -> None:
        """The job is over, or gone."""
        forgotten = self.jobs.pop(key, None)
        if except_written and forgotten is not None and forgotten.written is not None:
            self.jobs[key].written = forgotten.written
