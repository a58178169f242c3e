"""A pod that is not over: what it waits for, how far it is, and whether it must be ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, ConditionType, Phase, RetryClass, SpectrogramJobStatus
from spectrogram_operator.core.conditions import changed, find_condition, with_attempt, with_condition
from spectrogram_operator.core.observed import DeletePod, Event, Observed, Plan
from spectrogram_operator.core.outcome import DISRUPTIONS, Outcome, evidence
from spectrogram_operator.core.pod import Pod
from spectrogram_operator.core.podspec import time_limits
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.progress import live_report
from spectrogram_worker.contract.report import clean_text

SECONDS_BEYOND_THE_DEADLINE = 60.0

ENDED_BY_OPERATOR = {
    "Cancelled": RetryClass.HOLD,
    "JobSuspended": RetryClass.HOLD,
    "PendingTimeout": RetryClass.FATAL,
    "StartupTimeout": RetryClass.INFRASTRUCTURE,
    "ImagePullFailed": RetryClass.FATAL,
    "RegistryBusy": RetryClass.INFRASTRUCTURE,
    "ContainerConfigError": RetryClass.FATAL,
    "ContainerCreateError": RetryClass.INFRASTRUCTURE,
    "DeadlineExceeded": RetryClass.FATAL,
    "Stale": RetryClass.FATAL,
}
"""Reasons for which the operator itself ends a pod; they stand in the attempt before the pod is deleted."""


@dataclass(frozen=True)
class Grace:
    """How long a container may wait for `reason` before its pod is ended."""

    reason: str
    seconds: float | None


WAITING = {
    "InvalidImageName": Grace("ImagePullFailed", 0),
    "ErrImageNeverPull": Grace("ImagePullFailed", 0),
    "ErrImagePull": Grace("ImagePullFailed", None),
    "ImagePullBackOff": Grace("ImagePullFailed", None),
    "RegistryUnavailable": Grace("ImagePullFailed", None),
    "ImageInspectError": Grace("ImagePullFailed", None),
    "CreateContainerConfigError": Grace("ContainerConfigError", 60),
    "CreateContainerError": Grace("ContainerCreateError", 180),
}
"""Waiting reasons of a container (faults.md rows 21 and 22); None stands for the policy's image pull time."""


@dataclass(frozen=True)
class Impediment:
    """Why a pod does not run yet. Once `deadline` has passed the pod is ended, for the reason `ends_as`."""

    reason: str
    message: str
    deadline: datetime | None
    ends_as: str
    needs_a_human: bool = False


def watch_pod(
    observed: Observed, status: SpectrogramJobStatus, attempt: Attempt, pod: Pod, now: datetime, policy: Policy
) -> Plan:
    """The plan for a pod that is not over."""
    spec = observed.job.spec
    assert spec is not None
    if pod.deleting or pod.disruption is not None:
        return _ending(status, attempt, pod, policy)
    if pod.main is not None and pod.phase == "Running":
        status = live_report(status, observed.report, observed.job, attempt, now, policy)
    impediment = next(_impediments(pod, attempt, now, policy), None) if pod.phase == "Pending" else None
    wanted = _wanted_end(spec, status, attempt, pod, impediment, now, policy)
    if wanted is not None:
        reason, message = wanted
        attempt = attempt.model_copy(update={"reason": reason, "message": message})
        status = changed(with_attempt(status, attempt), message=f"ending the pod: {message}", reason=reason)
        return Plan(
            status=status,
            actions=(DeletePod(name=pod.name, uid=pod.uid),),
            events=(Event(warning=True, reason=reason, message=message),) if observed.job.status != status else (),
            requeue_after=policy.missing_seconds,
        )
    if pod.phase == "Pending":
        return _pending(status, impediment, now, policy)
    status = changed(status, phase=Phase.RUNNING, reason="PodRunning", message=_running_message(status, attempt, spec))
    if find_condition(status.conditions, ConditionType.STALLED) is not None:
        status = with_condition(status, ConditionType.STALLED, "False", reason="PodRunning", now=now)
    status = with_condition(status, ConditionType.RUNNING, "True", reason="PodRunning", now=now)
    return Plan(status=status, requeue_after=policy.poll_seconds)


def evidence_of(attempt: Attempt) -> Outcome | None:
    """The outcome that stands in the attempt's reason before it is judged: the operator's own, or what was seen."""
    if attempt.reason is None:
        return None
    disruptions = {reason for reason, _ in DISRUPTIONS.values()}
    retry_class = ENDED_BY_OPERATOR.get(attempt.reason)
    if retry_class is None:
        retry_class = RetryClass.USER if attempt.reason == "PodDeleted" else RetryClass.INFRASTRUCTURE
    if attempt.reason not in disruptions | ENDED_BY_OPERATOR.keys() | {"PodDeleted", "Disrupted"}:
        return Outcome(reason=attempt.reason, retry_class=RetryClass.INFRASTRUCTURE, message=attempt.message or "")
    return Outcome(reason=attempt.reason, retry_class=retry_class, message=attempt.message or attempt.reason)


def _ending(status: SpectrogramJobStatus, attempt: Attempt, pod: Pod, policy: Policy) -> Plan:
    """The pod is about to end: write down why, for once it is gone nobody can tell (README ruling 4)."""
    seen = evidence(pod)
    assert seen is not None
    if attempt.reason is None:
        attempt = attempt.model_copy(update={"reason": seen.reason, "message": seen.message})
        status = with_attempt(status, attempt)
    status = changed(status, reason=attempt.reason, message=f"the pod is ending: {attempt.message}")
    return Plan(status=status, requeue_after=policy.missing_seconds)


def _wanted_end(
    spec: SpectrogramJobSpec,
    status: SpectrogramJobStatus,
    attempt: Attempt,
    pod: Pod,
    impediment: Impediment | None,
    now: datetime,
    policy: Policy,
) -> tuple[str, str] | None:
    """Why the operator must end this pod, as reason and message; None lets it be."""
    if attempt.reason in ENDED_BY_OPERATOR:
        return attempt.reason, attempt.message or attempt.reason
    if spec.cancelled:
        return "Cancelled", "spec.cancelled is true"
    if spec.suspend:
        return "JobSuspended", "spec.suspend is true"
    if impediment is not None and impediment.deadline is not None and now >= impediment.deadline:
        return impediment.ends_as, impediment.message
    hard = time_limits(spec, policy)[1]
    patience = hard + policy.termination_grace_seconds + SECONDS_BEYOND_THE_DEADLINE
    if pod.started is not None and now >= pod.started + timedelta(seconds=patience):
        return "DeadlineExceeded", f"exceeded hard time limit of {hard} s, and the kubelet did not end the pod"
    advanced, heard = status.last_advance_time, status.heartbeat_time
    if advanced is not None and heard is not None and heard >= advanced + timedelta(seconds=policy.stale_seconds):
        return "Stale", f"the worker answers, and its progress has not advanced for {policy.stale_seconds:.0f} s"
    return None


def _impediments(pod: Pod, attempt: Attempt, now: datetime, policy: Policy) -> Iterator[Impediment]:
    """What keeps a pending pod from running, the first that applies."""
    created = pod.created or attempt.reserved_time or now
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        reason = scheduled.reason or "Unschedulable"
        if "persistentvolumeclaim" in scheduled.message and "not found" in scheduled.message:
            reason = "PVCNotFound"
        deadline = None if reason == "SchedulingGated" else created + timedelta(seconds=policy.pending_seconds)
        yield Impediment(reason, scheduled.message or "no node fits the pod", deadline, "PendingTimeout")
    since = (scheduled.since if scheduled and scheduled.status == "True" else None) or created
    for container in (*pod.init, pod.main):
        grace = WAITING.get(container.waiting_reason) if container is not None else None
        if container is None or grace is None:
            continue
        seconds = policy.image_pull_seconds if grace.seconds is None else grace.seconds
        busy = "toomanyrequests" in container.waiting_message.lower() or " 429 " in container.waiting_message
        yield Impediment(
            grace.reason,
            clean_text(f"{container.waiting_reason}: {container.waiting_message}"),
            since + timedelta(seconds=seconds),
            "RegistryBusy" if busy else grace.reason,
            needs_a_human=not busy,
        )
    if scheduled is not None and scheduled.status == "True":
        deadline = since + timedelta(seconds=policy.startup_seconds)
        yield Impediment("ContainerCreating", "the node is starting the pod", deadline, "StartupTimeout")
    else:
        deadline = created + timedelta(seconds=policy.pending_seconds)
        yield Impediment("Scheduling", "waiting for the scheduler", deadline, "PendingTimeout")


def _pending(status: SpectrogramJobStatus, impediment: Impediment | None, now: datetime, policy: Policy) -> Plan:
    assert impediment is not None
    waiting_for_node = impediment.ends_as == "PendingTimeout"
    phase = Phase.PENDING if waiting_for_node and impediment.reason != "Scheduling" else Phase.STARTING
    status = changed(status, phase=phase, reason=impediment.reason, message=impediment.message)
    status = with_condition(
        status, ConditionType.RUNNING, "False", reason=impediment.reason, message=impediment.message, now=now
    )
    if impediment.needs_a_human:
        status = with_condition(
            status, ConditionType.STALLED, "True", reason=impediment.reason, message=impediment.message, now=now
        )
    if impediment.deadline is None:
        return Plan(status=status)
    return Plan(status=status, requeue_after=max(1.0, (impediment.deadline - now).total_seconds()))


def _running_message(status: SpectrogramJobStatus, attempt: Attempt, spec: SpectrogramJobSpec) -> str:
    parts = []
    if attempt.number > 1 and len(status.attempts) > 1:
        before = status.attempts[-2].reason
        parts.append(f"attempt {status.attempt_text or attempt.number} after {before}")
    progress = status.progress
    if progress is not None:
        parts.append(f"{progress.percent:.0f} % done")
        if progress.eta_seconds is not None:
            minutes = round(progress.eta_seconds / 60)
            parts.append(f"about {minutes} min left" if minutes else "less than a minute left")
    return ", ".join(parts) or "the worker runs"
