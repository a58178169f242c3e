"""Whether a failed attempt is followed by another, and when: three budgets and one backoff (rules 20 to 24)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from spectrogram_operator.api.reasons import OUT_OF_MEMORY
from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, Retries, RetryClass, SpectrogramJobStatus
from spectrogram_operator.core.building.sizing import queue_after
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.policy import Policy

_SPREAD = 0.1
"""Of the backoff: so that jobs that failed together are not all tried again at one moment."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Another attempt: not before `at`, in `queue`, with these counters."""

    at: datetime
    queue: QueueName
    retries: Retries


@dataclass(frozen=True, kw_only=True)
class Stop:
    """No other attempt. `why` completes the message: retries exhausted, at maximum memory; empty: never retried."""

    why: str = ""


def next_attempt(situation: Situation, last: Attempt, queue: QueueName) -> Retry | Stop:
    """What follows the attempt `last` of `queue`, which has ended: its `reason` and `retry_class` are known."""
    spec, used, now, policy = situation.spec, situation.status.retries, situation.now, situation.policy
    if last.reason == "RerouteLarge":
        return Retry(
            at=now,
            queue=QueueName.LARGE_JOBS,
            retries=used.model_copy(update={"reroutes": used.reroutes + 1}),
        )
    budget = _budget(last, spec)
    if budget == "infra":
        limit, count = policy.infrastructure_retries, used.infra
    elif budget == "user":
        limit, count = spec.retry.limit, used.user
    else:
        return Stop()
    if count >= limit:
        return Stop(why="retries exhausted" if limit else "")
    if _crashed_alike(situation.status, last):
        return Stop(why="the same crash twice without progress")
    if last.reason in OUT_OF_MEMORY:
        target = queue_after(queue, last, policy)
        if target is None:
            return Stop(why="at maximum memory")
        queue = target
    return Retry(
        at=(last.finish_time or now) + timedelta(seconds=backoff_seconds(count, situation.job.uid, policy)),
        queue=queue,
        retries=used.model_copy(update={budget: count + 1}),
    )


def _crashed_alike(status: SpectrogramJobStatus, last: Attempt) -> bool:
    """Fault 8: the attempt before crashed in the same way, and this one came no further: a third would not, either."""
    if last.reason not in ("WorkerError", "InternalError"):
        return False
    before = next((entry for entry in status.attempts if entry.number == last.number - 1), None)
    return (
        before is not None
        and (before.reason, before.exit_code, before.message) == (last.reason, last.exit_code, last.message)
        and (last.columns_done or 0) <= (before.columns_done or 0)
    )


def backoff_seconds(retries: int, uid: str, policy: Policy) -> float:
    """Seconds from an attempt's end to the next: 10·2ⁿ, at most 600, ± 10 % fixed by the job's UID so that every
    re-plan agrees.
    """
    seconds = min(policy.backoff_seconds * 2.0 ** min(retries, 64), policy.max_backoff_seconds)
    seed = int.from_bytes(hashlib.sha256(f"{uid}/{retries}".encode()).digest()[:4], "big") / 2**32
    return float(seconds * (1 - _SPREAD + 2 * _SPREAD * seed))


def most_backoff_seconds(policy: Policy) -> float:
    """The longest that any of them is."""
    return policy.max_backoff_seconds * (1 + _SPREAD)


def _budget(last: Attempt, spec: SpectrogramJobSpec) -> str | None:
    """Which budget pays for another attempt: user or infra; None: it is never retried.

    Zombies are retried only where the job says so: an OOM kill as the worker's error, a vanished pod as a disruption.
    """
    if last.retry_class is RetryClass.ZOMBIE:
        if spec.retry.zombies == "Fail":
            return None
        return "user" if last.reason in OUT_OF_MEMORY else "infra"
    if last.retry_class is RetryClass.INFRASTRUCTURE:
        return "infra"
    return "user" if last.retry_class in (RetryClass.USER, RetryClass.MEMORY) else None
