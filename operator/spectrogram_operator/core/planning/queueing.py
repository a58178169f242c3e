"""Who may start now: a limit for each queue. Slots are derived from jobs and pods at each decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.core.building.sizing import current_queue, named_queue
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, holds, is_over


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A job as the queue sees it. `active`: an attempt of it is reserved and not judged yet; else it waits."""

    uid: str
    key: str
    queue: str
    priority: int
    created: datetime
    active: bool


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whether a waiting job may start; `running` of `limit` slots are taken."""

    granted: bool
    running: int
    limit: int


def contender(job: Job, now: datetime, policy: Policy) -> Contender | None:
    """The job as a contender; None where it neither runs nor could start now."""
    spec, status = job.spec, job.status
    if spec is None or is_over(status):
        return None
    active = active_attempt(status)
    if active is None:
        backing_off = status.next_attempt_at is not None and status.next_attempt_at > now
        if job.deleting or spec.suspend or spec.cancelled or backing_off or holds(status, "Accepted") is False:
            return None
    return Contender(
        uid=job.uid,
        key=job.key,
        queue=named_queue(active.pool) if active else current_queue(spec, status, policy),
        priority=spec.priority,
        created=job.created,
        active=active is not None,
    )


def waiting_order(queue: str, contenders: Iterable[Contender]) -> list[Contender]:
    """The waiting jobs of `queue`, the next first: higher priority, then the older job, then the UID."""
    waiting = [entry for entry in contenders if entry.queue == queue and not entry.active]
    return sorted(waiting, key=lambda entry: (-entry.priority, entry.created, entry.uid))


def take_turn(uid: str, queue: str, contenders: Iterable[Contender], pods: Iterable[Pod], limit: int) -> Turn:
    """The turn of the job `uid`, which waits in `queue`.

    A pod that still ends occupies a slot, whoever owned it: its memory is in use (KEP-3939).
    """
    entries = [entry for entry in contenders if entry.queue == queue]
    taken = {entry.uid for entry in entries if entry.active}
    taken |= {pod.owner_uid for pod in pods if pod.queue == queue and not pod.finished and not pod.gone}
    taken.discard(uid)
    before = [entry.uid for entry in waiting_order(queue, entries) if entry.uid not in taken]
    ahead = before.index(uid) if uid in before else len(before)
    return Turn(granted=ahead < limit - len(taken), running=len(taken), limit=limit)
