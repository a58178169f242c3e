"""One reconcile: observe a job and its pod, ask the planner, write status once, then do what the plan says.

Every trigger comes here. The order survives a crash after any step: the status that authorises an action is written
first, under the job's resourceVersion; an action that has happened already is harmless.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Attempt, ConditionType, SpectrogramJobStatus
from spectrogram_operator.control.cluster import Cluster, ClusterError, View
from spectrogram_operator.control.memory import Recollection
from spectrogram_operator.core.building.sizing import current_queue
from spectrogram_operator.core.building.stores import claims
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.judging.refusals import refusal
from spectrogram_operator.core.planning.observed import CreatePod, DeletePod, Observed, Plan
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.planning.queueing import Contender, Turn, contender, take_turn, waiting_order
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, holds, is_over
from spectrogram_operator.telemetry.logs import CHECK_FAILED
from spectrogram_worker.contract import Report, parse_report

MAXIMUM_CONFLICTS = 5
logger = logging.getLogger(__name__)


class Recorder(Protocol):
    """Told of every status write that won: metrics and log lines come from here."""

    def __call__(self, job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None: ...


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What is looked up before planning, beside the job."""

    pod: Pod | None = None
    absent_since: datetime | None = None
    foreign: bool = False


class Reconciler:
    """Keeps every job's status true. `wake` puts a key on the work queue."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        view: View,
        policy: Policy,
        clock: Callable[[], datetime],
        wake: Callable[[str], None],
        record: Recorder,
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._policy = policy
        self._clock = clock
        self._wake = wake
        self._record = record
        self._recollection = Recollection()
        self._reserving = asyncio.Lock()
        self._polls = asyncio.Semaphore(16)

    def pod_is_gone(self, key: str, pod: Pod) -> None:
        """A watch said DELETED: keep the last body until its outcome stands in status."""
        self._recollection.jobs[key].last_seen[pod.uid] = replace(pod, gone=True)

    def correct(self, shown: Iterable[Pod], listed: Iterable[Pod]) -> None:
        """The sweep's list holds where the watch, which showed `shown` before it, says nothing newer."""
        self._recollection.compare(shown, listed)

    def job(self, key: str) -> Job | None:
        """The job as last seen or last written, whichever is newer."""
        seen = self._view.job(key)
        return None if seen is None or seen.uid in self._recollection.buried else self._recollection.newer(seen)

    def jobs(self) -> Iterator[Job]:
        """Every job, as last seen or last written."""
        buried = self._recollection.buried
        return (self._recollection.newer(seen) for seen in self._view.jobs() if seen.uid not in buried)

    async def reconcile(self, key: str) -> float | None:
        """Make one step; returns the seconds after which to look again."""
        job = self.job(key)
        if job is None:
            self._recollection.forget(key)
            self._wake_waiting()
            return None
        for last_try in (False,) * (MAXIMUM_CONFLICTS - 1) + (True,):
            try:
                decided = await self._step(job)
            except ClusterError as error:
                if last_try or error.code not in (404, 409, 422):
                    raise
                body = await self._cluster.read_job(job.namespace, job.name)
                if body is None or body["metadata"]["uid"] != job.uid:
                    self._recollection.buried.add(job.uid)
                    return None
                job = read_job(body)
            else:
                if is_over(decided.status):
                    self._recollection.forget(key, except_written=True)
                return decided.requeue_after
        raise AssertionError("the last try returns or raises")

    async def _step(self, job: Job) -> Plan:
        if is_over(job.status) or job.spec is None or active_attempt(job.status) is not None:
            return await self._carry_out(job, await self._observe(job))
        turn = self._turn(job)
        waits_for_claims = holds(job.status, ConditionType.ACCEPTED) is False
        if not turn.granted and not waits_for_claims:
            return await self._carry_out(job, Observed(job=job, turn=turn, pods=self._pods(job)))
        missing = await self._missing_claims(job)
        async with self._reserving:
            observed = Observed(job=job, turn=self._turn(job), missing_claims=missing, pods=self._pods(job))
            decided = await self._write(job, observed)
        return await self._act(job, decided)

    async def _carry_out(self, job: Job, observed: Observed) -> Plan:
        return await self._act(job, await self._write(job, observed))

    async def _write(self, job: Job, observed: Observed) -> Plan:
        """Plan, and write the new status if it differs; tell people only if the write won."""
        decided = plan(observed, self._clock(), self._policy)
        document = decided.status.to_document()
        if document == job.status.to_document():
            return decided
        written = read_job(await self._cluster.write_status(job, document))
        self._recollection.jobs[job.key].written = written
        self._record(job, job.status, decided.status)
        if active_attempt(job.status) is not None and active_attempt(decided.status) is None:
            self._wake_waiting(except_key=job.key)
        for event in decided.events:
            await self._cluster.post_event(job, event)
        return decided

    async def _act(self, job: Job, decided: Plan) -> Plan:
        """Do what the written status authorises. A refused creation is planned with at the next look."""
        for action in decided.actions:
            if isinstance(action, CreatePod):
                try:
                    await self._cluster.create_pod(action.manifest)
                except ClusterError as error:
                    if not (error.code == 409 and error.reason == "AlreadyExists"):
                        remembered = self._recollection.jobs[job.key]
                        remembered.refusal = refusal(error.code, error.reason, error.message)
                        remembered.refused = self._clock()
                    return replace(decided, requeue_after=0.0)
            elif isinstance(action, DeletePod):
                await self._cluster.delete_pod(job.namespace, action.name, action.uid)
        return decided

    async def _observe(self, job: Job) -> Observed:
        attempt = active_attempt(job.status)
        pods = self._pods(job)
        if attempt is None:
            return Observed(job=job, pods=pods)
        around = await self._look_for_pod(job, attempt, pods)
        remembered = self._recollection.jobs[job.key]
        return Observed(
            job=job,
            pod=around.pod,
            absent_since=around.absent_since,
            foreign=around.foreign,
            report=await self._ask_worker(job, around.pod),
            refusal=remembered.standing_refusal(self._clock(), self._policy.refusal_seconds),
            pods=pods,
        )

    async def _look_for_pod(self, job: Job, attempt: Attempt, pods: tuple[Pod, ...]) -> _Surroundings:
        """The attempt's pod: from the watch, else live. A stale watch must neither create nor bury a pod."""
        remembered = self._recollection.jobs[job.key]
        own = (pod for pod in pods if not pod.gone and attempt.pod_uid in (None, pod.uid))
        seen = next((pod for pod in own if pod.name == attempt.pod_name), None)
        if seen is not None:
            remembered.absent_since = None
            return _Surroundings(pod=seen)
        last = remembered.last_seen.get(attempt.pod_uid or "")
        try:
            body = await self._cluster.read_pod(job.namespace, attempt.pod_name)
        except ClusterError as error:
            logger.warning(CHECK_FAILED, job.key, error)
            return _Surroundings(pod=last)
        live = read_pod(body) if body is not None else None
        if live is not None and live.owner_uid == job.uid and attempt.pod_uid in (None, live.uid):
            remembered.absent_since = None
            return _Surroundings(pod=live)
        if live is not None and live.owner_uid != job.uid and attempt.pod_uid is None:
            return _Surroundings(foreign=True)
        remembered.absent_since = remembered.absent_since or self._clock()
        return _Surroundings(pod=last, absent_since=remembered.absent_since)

    async def _ask_worker(self, job: Job, pod: Pod | None) -> Report | None:
        if pod is None or pod.gone or pod.deleting or pod.phase != "Running" or not pod.pod_ip:
            return None
        remembered, now = self._recollection.jobs[job.key], self._clock()
        if remembered.polled is not None and (now - remembered.polled).total_seconds() < self._policy.poll_seconds:
            return None
        remembered.polled = now
        async with self._polls:
            return parse_report(await self._cluster.ask_worker(pod))

    async def _missing_claims(self, job: Job) -> tuple[str, ...]:
        assert job.spec is not None
        names = claims(job.spec, self._policy)
        try:
            found = {name: await self._cluster.claim_exists(job.namespace, name) for name in names}
        except ClusterError:
            return ()  # unknown is not missing
        return tuple(name for name, exists in found.items() if exists is False)

    def _pods(self, job: Job) -> tuple[Pod, ...]:
        return tuple(map(self._recollection.current, self._view.pods_of(job.uid)))

    def _contenders(self) -> list[Contender]:
        now = self._clock()
        found = (contender(job, now, self._policy) for job in self.jobs())
        return [entry for entry in found if entry is not None]

    def _turn(self, job: Job) -> Turn:
        assert job.spec is not None
        queue = current_queue(job.spec, job.status, self._policy)
        pods = map(self._recollection.current, self._view.pods())
        return take_turn(job.uid, queue, self._contenders(), pods, self._policy.pools[queue].max_concurrent)

    def _wake_waiting(self, except_key: str = "") -> None:
        """A slot may be free: look at the jobs that are next."""
        contenders = self._contenders()
        for queue in QueueName:
            for entry in waiting_order(queue, contenders)[: self._policy.pools[queue].max_concurrent]:
                if entry.key != except_key:
                    self._wake(entry.key)
