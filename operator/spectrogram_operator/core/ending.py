"""The end of an attempt, and of a job: the outcome goes into status, with what follows from it."""

from datetime import datetime

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
from spectrogram_operator.core.conditions import changed, with_attempt, with_condition
from spectrogram_operator.core.living import ENDED_BY_OPERATOR, evidence_of
from spectrogram_operator.core.observed import DeletePod, Event, Observed, Plan
from spectrogram_operator.core.outcome import Outcome
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.progress import final_report
from spectrogram_operator.core.retries import Stop, next_attempt

ZOMBIE_PREFIX = "Detected as zombie"


def conclude(
    observed: Observed, status: SpectrogramJobStatus, attempt: Attempt, outcome: Outcome, now: datetime, policy: Policy
) -> Plan:
    """The attempt is over with `outcome`: record it, then end the job or say when the next attempt starts."""
    job = observed.job
    assert job.spec is not None
    outcome = _explained(attempt, outcome, status)
    finish = (observed.pod.finish_time if observed.pod else None) or now
    report = outcome.report
    message = f"{ZOMBIE_PREFIX}: {outcome.message}" if outcome.retry_class is RetryClass.ZOMBIE else outcome.message
    attempt = attempt.model_copy(
        update={
            "state": AttemptState.FINISHED,
            "finish_time": finish,
            "reason": outcome.reason,
            "retry_class": outcome.retry_class,
            "exit_code": outcome.exit_code,
            "peak_memory_bytes": report.memory.peak_bytes if report else _last_peak(status),
            "message": message,
        }
    )
    status = with_attempt(status, attempt)
    if report is not None and report.job_uid == job.uid:
        status = final_report(status, report, attempt, now)
    cleanup = _pod_to_delete(observed, attempt)
    if outcome.retry_class is RetryClass.SUCCESS:
        status = with_condition(status, ConditionType.RUNNING, "False", reason="Completed", now=now)
        ended = end_job(status, Phase.SUCCEEDED, "Completed", message, now)
        return Plan(status=ended, actions=cleanup, events=(Event(reason="Completed", message=message),))
    status = with_condition(status, ConditionType.RUNNING, "False", reason=outcome.reason, message=message, now=now)
    failed = Event(
        warning=True, reason="AttemptFailed", message=f"attempt {attempt.number}: {outcome.reason}: {message}"
    )
    if job.spec.cancelled:
        ended = end_job(status, Phase.CANCELLED, "Cancelled", f"cancelled while attempt {attempt.number} ran", now)
        return Plan(status=ended, actions=cleanup, events=(Event(reason="Cancelled", message=message),))
    if outcome.reason == "JobSuspended":
        return Plan(status=_suspended(status, job, now), actions=cleanup, requeue_after=0.0)
    queue = QueueName(attempt.pool)
    decision = next_attempt(attempt, job.spec, queue, status.retries, job.uid, now, policy)
    if isinstance(decision, Stop):
        tries = f"attempt {status.retries.user + 1}/{job.spec.retry.limit + 1}: " if decision.exhausted else ""
        text = f"{tries}{message}{f'; {decision.why}' if decision.why else ''}"
        zombie = (Event(warning=True, reason="ZombieDetected", message=message),) if _is_zombie(attempt) else ()
        return Plan(
            status=end_job(status, Phase.FAILED, outcome.reason, text, now),
            actions=cleanup,
            events=(failed, *zombie, Event(warning=True, reason="Failed", message=f"{outcome.reason}: {text}")),
        )
    status = changed(
        status,
        phase=Phase.RETRYING,
        reason=outcome.reason,
        message=f"attempt {attempt.number} ended: {outcome.reason}: {message}; the next one follows",
        queue=decision.queue,
        retries=decision.retries,
        attempt_text=f"{decision.retries.user + 1}/{job.spec.retry.limit + 1}",
        next_attempt_at=decision.at,
        pod_name=None,
        node_name=None,
    )
    again = Event(
        reason="RetryScheduled", message=f"attempt {attempt.number + 1} not before {decision.at:%H:%M:%S} UTC"
    )
    wait = max(0.0, (decision.at - now).total_seconds())
    return Plan(status=status, actions=cleanup, events=(failed, again), requeue_after=wait)


def end_job(
    status: SpectrogramJobStatus, phase: Phase, reason: str, message: str, now: datetime
) -> SpectrogramJobStatus:
    """The status of a job that is over, for good."""
    kind = ConditionType.COMPLETE if phase is Phase.SUCCEEDED else ConditionType.FAILED
    status = with_condition(status, kind, "True", reason=reason, message=message, now=now)
    return changed(status, phase=phase, reason=reason, message=message, completion_time=now, next_attempt_at=None)


def _explained(attempt: Attempt, outcome: Outcome, status: SpectrogramJobStatus) -> Outcome:
    """The outcome in the light of what is on record: who asked for the end, what was seen before the pod was gone."""
    if outcome.retry_class is RetryClass.SUCCESS:
        return outcome
    if attempt.reason in ENDED_BY_OPERATOR or outcome.reason == "PodMissing":
        known = evidence_of(attempt)
        if known is not None:
            return Outcome(
                reason=known.reason,
                retry_class=known.retry_class,
                message=known.message,
                exit_code=outcome.exit_code,
                report=outcome.report,
            )
    if outcome.reason == "RerouteLarge" and (status.retries.reroutes > 0 or attempt.pool == QueueName.LARGE_JOBS):
        message = "the worker asked for the large queue a second time"
        return Outcome(
            reason="InternalError",
            retry_class=RetryClass.USER,
            message=message,
            exit_code=outcome.exit_code,
            report=outcome.report,
        )
    return outcome


def _suspended(status: SpectrogramJobStatus, job: Job, now: datetime) -> SpectrogramJobStatus:
    """Suspending is not a failure: no counter moves, and resuming starts the next attempt."""
    status = changed(
        status,
        phase=Phase.SUSPENDED,
        reason="JobSuspended",
        message="suspended by spec.suspend; set it to false to go on",
        pod_name=None,
        node_name=None,
    )
    return with_condition(status, ConditionType.SUSPENDED, "True", reason="JobSuspended", now=now)


def _pod_to_delete(observed: Observed, attempt: Attempt) -> tuple[DeletePod, ...]:
    """A worker that a sidecar outlives leaves a pod that would run on."""
    pod = observed.pod
    if pod is None or pod.gone or pod.finished or pod.deleting or pod.uid != attempt.pod_uid:
        return ()
    return (DeletePod(name=pod.name, uid=pod.uid),)


def _last_peak(status: SpectrogramJobStatus) -> int | None:
    return status.memory.peak_bytes if status.memory else None


def _is_zombie(attempt: Attempt) -> bool:
    return attempt.retry_class is RetryClass.ZOMBIE
