"""What is known of jobs and pods, by lists, by watches and by the answers to our own writes: the newest holds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import Any, Protocol

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.control.reconciling.finished_job import FinishedJob, read_finished
from spectrogram_operator.core.judging.pod import Pod, read_pod

Body = Mapping[str, Any]
MOST_GONE = 10_000
"""UIDs of what is gone that are remembered. A late event of something older would show it until the next sweep."""
MOST_UNOWNED = 1000
"""Pods that are gone before their jobs are known, of which the last is kept: a pod may name any owner."""
JobPlace = tuple[str, str, str]
"""Namespace, queue and phase of a job, as metrics count it; the last two are empty where they are not known yet."""


class Listener(Protocol):
    """Told of every change of what the store holds, whoever brought it."""

    def job_changed(self, job: Job | FinishedJob) -> None:
        """The job is this now."""
        ...

    def job_gone(self, key: str, uid: str) -> None:
        """The job is no more."""
        ...

    def pod_changed(self, pod: Pod) -> None:
        """The pod is this now; `gone` where it is no more."""
        ...


class Store:
    """Jobs by namespace/name, pods by UID. Nothing older than what it holds changes it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.places: Counter[JobPlace] = Counter()
        """How many jobs are where. Another thread may copy it."""
        self._jobs: dict[str, tuple[int, Job | FinishedJob]] = {}
        self._pods: dict[str, tuple[int, Pod]] = {}
        self._pods_of: dict[str, dict[str, Pod]] = {}
        self._last_seen: dict[str, dict[str, tuple[int, Pod]]] = {}
        self._unowned: dict[str, tuple[int, Pod]] = {}
        """By pod: the last that was seen of it, where its job is not known yet. A watch of jobs may be late."""
        self._gone: dict[str, float] = {}
        """By UID of what is gone: the version from which on it was."""

    # What is asked

    def job(self, key: str) -> Job | FinishedJob | None:
        """The job of this namespace/name."""
        found = self._jobs.get(key)
        return None if found is None else found[1]

    def unfinished(self) -> Iterator[Job]:
        """Every job that is not over."""
        return (job for _, job in self._jobs.values() if isinstance(job, Job))

    def unsettled(self) -> Iterator[Job | FinishedJob]:
        """Every job that is not over, or whose status speaks of an older generation of its spec."""
        return (job for _, job in self._jobs.values() if isinstance(job, Job) or not job.said)

    def pods_of(self, job_uid: str) -> tuple[Pod, ...]:
        """The pods that exist and whose controller has this UID."""
        return tuple(self._pods_of.get(job_uid, {}).values())

    def pods(self) -> Iterator[Pod]:
        """Every worker pod that exists."""
        return (pod for _, pod in self._pods.values())

    def owner_of(self, pod: Pod) -> Job | FinishedJob | None:
        """The job that owns the pod: by its UID, whatever the pod says of its name (rule 8)."""
        job = self.job(f"{pod.namespace}/{pod.owner_name}")
        return job if job is not None and job.uid == pod.owner_uid else None

    def last_seen(self, job_uid: str, pod_uid: str) -> Pod | None:
        """The last that was seen of a pod that is gone, until its job is over."""
        found = self._last(job_uid, pod_uid)
        return None if found is None else found[1]

    # What is seen

    def see_job(self, body: Body) -> bool:
        """A job, as the API server showed it. True where that is news."""
        metadata = body["metadata"]
        key, uid, version = f"{metadata['namespace']}/{metadata['name']}", metadata["uid"], _version(metadata)
        known = self._jobs.get(key)
        if uid in self._gone or (known is not None and version <= known[0]):
            return False
        if known is not None and known[1].uid != uid:
            self.lose_job(key, known[1].uid)
        job = read_finished(body) or read_job(body)
        self._count(known[1] if known is not None and known[1].uid == uid else None, -1)
        self._jobs[key] = version, job
        self._count(job, 1)
        if isinstance(job, FinishedJob):
            self._last_seen.pop(uid, None)
            for pod in self.pods_of(uid):
                self._keep(self._pods[pod.uid][0], pod)
        for listener in self.listeners:
            listener.job_changed(job)
        return True

    def lose_job(self, key: str, uid: str) -> bool:
        """This job is no more. True where that is news."""
        known = self._jobs.get(key)
        self._bury(uid, float("inf"))
        if known is None or known[1].uid != uid:
            return False
        del self._jobs[key]
        self._count(known[1], -1)
        self._last_seen.pop(uid, None)
        for listener in self.listeners:
            listener.job_gone(key, uid)
        return True

    def see_pod(self, body: Body) -> list[Pod]:
        """A pod, as the API server showed it: the pod where that is news. Not all that changes in a pod is."""
        metadata = body["metadata"]
        uid, version = metadata["uid"], _version(metadata)
        known = self._pods.get(uid)
        if known is not None and version <= known[0] and version:
            return []
        pod = read_pod(body)
        if version <= self._gone.get(uid, -1):
            return self._see_late(pod, version)
        self._gone.pop(uid, None)
        if known is not None and pod == known[1]:
            self._pods[uid] = version, known[1]
            return []
        self._keep(version, pod)
        for listener in self.listeners:
            listener.pod_changed(pod)
        return [pod]

    def lose_pod(self, last: Pod, version: int) -> list[Pod]:
        """A pod is no more since `version`, and this is the last that was seen of it: the pod where that is news.

        `last` is as that version shows it, or, where a list lacks the pod, the very one that is held.
        A watch says so too where somebody took its label away: if it is put back, a later version shows the pod again.
        """
        if last.uid in self._gone:
            return self._see_late(last, version)
        seen, known = self._pods.get(last.uid, (version, last))
        self._bury(last.uid, version)
        self._drop(last.uid)
        return self._see_last(last, seen if known is last else version)

    def hold_against(self, found: Set[str], version: int, namespace: str | None) -> list[Pod]:
        """A list of pods, of one namespace or of all, as it was at `version`, has these UIDs: what is gone by it.

        A pod that is younger than the list is not.
        """
        missing = [
            pod
            for uid, (seen, pod) in self._pods.items()
            if uid not in found and seen <= version and namespace in (None, pod.namespace)
        ]
        return [gone for pod in missing for gone in self.lose_pod(pod, version)]

    def hold_jobs_against(self, found: Set[str], version: int, namespace: str | None) -> None:
        """The same for a list of jobs: kopf's relist tells of no job that was deleted while it could not watch."""
        missing = [
            job
            for seen, job in self._jobs.values()
            if job.uid not in found and seen <= version and namespace in (None, job.namespace)
        ]
        for job in missing:
            self.lose_job(job.key, job.uid)

    def _see_late(self, pod: Pod, version: int) -> list[Pod]:
        """A list knew first that the pod is gone, and not how it ended: the watch may say so later."""
        seen, _ = self._last(pod.owner_uid, pod.uid) or (version, pod)
        return self._see_last(pod, version) if seen < version else []

    def _last(self, job_uid: str, pod_uid: str) -> tuple[int, Pod] | None:
        found = self._last_seen.get(job_uid, {}).get(pod_uid) or self._unowned.get(pod_uid)
        return found if found is not None and found[1].owner_uid == job_uid else None

    def _see_last(self, pod: Pod, version: int) -> list[Pod]:
        gone = replace(pod, gone=True)
        owner = self.owner_of(pod)
        if isinstance(owner, Job):
            self._last_seen.setdefault(pod.owner_uid, {})[pod.uid] = version, gone
        elif owner is None and pod.owner_uid not in self._gone:
            self._unowned[pod.uid] = version, gone
            if len(self._unowned) > MOST_UNOWNED:
                del self._unowned[next(iter(self._unowned))]
        for listener in self.listeners:
            listener.pod_changed(gone)
        return [gone]

    def _keep(self, version: int, pod: Pod) -> None:
        """Of a finished pod of a finished job nobody asks how it ended."""
        if pod.finished and isinstance(self.owner_of(pod), FinishedJob):
            pod = replace(pod, message="", main=None, init=(), others=(), conditions={})
        self._drop(pod.uid)
        self._pods[pod.uid] = version, pod
        self._pods_of.setdefault(pod.owner_uid, {})[pod.uid] = pod

    def _drop(self, uid: str) -> None:
        """Of a pod that is known, the owner that it had: somebody may have taken it from it since."""
        known = self._pods.pop(uid, None)
        if known is None:
            return
        own = self._pods_of[known[1].owner_uid]
        del own[uid]
        if not own:
            del self._pods_of[known[1].owner_uid]

    def _bury(self, uid: str, version: float) -> None:
        self._gone[uid] = version
        while len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def _count(self, job: Job | FinishedJob | None, by: int) -> None:
        if job is None:
            return
        if isinstance(job, FinishedJob):
            place = (job.namespace, job.queue, job.phase)
        else:
            place = (job.namespace, job.status.queue or "", job.status.phase or "")
        self.places[place] += by
        if not self.places[place]:
            del self.places[place]  # namespaces come and go


def _version(metadata: Mapping[str, Any]) -> int:
    """Versions of one resource are ordered as numbers; 0 where there is none."""
    return int(metadata.get("resourceVersion") or 0)
