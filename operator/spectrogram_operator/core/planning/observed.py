"""What the planner is given and what it gives back: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.status import Attempt, SpectrogramJobStatus
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.judging.refusals import Refusal
from spectrogram_operator.core.planning.queues import Turn
from spectrogram_worker.contract import Report

QUICK_START_SECONDS = 10.0
"""A pod that starts within this time is written down once, as running: its way there is no news, and costs a write."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One job and everything that is known of it now.

    `pod` is the active attempt's pod, or the last that was seen of it. `absent_since` is when a live look-up first said
    that there is no such pod (one of its name and, once that is recorded, of its UID), and the newest look-up agrees;
    None means unknown, and unknown changes nothing (rule 2). `foreign`: a pod of the attempt's name belongs to another
    owner. `report` is the worker's answer, if it was asked now. `turn` is set where no attempt is active, or its pod is
    held back. `missing_claims` are the claims of the job that do not exist; None where nobody looked. `refusal` is the
    answer to the newest CreatePod, told once; `created` is the name of the pod whose creation was answered last.
    `told_by_events` is what the pod's events say of the node or the volumes that it waits for (see told_by). `pods` are
    all pods of the job.
    """

    job: Job
    pod: Pod | None = None
    absent_since: datetime | None = None
    foreign: bool = False
    report: Report | None = None
    turn: Turn | None = None
    missing_claims: tuple[str, ...] | None = None
    refusal: Refusal | None = None
    created: str = ""
    told_by_events: str = ""
    pods: tuple[Pod, ...] = ()

    @property
    def own_pod(self) -> Pod | None:
        """`pod`, if this job owns it by UID."""
        return self.pod if self.pod is not None and self.pod.owner_uid == self.job.uid else None

    @property
    def own_pods(self) -> tuple[Pod, ...]:
        """The pods that this job owns by UID, and no others (rule 8)."""
        return tuple(pod for pod in self.pods if pod.owner_uid == self.job.uid and not pod.gone)

    @property
    def live_pods(self) -> tuple[Pod, ...]:
        """Those of them that run, or may run."""
        return tuple(pod for pod in self.own_pods if pod.live)


@dataclass(frozen=True, kw_only=True)
class CreatePod:
    """Create this pod of the attempt; one of the same name and owner is as good."""

    attempt: Attempt
    manifest: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DeletePod:
    """Delete the pod of this name, if it still has this UID (None: any that the job owns).

    `force`: at once, without waiting for a node that does not answer.
    """

    name: str
    uid: str | None
    force: bool = False


Action = CreatePod | DeletePod


@dataclass(frozen=True, kw_only=True)
class Event:
    """A Kubernetes event about the job, posted only if the status write won."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The new status, what to do once it is written, and when to look again (seconds; None: on the next event)."""

    status: SpectrogramJobStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
