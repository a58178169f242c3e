"""A pod that does not run yet: what it waits for, how long it may, and how status says so (faults 19 to 26)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spectrogram_operator.api.names import KUEUE_GATE
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

_PASSING = re.compile(
    r"toomanyrequests|\b429\b|\b50[0-9]\b|QPS exceeded|no such host|server misbehaving|time(d )?-?out|deadline exceeded"
    r"|connection (refused|reset)|network is unreachable|no route to host|unexpected EOF|TLS handshake",
    re.IGNORECASE,
)
"""A registry that cannot be reached, or that is busy."""
_FINAL = re.compile(
    r"not found|manifest unknown|name unknown|denied|unauthorized|authentication required|authorization failed"
    r"|\b40[134]\b|invalid reference|does not exist|no match for platform|no matching manifest",
    re.IGNORECASE,
)
"""A registry that has answered: there is no such image, or not for us."""
_MAY_COME = re.compile(r"failed to sync \w+ cache|(secret|configmap) .*not found|couldn't find key", re.IGNORECASE)
"""What a container needs that somebody may still create, or that the node has not read yet."""

_VOLUME_TROUBLES = ("FailedAttachVolume", "FailedMount")
_LATER_TROUBLE = "FailedCreatePodSandBox"
"""What a node says of a pod that has its volumes, and no network."""

SECONDS_TO_START = 120.0
"""A pod that a node has taken starts within this time; else a person should know why not. Where it has less time before
it is replaced, they should after half of that.
"""
TROUBLE_SECONDS = 300.0
"""For so long what events said of a pod's volumes stands, before they are read again."""


@dataclass(frozen=True, kw_only=True)
class Impediment:
    """Why a pod does not run yet. Once `deadline` has passed the operator ends it, for the reason `ends_as`; at `look`
    there is more to say.
    """

    reason: str
    message: str
    ends_as: str
    deadline: datetime | None
    phase: Phase = Phase.STARTING
    needs_a_human: bool = False
    look: datetime | None = None

    @property
    def usual(self) -> bool:
        """True for what every pod goes through."""
        return self.reason in ("Scheduling", "ContainerCreating")


def find_impediment(
    pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy, volume_trouble: str = ""
) -> Impediment:
    """What keeps this pending pod from running. `volume_trouble`: what an event says of its volumes."""
    since = _taken(pod, attempt, now)
    if since is None:
        return _unscheduled(pod, attempt, status, now, policy)
    for container in (*pod.init, pod.main):
        if container is not None and container.waiting_reason in WAITING:
            return _stuck(container, status, now, policy)
    look = since + _usual_time(policy)
    late = now >= look
    cause = _hung_container(pod) or clean_text(volume_trouble) or _hung_node(pod) if late else ""
    return Impediment(
        reason="ContainerCreating",
        message=f"the pod does not start: {cause}" if cause else "the node is starting the pod",
        ends_as="StartupTimeout",
        deadline=since + timedelta(seconds=policy.startup_seconds),
        needs_a_human=cause != "",
        look=now + timedelta(seconds=TROUBLE_SECONDS) if late else look,
    )


def may_lack_volumes(pod: Pod, attempt: Attempt, now: datetime, policy: Policy) -> bool:
    """True where a node has taken the pod and does not start it: only events say what is wrong with its volumes."""
    since, ready = _taken(pod, attempt, now), pod.conditions.get("PodReadyToStartContainers")
    if since is None or now < since + _usual_time(policy):
        return False
    begun = pod.worker_runs or not pod.live or (ready is not None and ready.status == "True")
    known = _hung_container(pod) or any(container.waiting_reason in WAITING for container in pod.containers)
    return not begun and not known and not pod.deleting


def volume_trouble(events: Iterable[Mapping[str, Any]]) -> str:
    """What the newest of a pod's events that is about its volumes says; empty where none is."""
    told = [event for event in events if event.get("reason") in (*_VOLUME_TROUBLES, _LATER_TROUBLE)]
    newest = max(told, key=_version, default={})
    return clean_text(str(newest.get("message") or "")) if newest.get("reason") in _VOLUME_TROUBLES else ""


def _version(event: Mapping[str, Any]) -> int:
    """An event that happens again is written again: what was written last happened last."""
    text = str((event.get("metadata") or {}).get("resourceVersion") or "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _usual_time(policy: Policy) -> timedelta:
    return timedelta(seconds=min(SECONDS_TO_START, policy.startup_seconds / 2))


def _taken(pod: Pod, attempt: Attempt, now: datetime) -> datetime | None:
    """When a node took the pod; None where none has."""
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is None or scheduled.status != "True":
        return None
    return max(scheduled.since or pod.created or now, attempt.reserved_time or now)


def _hung_container(pod: Pod) -> str:
    """Which container keeps the worker waiting: the pod has its volumes by then."""
    for container in (*pod.init, *pod.others):
        if container.waiting_reason == "CrashLoopBackOff":
            return clean_text(f"its container {container.name} crashes again and again: {container.waiting_message}")
    for container in pod.init:
        if container.running:
            return f"its init container {container.name} has not ended"
    return ""


def _hung_node(pod: Pod) -> str:
    ready = pod.conditions.get("PodReadyToStartContainers")
    if ready is not None and ready.status == "False":
        return "the node has not set up its volumes and its network"
    return ""


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
    if before is not None and before.status == "True" and found.reason == "ContainerCreating" != before.reason:
        return status  # between two tries to pull an image: the time of that trouble goes on
    if before is not None and before.reason != found.reason:  # another trouble: its time begins now
        status = with_condition(status, ConditionType.STALLED, "False", reason=found.reason, now=now)
    return with_condition(status, ConditionType.STALLED, "True", reason=found.reason, message=found.message, now=now)


def _unscheduled(pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Impediment:
    """Faults 19, 20 and 25. The clock stands still while a scheduling gate holds the pod back."""
    scheduled = pod.conditions.get("PodScheduled")
    reason = (scheduled.reason if scheduled else "") or "Scheduling"
    message = (scheduled.message if scheduled else "") or "waiting for the scheduler"
    if reason == "SchedulingGated":
        return _gated(pod)
    if "persistentvolumeclaim" in message and "not found" in message:
        reason = "PVCNotFound"
    since = max(pod.created or now, attempt.reserved_time or now)
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


def _gated(pod: Pod) -> Impediment:
    """Who holds the pod back, and what for. That Kueue has not seen it when it was created, it never makes good."""
    others = ", ".join(gate for gate in pod.gates if gate != KUEUE_GATE)
    message = f"its scheduling gates hold the pod back: {others}" if others else "a scheduling gate holds the pod back"
    overlooked = KUEUE_GATE in pod.gates and not pod.kueue_manages
    if KUEUE_GATE in pod.gates:
        queue = clean_text(pod.kueue_queue) or "its default queue"
        message = f"waiting until Kueue admits the pod to {queue}"
        if overlooked:
            message = (
                f"Kueue, whose queue {queue} the job names, did not notice its pod: Kueue does not run, has no"
                " integration for pods, or leaves this namespace alone"
            )
    return Impediment(
        reason="SchedulingGated",
        message=message,
        ends_as="PendingTimeout",
        deadline=None,
        phase=Phase.QUEUED,
        needs_a_human=overlooked,
    )


def _stuck(container: Container, status: SpectrogramJobStatus, now: datetime, policy: Policy) -> Impediment:
    """Faults 21 and 22. The time counts from when we first saw the trouble: condition Stalled remembers it, across
    ErrImagePull and ImagePullBackOff taking turns.
    """
    reason, seconds = WAITING[container.waiting_reason]
    seen = find_condition(status.conditions, ConditionType.STALLED)
    since = seen.last_transition_time if seen and seen.status == "True" and seen.reason == reason else now
    message = clean_text(f"{container.waiting_reason}: {container.waiting_message}")
    ends_as = reason
    if reason == "ImagePullFailed":
        if container.waiting_reason == "ImagePullBackOff" and since is not now and seen and not _names_a_cause(message):
            message = seen.message
        if seconds is None:
            ends_as = "ImagePullFailed" if _is_final(message) else "RegistryBusy"
    elif reason == "ContainerConfigError" and _MAY_COME.search(message):
        ends_as, seconds = "SecretNotFound", policy.startup_seconds
    return Impediment(
        reason=reason,
        message=message,
        ends_as=ends_as,
        deadline=since + timedelta(seconds=policy.image_pull_seconds if seconds is None else seconds),
        needs_a_human=True,
    )


def _is_final(message: str) -> bool:
    """True where the registry has answered, and will not hand out the image: asking again does not help."""
    return _PASSING.search(message) is None and _FINAL.search(message) is not None


def _names_a_cause(message: str) -> bool:
    return bool(_PASSING.search(message) or _FINAL.search(message))
