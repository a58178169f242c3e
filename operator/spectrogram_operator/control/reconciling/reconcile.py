"""One reconcile: observe a job and its pod, ask the planner, write status once, then do what the plan says.

Every trigger comes here. The order survives a crash after any step: the status that authorises an action is written
first, under the job's resourceVersion; an action that has happened already is harmless.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from spectrogram_operator.api.job import Job, UnreadableJob, ValidJob, read_job
from spectrogram_operator.api.names import LABEL_JOB_UID
from spectrogram_operator.api.status import Attempt, ConditionType, SpectrogramJobStatus
from spectrogram_operator.control.cluster.protocol import Cluster, ClusterError
from spectrogram_operator.control.reconciling.finished_job import FinishedJob
from spectrogram_operator.control.reconciling.notes import Notes
from spectrogram_operator.control.reconciling.pod_events import PodEvents
from spectrogram_operator.control.reconciling.poller import Poller
from spectrogram_operator.control.reconciling.slots import Slots
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.building.stores import claims
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.judging.refusals import refusal
from spectrogram_operator.core.planning.observed import CreatePod, DeletePod, Event, Observed, Plan
from spectrogram_operator.core.planning.plan import plan, tidy_up
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, holds, is_held_back, is_over
from spectrogram_operator.telemetry.logs import CHECK_FAILED

MAXIMUM_CONFLICTS = 5
CLAIM_KNOWN_SECONDS = 30.0
"""A claim that exists is not asked for again so soon: hundreds of jobs name the same one."""
logger = logging.getLogger(__name__)


class NotServingError(Exception):
    """The namespace is another operator's by now: nothing more of this reconcile is done."""


class Recorder(Protocol):
    """Told of every status write that won: metrics and log lines come from here."""

    def __call__(self, job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None: ...


class Reconciler:
    """Keeps every job's status true where `serves` says so. `tell` is given events: somebody posts them, later.

    `policy_of` is what jobs of a namespace are planned with: the policy, and what was learnt there.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        store: Store,
        slots: Slots,
        poller: Poller,
        policy: Policy,
        clock: Callable[[], datetime],
        record: Recorder,
        tell: Callable[[Job, Event], None],
        serves: Callable[[str], bool],
        policy_of: Callable[[str], Policy],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._slots = slots
        self._poller = poller
        self._policy = policy
        self._clock = clock
        self._record = record
        self._tell = tell
        self._pod_events = PodEvents(cluster.pod_events, policy, clock)
        self._serves = serves
        self._policy_of = policy_of
        self._notes: defaultdict[str, Notes] = defaultdict(Notes)
        """By UID of the job."""
        self._claims: dict[tuple[str, str], datetime] = {}
        """By namespace and name: when a claim was seen last."""

        store.listeners.append(self)

    # What the store tells: notes are kept of jobs that are not over.

    def job_changed(self, job: Job | FinishedJob) -> None:
        """See Listener."""
        if isinstance(job, FinishedJob):
            self._notes.pop(job.uid, None)

    def job_gone(self, key: str, uid: str) -> None:
        """See Listener."""
        self._notes.pop(uid, None)

    def pod_changed(self, pod: Pod) -> None:
        """See Listener."""

    async def reconcile(self, key: str) -> float | None:
        """Make one step; returns the seconds after which to look again."""
        try:
            return await self._reconcile(key)
        except NotServingError:
            return None

    async def _reconcile(self, key: str) -> float | None:
        self._check_served(key.partition("/")[0])
        job = self._store.job(key)
        if isinstance(job, FinishedJob):
            if job.said:
                return await self._tidy_up(job)
            job = await self._read_again(job)
        if job is None:
            return None
        for last_try in (False,) * (MAXIMUM_CONFLICTS - 1) + (True,):
            try:
                return (await self._step(job)).requeue_after
            except ClusterError as error:
                if error.code not in (404, 409, 422):
                    raise
                job = await self._read_again(job)  # also after the last: the next look begins with what is known
                if job is None:
                    return None
                if last_try:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _read_again(self, job: Job | FinishedJob) -> Job | None:
        """The job as the API server has it now; None where it is gone, or another has its name."""
        body = await self._cluster.read_job(job.namespace, job.name)
        if body is None or body["metadata"]["uid"] != job.uid:
            self._store.lose_job(job.key, job.uid)
            return None
        self._store.see_job(body)
        return read_job(body)

    async def _step(self, job: Job) -> Plan:
        if isinstance(job, UnreadableJob):
            logger.warning("Job %s: its status is not this version's, and is left alone: %s", job.key, job.why)
        if is_over(job.status) or not isinstance(job, ValidJob):
            observed = Observed(job=job, pods=self._store.pods_of(job.uid))
        elif (attempt := active_attempt(job.status)) is not None:
            observed = await self._observe(job, attempt)
            if is_held_back(job.status, attempt):
                observed = replace(observed, turn=self._slots.turn(job))
        else:
            turn = self._slots.turn(job)
            # At first, so that a wrong claim is said before the job has waited; and before each attempt.
            looks = turn.granted or holds(job.status, ConditionType.ACCEPTED) is not True
            missing = await self._missing_claims(job) if looks else None
            observed = Observed(job=job, turn=turn, missing_claims=missing, pods=self._store.pods_of(job.uid))
        decided = plan(observed, self._clock(), self._policy_of(job.namespace))
        with self._slots.starting(job, decided):
            decided = await self._act(job, await self._write(job, decided))
        if observed.pod is not None and not observed.pod.gone and observed.pod not in observed.pods:
            # No watch tells of a pod that somebody took its label from.
            wait = self._policy.missing_seconds
            decided = replace(decided, requeue_after=min(wait, decided.requeue_after or wait))
        # A job that is over by now has something left to tidy up.
        return replace(decided, requeue_after=0.0) if is_over(decided.status) and not is_over(job.status) else decided

    async def _write(self, job: Job, decided: Plan) -> Plan:
        """Write the new status if it differs, and before every creation: the write is the fence (see CreatePod).

        Gives what is to be done now: nothing that a status authorises which has to wait.
        """
        creates = any(isinstance(action, CreatePod) for action in decided.actions)
        if decided.status == job.status and not creates:
            return decided
        notes, now = self._notes[job.uid], self._clock()
        if not creates and (wait := notes.seconds_to_write(job.status, decided.status, now)):
            return replace(decided, actions=(), requeue_after=min(wait, decided.requeue_after or wait))
        self._check_served(job.namespace)
        self._store.see_job(await self._cluster.write_status(job, decided.status.to_document()))
        notes.write_won(job.status, decided.status, now)
        self._record(job, job.status, decided.status)
        for event in decided.events:
            self._tell(job, event)
        return decided

    async def _act(self, job: Job, decided: Plan) -> Plan:
        """Do what the written status authorises. A refused creation is planned with at the next look."""
        for action in decided.actions:
            self._check_served(job.namespace)
            if isinstance(action, CreatePod):
                notes = self._notes[job.uid]
                notes.created = ""
                try:
                    self._store.see_pod(await self._cluster.create_pod(action.manifest))
                    notes.refusal = None
                    notes.created = action.manifest["metadata"]["name"]
                except ClusterError as error:
                    if not (error.code == 409 and error.reason == "AlreadyExists"):
                        notes.refusal = refusal(error.code, error.reason, error.message, error.retry_after)
                        notes.refused = self._clock()
                    return replace(decided, requeue_after=0.0)
            elif isinstance(action, DeletePod):
                await self._cluster.delete_pod(job.namespace, action.name, action.uid, force=action.force)
        return decided

    async def _tidy_up(self, job: FinishedJob) -> float | None:
        """What is left of a job that is over. Nothing of it is written any more."""
        pods = self._store.pods_of(job.uid)
        actions, later = tidy_up(
            pods, succeeded=job.succeeded, ended=job.completion_time, now=self._clock(), policy=self._policy
        )
        for action in actions:
            self._check_served(job.namespace)
            await self._cluster.delete_pod(job.namespace, action.name, action.uid)
        return later

    async def _observe(self, job: Job, attempt: Attempt) -> Observed:
        """A job of which an attempt is reserved or runs."""
        pod = self._pod_of(job, attempt)
        if pod is not None:
            self._notes[job.uid].absent = None
            told = await self._pod_events.of(pod, attempt)
            observed = Observed(job=job, pod=pod, report=self._poller.take_report(pod.uid), told_by_events=told)
        else:
            observed = await self._look_for_pod(job, attempt)
        notes = self._notes[job.uid]
        return replace(
            observed,
            refusal=notes.standing_refusal(self._clock(), self._policy.refusal_seconds),
            created=notes.created,
            pods=self._store.pods_of(job.uid),
        )

    async def _look_for_pod(self, job: Job, attempt: Attempt) -> Observed:
        """Ask for a pod that nobody has shown: a stale watch must neither create nor bury one."""
        notes = self._notes[job.uid]
        try:
            body = await self._cluster.read_pod(job.namespace, attempt.pod_name)
        except ClusterError as error:
            logger.warning(CHECK_FAILED, job.key, error)
            return Observed(job=job, pod=self._known(job, attempt))
        live = read_pod(body) if body is not None else None
        if body is not None and live is not None and live.owner_uid == job.uid:
            if LABEL_JOB_UID in (body["metadata"].get("labels") or {}):
                self._store.see_pod(body)  # without the label no watch would ever correct what is stored
            if attempt.pod_uid in (None, live.uid):
                notes.absent = None
                return Observed(job=job, pod=live)
        elif live is not None and attempt.pod_uid is None:
            return Observed(job=job, foreign=True)
        known = self._known(job, attempt)
        if known is not None and not known.gone:
            return Observed(job=job, pod=known)
        return Observed(job=job, pod=known, absent_since=notes.absent_since(attempt.pod_name, self._clock()))

    def _check_served(self, namespace: str) -> None:
        """Before each request that changes something: the namespace may have gone to another operator since."""
        if not self._serves(namespace):
            raise NotServingError(namespace)

    def _pod_of(self, job: Job, attempt: Attempt) -> Pod | None:
        own = (pod for pod in self._store.pods_of(job.uid) if attempt.pod_uid in (None, pod.uid))
        return next((pod for pod in own if pod.name == attempt.pod_name), None)

    def _known(self, job: Job, attempt: Attempt) -> Pod | None:
        """The pod as it was told of, or as it was last: also while it was looked for."""
        return self._pod_of(job, attempt) or self._store.last_seen(job.uid, attempt.pod_uid or "")

    async def _missing_claims(self, job: ValidJob) -> tuple[str, ...]:
        missing = []
        for name in claims(job.spec, self._policy):
            seen = self._claims.get((job.namespace, name))
            if seen is not None and 0 <= (self._clock() - seen).total_seconds() < CLAIM_KNOWN_SECONDS:
                continue
            try:
                exists = await self._cluster.claim_exists(job.namespace, name)
            except ClusterError:
                return ()  # unknown is not missing
            if exists:
                self._claims[job.namespace, name] = self._clock()
            elif exists is False:
                missing.append(name)
        return tuple(missing)
