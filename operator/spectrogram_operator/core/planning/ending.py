"""The end of an attempt, and of a job: the outcome goes into status, with what follows from it."""

from dataclasses import replace
from datetime import datetime, timedelta

from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.building.sizing import named_queue
from spectrogram_operator.core.judging.outcome import Outcome, outcome
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import DeletePod, Event, Plan
from spectrogram_operator.core.planning.progress import all_done, final_report
from spectrogram_operator.core.planning.record import explained
from spectrogram_operator.core.planning.retries import Retry, Stop, next_attempt
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.status import (
    MAXIMUM_MESSAGE_LENGTH,
    changed,
    find_condition,
    with_attempt,
    with_condition,
)
from spectrogram_worker.contract.report import clean_text

ZOMBIE_PREFIX = "Detected as zombie"


def conclude(situation: Situation, attempt: Attempt, ended: Outcome) -> Plan:
    """The attempt is over for `ended`: record it, then end the job or say when the next attempt starts."""
    observed, spec, status, now = situation.observed, situation.spec, situation.status, situation.now
    ended = _rerouted_once(explained(attempt, ended), attempt, spec)
    pod = observed.own_pod if observed.own_pod is not None and observed.own_pod.uid == attempt.pod_uid else None
    if ended.report is not None:
        status = final_report(status, ended.report, attempt, now)
    attempt = _finished(attempt, ended, pod, status, now)
    status = with_attempt(status, attempt)
    status = with_condition(
        status, ConditionType.RUNNING, "False", reason=ended.reason, message=attempt.message or "", now=now
    )
    if ended.retry_class is RetryClass.SUCCESS:
        result = _succeeded(status, ended, pod, now)
    elif spec.cancelled or ended.reason == "Cancelled":
        message = f"cancelled while attempt {attempt.number} ran"
        cancelled = end_job(status, Phase.CANCELLED, "Cancelled", message, now)
        result = Plan(status=cancelled, events=(Event(reason="Cancelled", message=message),))
    elif ended.reason == "JobSuspended":
        result = Plan(status=suspended(status, now), requeue_after=0.0)
    else:
        decision = next_attempt(situation.saying(status), attempt, named_queue(attempt.pool))
        if isinstance(decision, Stop):
            result = _failed(status, attempt, spec, decision, now)
        else:
            result = _retried(status, attempt, spec, decision, now)
    return replace(result, actions=_pod_to_delete(pod), events=(*result.events, *_warnings_of(result.status)))


def end_job(
    status: SpectrogramJobStatus, phase: Phase, reason: str, message: str, now: datetime
) -> SpectrogramJobStatus:
    """The status of a job that is over, for good: nothing of it runs any more, and nothing waits for a human."""
    for passing in (ConditionType.RUNNING, ConditionType.STALLED):
        condition = find_condition(status.conditions, passing)
        if condition is not None and condition.status != "False":
            status = with_condition(status, passing, "False", reason=reason, now=now)
    kind = ConditionType.COMPLETE if phase is Phase.SUCCEEDED else ConditionType.FAILED
    status = with_condition(status, kind, "True", reason=reason, message=message, now=now)
    return changed(status, phase=phase, reason=reason, message=message, completion_time=now, next_attempt_at=None)


def suspended(status: SpectrogramJobStatus, now: datetime) -> SpectrogramJobStatus:
    """Suspending is not a failure: no counter moves, and resuming starts the next attempt."""
    message = "suspended by spec.suspend; set it to false to go on"
    status = changed(
        status, phase=Phase.SUSPENDED, reason="JobSuspended", message=message, pod_name=None, node_name=None
    )
    return with_condition(status, ConditionType.SUSPENDED, "True", reason="JobSuspended", now=now)


def tries(status: SpectrogramJobStatus, spec: SpectrogramJobSpec) -> str:
    """Tries against the limit, as in 2/3."""
    return f"{status.retries.user + 1}/{spec.retry.limit + 1}"


def _finished(
    attempt: Attempt, ended: Outcome, pod: Pod | None, status: SpectrogramJobStatus, now: datetime
) -> Attempt:
    """The attempt as it stays on record. Its end is its start and the time that the pod ran, for the node's clock is
    not ours; and what follows must not wait for a time that has not come.
    """
    finish = pod.finish_time if pod is not None else None
    if pod is not None and finish is not None and pod.started is not None and attempt.start_time is not None:
        finish = attempt.start_time + max(finish - pod.started, timedelta(0))
    zombie = ended.retry_class is RetryClass.ZOMBIE
    last_peak = status.memory.peak_bytes if status.memory else None
    return attempt.model_copy(
        update={
            "state": AttemptState.FINISHED,
            "finish_time": min(finish, now) if finish is not None else now,
            "reason": ended.reason,
            "retry_class": ended.retry_class,
            "exit_code": ended.exit_code,
            "columns_done": status.progress.columns_done if status.progress else None,
            "kernel": status.progress.kernel if status.progress else None,
            "peak_memory_bytes": ended.report.memory.peak_bytes if ended.report else last_peak,
            "message": f"{ZOMBIE_PREFIX}: {ended.message}" if zombie else ended.message,
        }
    )


def _rerouted_once(ended: Outcome, attempt: Attempt, spec: SpectrogramJobSpec) -> Outcome:
    """A worker may ask for the large queue once, where the job leaves the choice open; else it is mistaken."""
    allowed = spec.queue == "auto" and attempt.pool != QueueName.LARGE_JOBS
    if ended.reason != "RerouteLarge" or allowed:
        return ended
    message = "the worker asked for the large queue, and it may not: it is there already, or the job names its queue"
    return replace(outcome("InternalError", message), exit_code=ended.exit_code, report=ended.report)


def _succeeded(status: SpectrogramJobStatus, ended: Outcome, pod: Pod | None, now: datetime) -> Plan:
    if pod is not None and pod.main is not None and pod.main.terminated_reason == "OOMKilled":
        message = "a child process was OOM-killed, and the worker finished without it"
        status = with_condition(
            status, ConditionType.MEMORY_WARNING, "True", reason="ChildOOMKilled", message=message, now=now
        )
    status = end_job(all_done(status), Phase.SUCCEEDED, "Completed", ended.message, now)
    return Plan(status=status, events=(Event(reason="Completed", message=ended.message),))


def _failed(
    status: SpectrogramJobStatus, attempt: Attempt, spec: SpectrogramJobSpec, decision: Stop, now: datetime
) -> Plan:
    reason = attempt.reason or "WorkerError"
    text = f"attempt {tries(status, spec)}: {attempt.message}{f'; {decision.why}' if decision.why else ''}"
    events = [_attempt_failed(attempt), Event(warning=True, reason="Failed", message=f"{reason}: {text}")]
    if attempt.retry_class is RetryClass.ZOMBIE:
        events.insert(1, Event(warning=True, reason="ZombieDetected", message=f"{reason}: {attempt.message}"))
    return Plan(status=end_job(status, Phase.FAILED, reason, text, now), events=tuple(events))


def _retried(
    status: SpectrogramJobStatus, attempt: Attempt, spec: SpectrogramJobSpec, decision: Retry, now: datetime
) -> Plan:
    status = changed(
        status,
        phase=Phase.RETRYING,
        reason=attempt.reason,
        message=f"attempt {attempt.number} ended: {attempt.reason}: {attempt.message}; the next one follows",
        queue=decision.queue,
        retries=decision.retries,
        next_attempt_at=decision.at,
        pod_name=None,
        node_name=None,
    )
    status = changed(status, attempt_text=tries(status, spec))
    if attempt.retry_class is RetryClass.HOLD:
        events: tuple[Event, ...] = (Event(reason="Rerouted", message=f"moved to the queue {decision.queue}"),)
    else:
        when = f"attempt {attempt.number + 1} not before {decision.at:%H:%M:%S} UTC"
        events = (_attempt_failed(attempt), Event(reason="RetryScheduled", message=when))
    return Plan(status=status, events=events, requeue_after=max(0.0, (decision.at - now).total_seconds()))


def _warnings_of(status: SpectrogramJobStatus) -> tuple[Event, ...]:
    """One event of a finished job for all that its worker warned of: an event of each poll would drown the others."""
    if status.completion_time is None or not status.warnings:
        return ()
    return (
        Event(
            warning=True,
            reason="ResultWarnings",
            message=clean_text("; ".join(status.warnings), MAXIMUM_MESSAGE_LENGTH),
        ),
    )


def _attempt_failed(attempt: Attempt) -> Event:
    message = f"attempt {attempt.number}: {attempt.reason}: {attempt.message}"
    return Event(warning=True, reason="AttemptFailed", message=message)


def _pod_to_delete(pod: Pod | None) -> tuple[DeletePod, ...]:
    """A worker that a sidecar outlives leaves a pod that would run on."""
    if pod is None or not pod.live or pod.deleting:
        return ()
    return (DeletePod(name=pod.name, uid=pod.uid),)
