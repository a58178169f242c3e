"""Who may start: what the store holds, kept in the queues' order, and who is told that it may start now."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.reconciling.finished_job import FinishedJob
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.building.podspec import is_pod_name
from spectrogram_operator.core.building.sizing import named_queue
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import CreatePod, Plan
from spectrogram_operator.core.planning.queues import QUEUED_BY_KUEUE, Queues, Turn, contender, line_of
from spectrogram_operator.core.policy import Policy

POSITION_SECONDS = 300.0
"""How often a job that waits hears how many are ahead of it: a queue must not cost a write for each of its moves."""


class Slots:
    """Listens to the store. `wake` is called with the key of each job that may start now and could not before.

    Nothing starts in a namespace whose pods and jobs were not listed yet, for they may hold slots; nor in one that this
    operator does not serve.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        clock: Callable[[], datetime],
        wake: Callable[[str], None],
        serves: Callable[[str], bool] = lambda namespace: True,
        policy_of: Callable[[str], Policy] | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._wake = wake
        self._serves = serves
        self._policy_of = policy_of or (lambda namespace: policy)
        self._queues = Queues(policy.pools)
        self._open: set[str | None] = set()
        """Namespaces whose pods and jobs were listed; None: all but those that were closed since."""
        self._closed: set[str | None] = set()
        self._told: dict[str, str] = {}
        """By UID: where a job stands, as it was said last."""
        store.listeners.append(self)

    def open(self, namespace: str | None = None) -> None:
        """Its jobs and pods are known (None: of all namespaces): from now on its jobs stand in line."""
        self._open.add(namespace)
        self._closed -= {namespace}
        self.look_again(namespace)

    def close(self, namespace: str | None = None) -> None:
        """Another operator may act there (None: in any of all namespaces): nothing starts until it is open again."""
        self._open -= {namespace}
        self._closed |= {namespace} - {None}
        self.look_again(namespace)

    def look_again(self, namespace: str | None) -> None:
        """The jobs of this namespace (None: of all) stand in line from now on, or no more."""
        for job in self._store.unfinished():
            if namespace in (None, job.namespace):
                self._place(job)
        self._admit()

    def turn(self, job: Job) -> Turn:
        """Whether this job, of which no attempt is active, may start now."""
        self._place(job)  # time has passed: it may contend now
        self._admit(except_key=job.key)
        if self._queues.is_granted(job.uid):
            return Turn(granted=True)
        if not self._queues.waits(job.uid):
            return Turn(granted=False)
        if job.uid not in self._told:
            self._told[job.uid] = self._queues.why(job.uid)
        return Turn(granted=False, why=self._told[job.uid])

    def tell_positions(self) -> None:
        """Say anew where the first in line stand, and wake those whose place has changed."""
        for entry, why in self._queues.positions():
            if self._told.get(entry.uid) != why:
                self._told[entry.uid] = why
                self._wake(entry.key)

    def limit(self, queue: str, most: int) -> None:
        """From now on so many jobs of this queue may run at once."""
        self._queues.limit(queue, most)
        self._admit()

    def limits(self) -> dict[str, int]:
        """See Queues."""
        return self._queues.limits()

    def demand(self) -> dict[str, tuple[int, int]]:
        """See Queues."""
        return self._queues.demand()

    def waits(self, uid: str) -> bool:
        """True for a job that stands in line: it needs no look until it may start."""
        return self._queues.waits(uid)

    @contextmanager
    def starting(self, job: Job, decided: Plan) -> Iterator[None]:
        """While a pod is being created, from the write that reserves its attempt on, it takes its slot: though the job
        be deleted meanwhile, or its namespace be another operator's for a while.
        """
        attempts = [action.attempt for action in decided.actions if isinstance(action, CreatePod)]
        for attempt in attempts:
            self._queues.hold(
                attempt.pod_name,
                owner_uid=job.uid,
                namespace=job.namespace,
                queue=line_of(job, named_queue(attempt.pool)),
                memory_bytes=attempt.memory_bytes,
            )
        try:
            yield
        finally:
            for attempt in attempts:
                self._queues.free(attempt.pod_name)
                self._admit()

    # What the store tells

    def job_changed(self, job: Job | FinishedJob) -> None:
        """See Listener."""
        if isinstance(job, Job):
            self._place(job)
        else:
            self._forget(job.uid)
        for pod in self._store.pods_of(job.uid):
            self._hold(pod)  # the job knows better than the pod's label whose slot it takes
        self._admit()

    def job_gone(self, key: str, uid: str) -> None:
        """See Listener."""
        self._forget(uid)
        self._admit()

    def pod_changed(self, pod: Pod) -> None:
        """See Listener."""
        self._hold(pod)
        self._admit()

    def _hold(self, pod: Pod) -> None:
        """Labels are claims: a pod is one of ours by its owner and by the name that follows from it."""
        if not pod.live or not is_pod_name(pod.name, pod.owner_name, pod.owner_uid):
            self._queues.free(pod.uid)
        else:
            line, memory_bytes = self._line(pod)
            self._queues.hold(
                pod.uid,
                owner_uid=pod.owner_uid,
                namespace=pod.namespace,
                queue=line,
                memory_bytes=memory_bytes,
            )

    def _line(self, pod: Pod) -> tuple[str, int]:
        """Whose slots a pod takes and the memory that it may use: its job and attempt say so, else labels and pool."""
        job = self._store.owner_of(pod)
        pool = named_queue(pod.queue)
        memory_bytes = self._policy.pools[pool].memory_bytes
        if not isinstance(job, Job):
            return QUEUED_BY_KUEUE if pod.kueue_queue else pool, memory_bytes
        for attempt in job.status.attempts:
            if attempt.pod_name == pod.name:
                pool, memory_bytes = named_queue(attempt.pool), attempt.memory_bytes
        return line_of(job, pool), memory_bytes

    def _place(self, job: Job) -> None:
        known = self._store.job(job.key)
        if known is None or known.uid != job.uid:
            return  # deleted while it was looked at: nobody would give back what it is promised now
        found = contender(job, self._clock(), self._policy_of(job.namespace))
        if found is not None and not found.active and not self._may_start(job.namespace):
            found = None
        self._queues.place(job.uid, found)
        if not self._queues.waits(job.uid):
            self._told.pop(job.uid, None)  # where it stands when it waits again is another matter

    def _may_start(self, namespace: str) -> bool:
        return bool({None, namespace} & self._open) and namespace not in self._closed and self._serves(namespace)

    def _forget(self, uid: str) -> None:
        self._queues.place(uid, None)
        self._told.pop(uid, None)

    def _admit(self, except_key: str = "") -> None:
        for key in self._queues.admit():
            if key != except_key:
                self._wake(key)
