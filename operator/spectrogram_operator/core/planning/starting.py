"""From a job of which nothing runs to a pod that is asked for: refused, suspended, waiting, or the next attempt."""

from dataclasses import replace
from datetime import datetime, timedelta

from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.building.kueue import refused_queue_name
from spectrogram_operator.core.building.podspec import build_pod, pod_name
from spectrogram_operator.core.building.sizing import attempt_memory, current_queue, refused_memory
from spectrogram_operator.core.building.stores import claims, refused_places
from spectrogram_operator.core.judging.outcome import outcome
from spectrogram_operator.core.judging.refusals import Refusal
from spectrogram_operator.core.planning.ending import conclude, end_job, suspended, tries
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS, CreatePod, Event, Observed, Plan
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import (
    active_attempt,
    changed,
    find_condition,
    holds,
    is_held_back,
    with_attempt,
    with_condition,
)

LOOK_AGAIN_SECONDS = 30.0
CLAIM_SECONDS = 60.0
MOST_CREATIONS = 5


def start_attempt(situation: Situation) -> Plan:
    """Nothing runs: end, wait, or reserve the next attempt."""
    job, spec, observed = situation.job, situation.spec, situation.observed
    status, now, policy = situation.status, situation.now, situation.policy
    if spec.cancelled:
        message = "cancelled by spec.cancelled"
        return Plan(
            status=end_job(status, Phase.CANCELLED, "Cancelled", message, now),
            events=(Event(reason="Cancelled", message=message),),
        )
    queue = current_queue(spec, status, policy)
    status = changed(status, queue=queue, attempt_text=tries(status, spec))
    if refusal := refused_memory(spec, queue, policy) or _refused(spec, policy):
        return refuse(status, refusal, now)
    if spec.suspend:
        return Plan(status=suspended(status, now))
    if holds(status, ConditionType.SUSPENDED):
        status = with_condition(status, ConditionType.SUSPENDED, "False", reason="JobResumed", now=now)
        status = changed(status, phase=Phase.PENDING, reason="JobResumed", message="resumed")
    if status.next_attempt_at is not None and status.next_attempt_at > now:
        return Plan(status=status, requeue_after=(status.next_attempt_at - now).total_seconds())
    if _claims_are_missing(observed, status):
        return _wait_for_claims(situation.saying(status))
    status = with_condition(status, ConditionType.ACCEPTED, "True", reason="Valid", now=now)
    if observed.turn is None or not observed.turn.granted:
        why = f": {observed.turn.why}" if observed.turn is not None and observed.turn.why else ""
        waiting = _wait_in_queue(status, "WaitingForSlot", f"waiting for a slot in the queue {queue}{why}", now)
        return replace(waiting, requeue_after=None)  # whoever gives the slots says when
    number = _next_number(status)
    if any(pod.name != pod_name(job, number) for pod in observed.live_pods):
        return _wait_in_queue(status, "WaitingForPodToEnd", "waiting for the previous pod to end", now)
    return _reserve(situation.saying(status), number, queue)


def create_again(situation: Situation, attempt: Attempt) -> Plan:
    """The attempt is reserved and has no pod: create it, unless nobody wants it any more or it was refused."""
    spec, refusal, status = situation.spec, situation.observed.refusal, situation.status
    now, policy = situation.now, situation.policy
    ended = None
    refused = _refused(spec, policy)
    if spec.cancelled or spec.suspend:
        ended = outcome("Cancelled" if spec.cancelled else "JobSuspended", "ended before its pod was created")
    elif refused:
        ended = outcome("InvalidSpec", refused)
    elif refusal is not None and refusal.final:
        ended = outcome(refusal.reason, refusal.message)
    if ended is not None:
        return conclude(situation, attempt, ended)
    if refusal is not None and refusal.passing:
        return Plan(status=status, requeue_after=refusal.retry_after or policy.refusal_seconds)
    if is_held_back(status, attempt):
        return _held_back(situation, attempt)
    if refusal is not None:
        return _hold_back(situation, attempt, refusal)
    if attempt.creation_time is not None and not _waited(attempt.creation_time, now, policy.missing_seconds):
        return Plan(status=status, requeue_after=policy.missing_seconds)
    # Of a creation that was refused, or that an operator was killed before, no pod can have vanished.
    vanished = attempt.creations + (situation.observed.created == attempt.pod_name)
    if vanished > MOST_CREATIONS:
        message = f"the pod {attempt.pod_name} was created {vanished} times and was never seen"
        return conclude(situation, attempt, outcome("PodVanishing", message))
    return _create(situation, attempt.model_copy(update={"creations": vanished}))


def _create(situation: Situation, attempt: Attempt) -> Plan:
    """Create the reserved attempt's pod; the status write before it is the fence against another operator."""
    attempt = attempt.model_copy(update={"creation_time": situation.now})
    status = with_attempt(situation.status, attempt)
    creation = CreatePod(attempt=attempt, manifest=build_pod(situation.job, attempt, situation.policy))
    return Plan(status=status, actions=(creation,), requeue_after=QUICK_START_SECONDS)


def _hold_back(situation: Situation, attempt: Attempt, refusal: Refusal) -> Plan:
    """Faults 42 to 44: the pod cannot be created now. Its slot is for others meanwhile; nobody is to blame."""
    now, policy = situation.now, situation.policy
    seconds = min(policy.refusal_seconds * 2.0 ** min(attempt.refusals, 64), policy.max_refusal_seconds)
    attempt = attempt.model_copy(update={"refusals": attempt.refusals + 1})
    status = changed(with_attempt(situation.status, attempt), next_attempt_at=now + timedelta(seconds=seconds))
    waiting = _wait_in_queue(status, refusal.reason, refusal.message, now)
    return replace(waiting, requeue_after=seconds)


def _held_back(situation: Situation, attempt: Attempt) -> Plan:
    """Try again after a while, once there is a slot."""
    observed, status, now = situation.observed, situation.status, situation.now
    left = ((status.next_attempt_at or now) - now).total_seconds()
    if left > 0 or observed.refusal is not None:
        return Plan(status=status, requeue_after=max(left, 1.0))
    if observed.turn is not None and not observed.turn.granted:
        return Plan(status=status, requeue_after=LOOK_AGAIN_SECONDS)
    status = changed(status, next_attempt_at=None, phase=Phase.STARTING, reason="CreatingPod")
    status = changed(status, message=f"creating the pod {attempt.pod_name}")
    status = with_condition(status, ConditionType.ADMITTED, "True", reason="Admitted", now=now)
    return _create(situation.saying(status), attempt)


def refuse(status: SpectrogramJobStatus, message: str, now: datetime) -> Plan:
    """The job as it is written can never run. A pod of it that runs is ended once the job is over."""
    attempt = active_attempt(status)
    if attempt is not None:
        record = {"state": AttemptState.FINISHED, "finish_time": now, "reason": "InvalidSpec", "message": message}
        status = with_attempt(status, attempt.model_copy(update={**record, "retry_class": RetryClass.FATAL}))
    status = with_condition(status, ConditionType.ACCEPTED, "False", reason="InvalidSpec", message=message, now=now)
    return Plan(
        status=end_job(status, Phase.FAILED, "InvalidSpec", message, now),
        events=(Event(warning=True, reason="InvalidSpec", message=message),),
        requeue_after=0.0 if attempt is not None else None,
    )


def _reserve(situation: Situation, number: int, queue: QueueName) -> Plan:
    """Write down that attempt `number` exists, and only then create its pod."""
    job, spec, status, now, policy = (
        situation.job,
        situation.spec,
        situation.status,
        situation.now,
        situation.policy,
    )
    previous = status.attempts[-1] if status.attempts else None
    attempt = Attempt(
        number=number,
        state=AttemptState.CREATING,
        pod_name=pod_name(job, number),
        pool=queue,
        memory_bytes=attempt_memory(spec, queue, previous, policy),
        reserved_time=now,
    )
    status = changed(
        with_attempt(status, attempt),
        phase=Phase.STARTING,
        reason="CreatingPod",
        message=f"creating the pod {attempt.pod_name}",
        attempt=number,
        start_time=status.start_time or now,
        next_attempt_at=None,
        pod_name=attempt.pod_name,
        node_name=None,
        heartbeat_time=None,
        last_advance_time=None,
        progress=None,
        memory=None,
        warnings=(),
    )
    for of_last_attempt in (ConditionType.STALLED, ConditionType.MEMORY_WARNING):
        if holds(status, of_last_attempt):
            status = with_condition(status, of_last_attempt, "False", reason="AttemptStarted", now=now)
    status = with_condition(status, ConditionType.ADMITTED, "True", reason="Admitted", now=now)
    return Plan(
        status=status,
        actions=(CreatePod(attempt=attempt, manifest=build_pod(job, attempt, policy)),),
        events=(Event(reason="AttemptStarted", message=f"attempt {number}: creating the pod {attempt.pod_name}"),),
        requeue_after=QUICK_START_SECONDS,
    )


def _wait_in_queue(status: SpectrogramJobStatus, reason: str, message: str, now: datetime) -> Plan:
    status = changed(status, phase=Phase.QUEUED, reason=reason, message=message)
    status = with_condition(status, ConditionType.ADMITTED, "False", reason=reason, message=message, now=now)
    return Plan(status=status, requeue_after=LOOK_AGAIN_SECONDS)


def _claims_are_missing(observed: Observed, status: SpectrogramJobStatus) -> bool:
    """What the look at the claims said; where nobody looked, what the last look said."""
    if observed.missing_claims is not None:
        return bool(observed.missing_claims)
    return holds(status, ConditionType.ACCEPTED) is False


def _wait_for_claims(situation: Situation) -> Plan:
    """A claim that the job names does not exist: no pod could start (fault 25)."""
    observed, status, now, policy = situation.observed, situation.status, situation.now, situation.policy
    before = find_condition(status.conditions, ConditionType.ACCEPTED)
    known = before is not None and before.status == "False"
    message = before.message if before is not None else ""
    if observed.missing_claims:
        message = _missing(situation.job, observed.missing_claims, policy)
    status = with_condition(status, ConditionType.ACCEPTED, "False", reason="PVCNotFound", message=message, now=now)
    event = Event(warning=True, reason="PVCNotFound", message=message)
    if known and before is not None and _waited(before.last_transition_time, now, policy.pending_seconds):
        return Plan(status=end_job(status, Phase.FAILED, "PVCNotFound", message, now), events=(event,))
    status = changed(status, phase=Phase.PENDING, reason="PVCNotFound", message=message)
    return Plan(status=status, events=() if known else (event,), requeue_after=CLAIM_SECONDS)


def _missing(job: ValidJob, names: tuple[str, ...], policy: Policy) -> str:
    stores = claims(job.spec, policy)
    titles = [f"{name} (the store {stores[name]})" if stores.get(name) else name for name in names]
    remedy = "name another store" if any(stores.get(name) for name in names) else "correct claimName"
    return f"no PersistentVolumeClaim {' and '.join(titles)} in the namespace {job.namespace}: create it, or {remedy}"


def _refused(spec: SpectrogramJobSpec, policy: Policy) -> str:
    """Why the platform team's settings do not let the job run, or an empty string."""
    return refused_places(spec, policy) or refused_queue_name(spec, policy)


def _next_number(status: SpectrogramJobStatus) -> int:
    return max([status.attempt, *(attempt.number for attempt in status.attempts)]) + 1


def _waited(since: datetime | None, now: datetime, seconds: float) -> bool:
    return since is not None and now - since >= timedelta(seconds=seconds)
