"""A pod that does not run yet: what it waits for, how long it may, and how status says so (faults.md rows 19 to 26)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spectrogram_operator.api.status import Attempt, ConditionType, Phase, SpectrogramJobStatus
from spectrogram_operator.core.judging.pod import Container, Pod
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import changed, find_condition, with_condition
from spectrogram_worker.contract.report import clean_text

WAITING = {
    "InvalidImageName": ("ImagePullFailed", 0.0),
    "ErrImageNeverPull": ("ImagePullFailed", 0.0),
    "ErrImagePull": ("ImagePullFailed", None),
    "ImagePullBackOff": ("ImagePullFailed", None),
    "RegistryUnavailable": ("ImagePullFailed", None),
    "ImageInspectError": ("ImagePullFailed", None),
    "CreateContainerConfigError": ("ContainerConfigError", 60.0),
    "CreateContainerError": ("ContainerCreateError", 180.0),
}
"""What a container's waiting reason means, and for how many seconds it may stand (None: the image pull time)."""


@dataclass(frozen=True, kw_only=True)
class Impediment:
    """Why a pod does not run yet. Once `deadline` has passed the operator ends it, for the reason `ends_as`."""

    reason: str
    message: str
    ends_as: str
    deadline: datetime | None
    phase: Phase = Phase.STARTING
    needs_a_human: bool = False

    @property
    def usual(self) -> bool:
        """True for what every pod goes through."""
        return self.reason in ("Scheduling", "ContainerCreating")


def find_impediment(
    pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy
) -> Impediment:
    """What keeps this pending pod from running."""
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is None or scheduled.status != "True":
        return _unscheduled(pod, attempt, status, now, policy)
    for container in (*pod.init, pod.main):
        if container is not None and container.waiting_reason in WAITING:
            return _stuck(container, status, now, policy)
    since = scheduled.since or pod.created or attempt.reserved_time or now
    return Impediment(
        reason="ContainerCreating",
        message="the node is starting the pod",
        ends_as="StartupTimeout",
        deadline=since + timedelta(seconds=policy.startup_seconds),
    )


def waiting_for(status: SpectrogramJobStatus, found: Impediment, now: datetime) -> SpectrogramJobStatus:
    """The status of a job whose pod waits for `found`."""
    status = changed(status, phase=found.phase, reason=found.reason, message=found.message)
    gated = found.reason == "SchedulingGated"
    status = with_condition(
        status,
        ConditionType.ADMITTED,
        "False" if gated else "True",
        reason=found.reason if gated else "Admitted",
        now=now,
    )
    status = with_condition(status, ConditionType.RUNNING, "False", reason=found.reason, message=found.message, now=now)
    if not found.needs_a_human:
        return status
    before = find_condition(status.conditions, ConditionType.STALLED)
    if before is not None and before.reason != found.reason:  # another trouble: its time begins now
        status = with_condition(status, ConditionType.STALLED, "False", reason=found.reason, now=now)
    return with_condition(status, ConditionType.STALLED, "True", reason=found.reason, message=found.message, now=now)


def _unscheduled(pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Impediment:
    """Rows 19, 20 and 25. The clock stands still while a scheduling gate holds the pod back."""
    scheduled = pod.conditions.get("PodScheduled")
    reason = (scheduled.reason if scheduled else "") or "Scheduling"
    message = (scheduled.message if scheduled else "") or "waiting for the scheduler"
    if reason == "SchedulingGated":
        return Impediment(reason=reason, message=message, ends_as="PendingTimeout", deadline=None, phase=Phase.QUEUED)
    if "persistentvolumeclaim" in message and "not found" in message:
        reason = "PVCNotFound"
    since = pod.created or attempt.reserved_time or now
    admitted = find_condition(status.conditions, ConditionType.ADMITTED)
    if admitted is not None:
        since = max(since, admitted.last_transition_time) if admitted.status == "True" else now
    return Impediment(
        reason=clean_text(reason, 64),
        message=message,
        ends_as="PendingTimeout",
        deadline=since + timedelta(seconds=policy.pending_seconds),
        phase=Phase.STARTING if reason == "Scheduling" else Phase.PENDING,
    )


def _stuck(container: Container, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Impediment:
    """Rows 21 and 22. The time counts from when we first saw the trouble: condition Stalled remembers it, across
    ErrImagePull and ImagePullBackOff taking turns.
    """
    reason, seconds = WAITING[container.waiting_reason]
    seen = find_condition(status.conditions, ConditionType.STALLED)
    since = seen.last_transition_time if seen and seen.status == "True" and seen.reason == reason else now
    busy = "toomanyrequests" in container.waiting_message.lower() or " 429 " in container.waiting_message
    return Impediment(
        reason=reason,
        message=clean_text(f"{container.waiting_reason}: {container.waiting_message}"),
        ends_as="RegistryBusy" if busy else reason,
        deadline=since + timedelta(seconds=policy.image_pull_seconds if seconds is None else seconds),
        needs_a_human=True,
    )
