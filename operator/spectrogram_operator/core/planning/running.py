"""A pod that is not over: what it waits for, how far it is, and whether it must be ended."""

from dataclasses import replace
from datetime import datetime, timedelta

from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.building.podspec import time_limits
from spectrogram_operator.core.judging.impediment import Impediment, find_impediment, waiting_for
from spectrogram_operator.core.judging.outcome import Outcome, evidence, outcome
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS, DeletePod, Event, Plan
from spectrogram_operator.core.planning.progress import live_report
from spectrogram_operator.core.planning.record import ended_by_operator, with_evidence, without_evidence
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import (
    active_attempt,
    changed,
    find_condition,
    holds,
    with_attempt,
    with_condition,
)

SECONDS_BEYOND_THE_DEADLINE = 60.0
SECONDS_TO_BE_STUCK = 120.0


def watch_pod(situation: Situation, attempt: Attempt, pod: Pod) -> Plan:
    """The plan for a pod that is not over."""
    observed, status, now, policy = situation.observed, situation.status, situation.now, situation.policy
    if pod.disruption_called_off:
        attempt = without_evidence(attempt)
        status = with_attempt(status, attempt)
    if pod.worker_runs:
        status = live_report(status, observed.report, observed.job, attempt, now, policy)
    seen = evidence(pod)
    waits = (
        find_impediment(pod, attempt, status, now, policy, observed.told_by_events)
        if _waits(pod) and seen is None
        else None
    )
    unwanted = _unwanted(situation.saying(status), attempt, seen, waits)
    if unwanted is not None and not pod.deleting:
        return _end(status, attempt, unwanted, pod, policy)
    if seen is not None:
        attempt = with_evidence(attempt, unwanted or seen)
        return _ending(situation.saying(with_attempt(status, attempt)), attempt, pod)
    if ended_by_operator(attempt):
        return _end(status, attempt, None, pod, policy)
    if waits is not None and waits.usual and (quick := _quick_start(situation)) > 0:
        return Plan(status=observed.job.status, requeue_after=quick)
    if waits is not None:
        moments = [moment for moment in (waits.deadline, waits.look) if moment is not None]
        wait = max(1.0, (min(moments) - now).total_seconds()) if moments else None
        return Plan(status=waiting_for(status, waits, now), requeue_after=wait)
    if pod.phase in ("Pending", "Running"):
        backstop = _backstop(situation.spec, attempt, policy)
        wait = None if backstop is None else max(1.0, (backstop - now).total_seconds())
        return Plan(status=_running(status, attempt, now), requeue_after=wait)
    return _unreachable(situation.saying(status), attempt, pod)


def _quick_start(situation: Situation) -> float:
    """Seconds for which a pod that has just been created may still start unremarked."""
    attempt = active_attempt(situation.job.status)
    if attempt is None or attempt.state is not AttemptState.CREATING or attempt.reserved_time is None:
        return 0.0
    waited = (situation.now - attempt.reserved_time).total_seconds()
    return QUICK_START_SECONDS - waited if waited >= 0 else 0.0  # another clock was ahead


def _waits(pod: Pod) -> bool:
    """True while the worker has not started, whatever the containers of others do."""
    return pod.phase in ("Pending", "Running") and not pod.worker_runs


def _ending(situation: Situation, attempt: Attempt, pod: Pod) -> Plan:
    """The pod is about to end, and why is on record. Never replaced before it has ended (rule 10)."""
    status, now, policy = situation.status, situation.now, situation.policy
    status = changed(status, reason=attempt.reason, message=f"the pod is ending: {attempt.message}")
    due = _deletion_due(pod, attempt)
    late = timedelta(seconds=min(SECONDS_TO_BE_STUCK, policy.node_lost_seconds))
    if due is None or now < due + late:
        return Plan(status=status, requeue_after=policy.missing_seconds)
    if not pod.node_answers:
        return _unreachable(situation.saying(status), attempt, pod)
    message = f"the pod {pod.name} should have ended at {due:%H:%M:%S} UTC: look at the node {pod.node_name}"
    return _stalled(status, "PodStuckTerminating", message, now, policy)


def _unreachable(situation: Situation, attempt: Attempt, pod: Pod) -> Plan:
    """Fault 16. After a grace its pod counts as lost: what it may still do is harmless, for an
    attempt that is not the last publishes the same or nothing.
    """
    status, now, policy = situation.status, situation.now, situation.policy
    message = f"the node {attempt.node_name or '?'} of the pod {pod.name} does not answer"
    status = with_condition(
        status, ConditionType.RUNNING, "Unknown", reason="NodeUnreachable", message=message, now=now
    )
    unknown = find_condition(status.conditions, ConditionType.RUNNING)
    since = _deletion_due(pod, attempt) or (unknown.last_transition_time if unknown is not None else now)
    if now >= since + timedelta(seconds=policy.node_lost_seconds):
        lost = outcome("NodeLost", f"{message} for {policy.node_lost_seconds:.0f} s")
        if attempt.retry_class is not RetryClass.INFRASTRUCTURE:  # no disruption is on record
            lost = replace(lost, retry_class=RetryClass.ZOMBIE)
        status = with_attempt(status, with_evidence(attempt, lost))
        plan = _stalled(status, "NodeUnreachable", f"{message}: its pod is given up", now, policy)
        return replace(plan, actions=(DeletePod(name=pod.name, uid=pod.uid, force=True),))
    return _stalled(status, "NodeUnreachable", message, now, policy)


def _stalled(status: SpectrogramJobStatus, reason: str, message: str, now: datetime, policy: Policy) -> Plan:
    """A person must look: said in a condition, and once in an event."""
    before = find_condition(status.conditions, ConditionType.STALLED)
    known = before is not None and before.status == "True" and before.reason == reason
    status = changed(status, reason=reason, message=message)
    status = with_condition(status, ConditionType.STALLED, "True", reason=reason, message=message, now=now)
    events = () if known else (Event(warning=True, reason=reason, message=message),)
    return Plan(status=status, events=events, requeue_after=policy.missing_seconds)


def _deletion_due(pod: Pod, attempt: Attempt) -> datetime | None:
    """When the pod should be gone, on our clock: the API server's may be behind it."""
    if pod.deletion_due is None or pod.created is None or attempt.reserved_time is None:
        return pod.deletion_due
    return max(pod.deletion_due, attempt.reserved_time + (pod.deletion_due - pod.created))


def _unwanted(situation: Situation, attempt: Attempt, seen: Outcome | None, waits: Impediment | None) -> Outcome | None:
    """Why the operator must end this pod, or wants what ends it; None lets it be."""
    spec, status, now, policy = situation.spec, situation.status, situation.now, situation.policy
    if spec.cancelled:
        return outcome("Cancelled", "spec.cancelled is true")
    if spec.suspend:
        return outcome("JobSuspended", "spec.suspend is true")
    if waits is not None and waits.deadline is not None and now >= waits.deadline:
        return outcome(waits.ends_as, waits.message)
    backstop = _backstop(spec, attempt, policy)
    disrupted = seen is not None and seen.retry_class is RetryClass.INFRASTRUCTURE
    if not disrupted and backstop is not None and now >= backstop:
        hard = time_limits(spec, policy)[1]
        message = f"exceeded hard time limit of {hard} s, and the kubelet did not end the pod"
        return outcome("DeadlineExceeded", message)
    advanced, heard = status.last_advance_time, status.heartbeat_time
    if advanced is not None and heard is not None and heard >= advanced + timedelta(seconds=policy.stale_seconds):
        message = f"the worker answers, and its progress has not advanced for {policy.stale_seconds:.0f} s"
        return outcome("Stale", message)
    return None


def _backstop(spec: SpectrogramJobSpec, attempt: Attempt, policy: Policy) -> datetime | None:
    """When the operator itself ends a pod that its kubelet should have ended at the hard limit."""
    hard = time_limits(spec, policy)[1]
    patience = timedelta(seconds=hard + policy.termination_grace_seconds + SECONDS_BEYOND_THE_DEADLINE)
    return None if attempt.start_time is None else attempt.start_time + patience


def is_overdue(job: Job, now: datetime, policy: Policy) -> bool:
    """Whether a pod of the job lives on although its kubelet, or else the operator, should have ended it."""
    attempt = active_attempt(job.status)
    if not isinstance(job, ValidJob) or attempt is None:
        return False
    backstop = _backstop(job.spec, attempt, policy)
    return backstop is not None and now >= backstop + timedelta(seconds=policy.termination_grace_seconds)


def _end(status: SpectrogramJobStatus, attempt: Attempt, why: Outcome | None, pod: Pod, policy: Policy) -> Plan:
    """Write down why, then delete the pod; what was decided once is not taken back."""
    decided_before = ended_by_operator(attempt)
    attempt = attempt if why is None else with_evidence(attempt, why)
    status = changed(with_attempt(status, attempt), reason=attempt.reason, message=f"ending the pod: {attempt.message}")
    wish = attempt.reason in ("Cancelled", "JobSuspended")
    event = Event(warning=not wish, reason="EndingPod", message=f"{attempt.reason}: {attempt.message}")
    return Plan(
        status=status,
        actions=(DeletePod(name=pod.name, uid=pod.uid),),
        events=() if decided_before else (event,),
        requeue_after=policy.missing_seconds,
    )


def _running(status: SpectrogramJobStatus, attempt: Attempt, now: datetime) -> SpectrogramJobStatus:
    status = changed(status, phase=Phase.RUNNING, reason="PodRunning", message=_running_message(status, attempt))
    if holds(status, ConditionType.STALLED):
        status = with_condition(status, ConditionType.STALLED, "False", reason="PodRunning", now=now)
    status = with_condition(status, ConditionType.ADMITTED, "True", reason="Admitted", now=now)
    return with_condition(status, ConditionType.RUNNING, "True", reason="PodRunning", now=now)


def _running_message(status: SpectrogramJobStatus, attempt: Attempt) -> str:
    """As in: attempt 2 of 3 after MemoryError; 43 % done, about 2 min left."""
    before = next((entry for entry in status.attempts if entry.number == attempt.number - 1), None)
    tries = (status.attempt_text or "").replace("/", " of ")
    history = f"attempt {tries} after {before.reason}; " if before is not None else ""
    progress = status.progress
    if progress is None:
        return f"{history}the worker runs"
    left = ""
    if progress.eta_seconds is not None:
        minutes = round(min(progress.eta_seconds, 1e9) / 60)
        left = f", about {minutes} min left" if minutes else ", less than a minute left"
    return f"{history}{progress.percent:.0f} % done{left}"
