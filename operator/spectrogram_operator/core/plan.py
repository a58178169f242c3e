"""The state machine: what is observed of one job, and `now`, become a new status and at most a few actions.

            suspend ┌───────────┐ resume
          ┌────────►│ Suspended ├────────┐
          │         └───────────┘        ▼
    ┌─────┴───┐ slot  ┌──────────┐ pod  ┌─────────┐ exit 0 + manifest ┌───────────┐
    │ Queued  ├──────►│ Starting ├─────►│ Running ├──────────────────►│ Succeeded │
    └─────▲───┘       └────┬─────┘      └────┬────┘                   └───────────┘
          │ backoff over   │                 │ the pod ended, or is missing
    ┌─────┴────┐ budget    └────────┬────────┘
    │ Retrying │◄───────────────────┤ core/outcome.py judges, core/retries.py decides
    └──────────┘                    │ no budget, never retried        ┌────────┐
                                    └────────────────────────────────►│ Failed │ (or Cancelled)
                                                                      └────────┘
An attempt is reserved in status before its pod is created (Creating), its pod's UID is recorded next (Created), and it
is judged once (Finished). The planner reads attempts, conditions and pods; it never reads the phase back. It is total:
every combination has an answer. It is called for every event, timer and restart alike (faults.md I1).
"""

from datetime import datetime, timedelta

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.conditions import (
    active_attempt,
    changed,
    find_condition,
    is_over,
    observing,
    with_attempt,
    with_condition,
)
from spectrogram_operator.core.ending import conclude, end_job
from spectrogram_operator.core.living import watch_pod
from spectrogram_operator.core.observed import CreatePod, DeletePod, Event, Observed, Plan
from spectrogram_operator.core.outcome import Outcome, assess
from spectrogram_operator.core.podspec import build_pod, pod_name
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.sizing import attempt_memory, first_queue, refused_memory

LOOK_AGAIN_SECONDS = 30.0
CLAIM_SECONDS = 60.0


def plan(observed: Observed, now: datetime, policy: Policy) -> Plan:
    """What to write and what to do now for the observed job. Pure and total."""
    job = observed.job
    status = observing(job.status, job.generation)
    if job.deleting:
        return Plan(status=job.status)
    if is_over(status):
        return _tidy_up(observed, status, now, policy)
    attempt = active_attempt(status)
    if job.spec is None:
        status = with_condition(
            status, ConditionType.ACCEPTED, "False", reason="InvalidSpec", message=job.invalid, now=now
        )
        ended = end_job(status, Phase.FAILED, "InvalidSpec", job.invalid, now)
        return Plan(
            status=ended,
            actions=(DeletePod(name=attempt.pod_name, uid=attempt.pod_uid),) if attempt else (),
            events=(Event(warning=True, reason="InvalidSpec", message=job.invalid),),
        )
    if attempt is None:
        return _start_attempt(observed, status, now, policy)
    return _follow_attempt(observed, status, attempt, now, policy)


def _start_attempt(observed: Observed, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Plan:
    """Nothing runs: end, wait, or reserve the next attempt."""
    job = observed.job
    spec = job.spec
    assert spec is not None
    if spec.cancelled:
        return Plan(
            status=end_job(status, Phase.CANCELLED, "Cancelled", "cancelled by spec.cancelled", now),
            events=(Event(reason="Cancelled", message="cancelled before a pod ran"),),
        )
    queue = QueueName(status.queue) if status.queue else first_queue(spec, policy)
    status = changed(status, queue=queue, attempt_text=_attempt_text(job, status))
    if refusal := refused_memory(spec, queue, policy):
        status = with_condition(status, ConditionType.ACCEPTED, "False", reason="InvalidSpec", message=refusal, now=now)
        return Plan(
            status=end_job(status, Phase.FAILED, "InvalidSpec", refusal, now),
            events=(Event(warning=True, reason="InvalidSpec", message=refusal),),
        )
    if spec.suspend:
        message = "suspended by spec.suspend; set it to false to go on"
        status = changed(status, phase=Phase.SUSPENDED, reason="JobSuspended", message=message)
        status = with_condition(status, ConditionType.SUSPENDED, "True", reason="JobSuspended", now=now)
        return Plan(status=status)
    if find_condition(status.conditions, ConditionType.SUSPENDED):
        status = with_condition(status, ConditionType.SUSPENDED, "False", reason="JobResumed", now=now)
    if status.next_attempt_at is not None and status.next_attempt_at > now:
        return Plan(status=status, requeue_after=(status.next_attempt_at - now).total_seconds())
    if observed.missing_claims:
        return _wait_for_claims(observed, status, now, policy)
    status = with_condition(status, ConditionType.ACCEPTED, "True", reason="Valid", now=now)
    if observed.turn is None or not observed.turn.granted:
        message = f"waiting for a slot in the queue {queue}"
        if observed.turn is not None:
            message += f": at most {observed.turn.limit} run at once"
        status = changed(status, phase=Phase.QUEUED, reason="WaitingForSlot", message=message)
        status = with_condition(
            status, ConditionType.ADMITTED, "False", reason="WaitingForSlot", message=message, now=now
        )
        return Plan(status=status, requeue_after=LOOK_AGAIN_SECONDS)
    return _reserve(job, status, queue, now, policy)


def _reserve(job: Job, status: SpectrogramJobStatus, queue: QueueName, now: datetime, policy: Policy) -> Plan:
    """Write down that attempt n exists, and only then create its pod."""
    spec = job.spec
    assert spec is not None
    number = status.attempt + 1
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
    )
    status = with_condition(status, ConditionType.ADMITTED, "True", reason="Admitted", now=now)
    return Plan(
        status=status,
        actions=(CreatePod(manifest=build_pod(job, attempt, policy)),),
        events=(Event(reason="AttemptStarted", message=f"attempt {number}: creating the pod {attempt.pod_name}"),),
    )


def _follow_attempt(
    observed: Observed, status: SpectrogramJobStatus, attempt: Attempt, now: datetime, policy: Policy
) -> Plan:
    """An attempt is reserved or runs: judge its pod, or find out that there is none."""
    pod = observed.pod
    if observed.foreign:
        message = f"a pod named {attempt.pod_name} exists and belongs to somebody else: rename or delete it"
        outcome = Outcome(reason="PodNameCollision", retry_class=RetryClass.FATAL, message=message)
        return conclude(observed, status, attempt, outcome, now, policy)
    if pod is not None and attempt.pod_uid in (None, pod.uid):
        attempt = attempt.model_copy(
            update={
                "state": AttemptState.CREATED,
                "pod_uid": pod.uid,
                "node_name": pod.node_name or attempt.node_name,
                "start_time": pod.started or attempt.start_time,
            }
        )
        status = changed(with_attempt(status, attempt), node_name=attempt.node_name)
        outcome_of_pod = assess(pod, memory_share=_memory_share(status))
        if outcome_of_pod is None:
            return watch_pod(observed, status, attempt, pod, now, policy)
        if not (pod.gone and outcome_of_pod.reason == "PodMissing"):
            return conclude(observed, status, attempt, outcome_of_pod, now, policy)
    if observed.absent_since is None:
        return Plan(status=status, requeue_after=policy.missing_seconds)
    return _without_pod(observed, status, attempt, now, policy)


def _without_pod(
    observed: Observed, status: SpectrogramJobStatus, attempt: Attempt, now: datetime, policy: Policy
) -> Plan:
    """A live look-up said that the pod does not exist."""
    job = observed.job
    spec = job.spec
    assert spec is not None
    assert observed.absent_since is not None
    if attempt.state is AttemptState.CREATED:
        seen_twice = now - observed.absent_since >= timedelta(seconds=policy.missing_seconds)
        if not seen_twice:
            return Plan(status=status, requeue_after=policy.missing_seconds)
        message = "no such pod: two look-ups said so, and nothing on record explains it"
        missing = Outcome(reason="PodMissing", retry_class=RetryClass.ZOMBIE, message=message)
        return conclude(observed, status, attempt, missing, now, policy)
    if spec.cancelled or spec.suspend:
        reason = "Cancelled" if spec.cancelled else "JobSuspended"
        ended = Outcome(reason=reason, retry_class=RetryClass.HOLD, message="ended before its pod was created")
        return conclude(observed, status, attempt, ended, now, policy)
    if observed.refusal is not None and observed.refusal.final:
        refused = Outcome(
            reason=observed.refusal.reason, retry_class=RetryClass.FATAL, message=observed.refusal.message
        )
        return conclude(observed, status, attempt, refused, now, policy)
    create = CreatePod(manifest=build_pod(job, attempt, policy))
    if observed.refusal is not None:
        status = changed(status, phase=Phase.STARTING, reason=observed.refusal.reason, message=observed.refusal.message)
        return Plan(status=status, requeue_after=LOOK_AGAIN_SECONDS)
    return Plan(status=status, actions=(create,))


def _wait_for_claims(observed: Observed, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Plan:
    """A claim that the job names does not exist: no pod could start (faults.md row 25)."""
    names = " and ".join(observed.missing_claims)
    message = (
        f"no PersistentVolumeClaim {names} in the namespace {observed.job.namespace}: create it, or correct claimName"
    )
    status = with_condition(status, ConditionType.ACCEPTED, "False", reason="PVCNotFound", message=message, now=now)
    condition = find_condition(status.conditions, ConditionType.ACCEPTED)
    assert condition is not None
    if now - condition.last_transition_time >= timedelta(seconds=policy.pending_seconds):
        return Plan(
            status=end_job(status, Phase.FAILED, "PVCNotFound", message, now),
            events=(Event(warning=True, reason="PVCNotFound", message=message),),
        )
    first = observed.job.status.reason != "PVCNotFound"
    status = changed(status, phase=Phase.PENDING, reason="PVCNotFound", message=message)
    events = (Event(warning=True, reason="PVCNotFound", message=message),) if first else ()
    return Plan(status=status, events=events, requeue_after=CLAIM_SECONDS)


def _tidy_up(observed: Observed, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Plan:
    """The job is over: its pods keep their logs for a while, then they are deleted."""
    succeeded = status.phase == Phase.SUCCEEDED
    keep = timedelta(seconds=policy.keep_succeeded_seconds if succeeded else policy.keep_failed_seconds)
    ended = status.completion_time or now
    present = [pod for pod in observed.pods if not pod.gone and not pod.deleting]
    due = [pod for pod in present if not pod.finished or now >= ended + keep]
    actions = tuple(DeletePod(name=pod.name, uid=pod.uid) for pod in due)
    later = (ended + keep - now).total_seconds() if len(due) < len(present) else None
    return Plan(status=status, actions=actions, requeue_after=later)


def _memory_share(status: SpectrogramJobStatus) -> float | None:
    memory = status.memory
    if memory is None or not memory.current_bytes or not memory.limit_bytes:
        return None
    return memory.current_bytes / memory.limit_bytes


def _attempt_text(job: Job, status: SpectrogramJobStatus) -> str:
    assert job.spec is not None
    return f"{status.retries.user + 1}/{job.spec.retry.limit + 1}"
