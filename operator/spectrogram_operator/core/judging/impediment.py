"""A pod that does not run yet: what it waits for, how long it may, and how status says so (faults 19 to 26)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

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

_FULL = ("Insufficient ", "Too many pods")
"""The scheduler's words for a node that has no room: for its memory or CPU, or for another pod at all."""

SECONDS_TO_START = 120.0
"""A pod that a node has taken starts within this time; else a person should know why not. Where it has less time before
it is replaced, they should after half of that.
"""
SECONDS_TO_SCALE = 30.0
"""Within this time an autoscaler has said whether it adds a node for a pod that fits on none. Where the pod has less
time before it is given up, half of that.
"""
TROUBLE_SECONDS = 300.0
"""For so long what events said of a pod stands, before they are read again."""


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
    pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy, told_by_events: str = ""
) -> Impediment:
    """What keeps this pending pod from running. `told_by_events`: see Observed."""
    since = _taken(pod, attempt, now)
    if since is None:
        return _unscheduled(pod, attempt, status, now, policy, told_by_events)
    for container in (*pod.init, pod.main):
        if container is not None and container.waiting_reason in WAITING:
            return _stuck(container, status, now, policy)
    look = since + _usual_time(policy)
    late = now >= look
    cause = _hung_container(pod) or clean_text(told_by_events) or _hung_node(pod) if late else ""
    return Impediment(
        reason="ContainerCreating",
        message=f"the pod does not start: {cause}" if cause else "the node is starting the pod",
        ends_as="StartupTimeout",
        deadline=since + timedelta(seconds=policy.startup_seconds),
        needs_a_human=cause != "",
        look=now + timedelta(seconds=TROUBLE_SECONDS) if late else look,
    )


def only_events_say_why(pod: Pod, attempt: Attempt, now: datetime, policy: Policy) -> bool:
    """True where no node has room for the pod, and an autoscaler has had the time to say something; and where a node
    has taken it and does not start it, as when its volumes do not come.
    """
    if pod.deleting or not pod.live:
        return False
    since = _taken(pod, attempt, now)
    if since is None:
        return _lacks_a_node(pod) and now >= _time_to_scale(pod, attempt, now, policy)
    ready = pod.conditions.get("PodReadyToStartContainers")
    begun = pod.worker_runs or (ready is not None and ready.status == "True")
    known = _hung_container(pod) or any(container.waiting_reason in WAITING for container in pod.containers)
    return now >= since + _usual_time(policy) and not begun and not known


def _usual_time(policy: Policy) -> timedelta:
    return timedelta(seconds=min(SECONDS_TO_START, policy.startup_seconds / 2))


def _taken(pod: Pod, attempt: Attempt, now: datetime) -> datetime | None:
    """When a node took the pod; None where none has."""
    if not pod.has_node:
        return None
    scheduled = pod.conditions["PodScheduled"]
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


def _unscheduled(
    pod: Pod, attempt: Attempt, status: SpectrogramJobStatus, now: datetime, policy: Policy, told_by_events: str
) -> Impediment:
    """Faults 19, 20 and 25. The clock stands still while a scheduling gate holds the pod back."""
    scheduled = pod.conditions.get("PodScheduled")
    reason = (scheduled.reason if scheduled else "") or "Scheduling"
    message = (scheduled.message if scheduled else "") or "waiting for the scheduler"
    if reason == "SchedulingGated":
        return _gated(pod)
    if _lacks_a_claim(message):
        reason = "PVCNotFound"
    look = None
    if _lacks_a_node(pod):
        look = _time_to_scale(pod, attempt, now, policy)
        if now >= look:
            message = clean_text(f"{told_by_events}; the scheduler: {message}") if told_by_events else message
            look = now + timedelta(seconds=TROUBLE_SECONDS)
    since = max(pod.created or now, attempt.reserved_time or now)
    admitted = find_condition(status.conditions, ConditionType.ADMITTED)
    if admitted is not None:
        since = max(since, admitted.last_transition_time) if admitted.status == "True" else now
    return Impediment(
        reason=clean_text(reason, 64),
        message=message,
        ends_as="NodesFull" if _is_the_one_more(pod, attempt, policy) else "PendingTimeout",
        deadline=since + timedelta(seconds=policy.pending_seconds),
        phase=Phase.STARTING if reason == "Scheduling" else Phase.PENDING,
        look=look,
    )


def _lacks_a_claim(message: str) -> bool:
    return "persistentvolumeclaim" in message and "not found" in message


def _lacks_a_node(pod: Pod) -> bool:
    """True where the scheduler has tried, and another node would help."""
    scheduled = pod.conditions.get("PodScheduled")
    tried = scheduled is not None and scheduled.status == "False" and scheduled.reason == "Unschedulable"
    return scheduled is not None and tried and not _lacks_a_claim(scheduled.message)


def _is_the_one_more(pod: Pod, attempt: Attempt, policy: Policy) -> bool:
    """True where the pool's nodes are full, and its limit follows from them: one job more than they have room for was
    started, so that an autoscaler sees it. That it waits is no fault of the job.
    """
    is_full = _lacks_a_node(pod) and any(words in pod.conditions["PodScheduled"].message for words in _FULL)
    return is_full and any(pool.auto_concurrent for name, pool in policy.pools.items() if name == attempt.pool)


def _time_to_scale(pod: Pod, attempt: Attempt, now: datetime, policy: Policy) -> datetime:
    since = max(pod.conditions["PodScheduled"].since or pod.created or now, attempt.reserved_time or now)
    return since + timedelta(seconds=min(SECONDS_TO_SCALE, policy.pending_seconds / 2))


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
