"""Three budgets and one backoff (rules 20 to 24)."""

from datetime import timedelta
from typing import Any

import pytest

from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Attempt, AttemptState, Retries, RetryClass, SpectrogramJobStatus
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.retries import Retry, Stop, backoff_seconds, next_attempt
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.policy import GIBIBYTE, Policy
from unit.operator.core.play import START, build_job

POLICY = Policy()
SUCCESS, USER, MEMORY, INFRASTRUCTURE, ZOMBIE, FATAL, HOLD = RetryClass


def decide(
    reason: str,
    retry_class: RetryClass,
    *,
    used: Retries | None = None,
    memory: int = GIBIBYTE,
    queue: QueueName = QueueName.DEFAULT,
    **retry: Any,
) -> Retry | Stop:
    """What follows an attempt that ended so, a second ago."""
    job = build_job(retry=retry)
    last = Attempt(
        number=1,
        state=AttemptState.FINISHED,
        pod_name="a1",
        pool=queue,
        memory_bytes=memory,
        reason=reason,
        retry_class=retry_class,
        finish_time=START,
    )
    status = SpectrogramJobStatus(retries=used or Retries())
    now = START + timedelta(seconds=1)
    situation = Situation(job=job, observed=Observed(job=job), status=status, now=now, policy=POLICY)
    return next_attempt(situation, last, queue)


@pytest.mark.parametrize(
    ("reason", "retry_class", "zombies", "budget"),
    [
        ("TransientError", USER, "Fail", "user"),
        ("PodDeleted", USER, "Fail", "user"),
        ("MemoryError", MEMORY, "Fail", "user"),
        ("Drained", INFRASTRUCTURE, "Fail", "infra"),
        ("NodeLost", INFRASTRUCTURE, "Fail", "infra"),
        ("InputNotFound", FATAL, "Fail", None),
        ("MemorySafeguardExceeded", FATAL, "Fail", None),
        ("OOMKilled", ZOMBIE, "Fail", None),
        ("PodMissing", ZOMBIE, "Fail", None),
        ("OOMKilled", ZOMBIE, "Retry", "user"),
        ("ChildOOMKilled", ZOMBIE, "Retry", "user"),
        ("SuspectedOOM", ZOMBIE, "Retry", "user"),
        ("PodMissing", ZOMBIE, "Retry", "infra"),
        ("RerouteLarge", HOLD, "Fail", "reroutes"),
        ("Cancelled", HOLD, "Fail", None),
    ],
)
def test_which_budget_pays(reason: str, retry_class: RetryClass, zombies: str, budget: str | None) -> None:
    decision = decide(reason, retry_class, zombies=zombies)
    if budget is None:
        assert decision == Stop(why="")
    else:
        assert isinstance(decision, Retry)
        paid = {"user": 0, "infra": 0, "reroutes": 0} | {budget: 1}
        assert decision.retries.model_dump() == paid


@pytest.mark.parametrize(
    ("retry_class", "used", "limit", "stops"),
    [
        (USER, Retries(user=1), 2, False),
        (USER, Retries(user=2), 2, True),
        (USER, Retries(infra=5), 2, False),
        (USER, Retries(), 0, True),
        (INFRASTRUCTURE, Retries(infra=4), 2, False),
        (INFRASTRUCTURE, Retries(infra=5), 2, True),
        (INFRASTRUCTURE, Retries(user=2), 2, False),
        (INFRASTRUCTURE, Retries(), 0, False),
    ],
)
def test_each_budget_ends_by_itself(retry_class: RetryClass, used: Retries, limit: int, stops: bool) -> None:
    assert isinstance(decide("Whatever", retry_class, used=used, limit=limit), Stop) is stops


def test_the_backoff_counts_from_the_attempt_s_end() -> None:
    decision = decide("TransientError", USER)
    assert isinstance(decision, Retry)
    assert 9 <= (decision.at - START).total_seconds() <= 11


def test_a_move_to_the_large_queue_is_at_once() -> None:
    decision = decide("RerouteLarge", HOLD)
    assert decision == Retry(at=START + timedelta(seconds=1), queue=QueueName.LARGE_JOBS, retries=Retries(reroutes=1))


@pytest.mark.parametrize(
    ("queue", "gibibytes", "after"),
    [
        (QueueName.DEFAULT, 1, QueueName.DEFAULT),
        (QueueName.DEFAULT, 3, QueueName.LARGE_JOBS),
        (QueueName.LARGE_JOBS, 16, None),
    ],
)
@pytest.mark.parametrize(("reason", "retry_class"), [("MemoryError", MEMORY), ("OOMKilled", ZOMBIE)])
def test_after_running_out_of_memory_there_is_more_or_no_other_attempt(
    reason: str, retry_class: RetryClass, queue: QueueName, gibibytes: int, after: QueueName | None
) -> None:
    decision = decide(reason, retry_class, queue=queue, memory=gibibytes * GIBIBYTE, zombies="Retry")
    assert decision == Stop(why="at maximum memory") if after is None else isinstance(decision, Retry)
    assert not isinstance(decision, Retry) or decision.queue is after


@pytest.mark.parametrize("uid", ["a", "b", "5a0c6f0e-3b8e-4a51-9d0c-0d3e6a8c1f27"])
@pytest.mark.parametrize("retries", [*range(12), 10_000])
def test_the_backoff_doubles_from_ten_seconds_to_ten_minutes(uid: str, retries: int) -> None:
    nominal = min(10 * 2**retries, 600)
    seconds = backoff_seconds(retries, uid, POLICY)
    assert 0.9 * nominal <= seconds <= 1.1 * nominal
    assert seconds == backoff_seconds(retries, uid, POLICY), "every re-plan must agree"


def test_jobs_that_fail_together_do_not_come_back_together() -> None:
    assert len({backoff_seconds(0, str(uid), POLICY) for uid in range(100)}) > 90
