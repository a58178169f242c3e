"""The state machine: from one attempt to the next."""

from dataclasses import replace
from typing import Any

import pytest

from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import AttemptState, Phase
from spectrogram_operator.core.policy import GIBIBYTE, Policy, Pool
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    Play,
    created,
    deleted,
    events,
)

ZOMBIES_RETRIED: dict[str, Any] = {"retry": {"zombies": "Retry"}}


@pytest.mark.parametrize("name", ["exit-75-transient-error", "exit-74-ioerror", "init-failed"])
def test_a_worker_s_error_is_retried_within_the_budget(name: str) -> None:
    play = Play()
    for number in (1, 2, 3):
        assert play.status.attempt_text == (None if number == 1 else f"{number}/3")
        play.run(name, attempt=number, after=700)
        assert play.attempt().state is AttemptState.FINISHED
        assert play.status.phase is (Phase.RETRYING if number < 3 else Phase.FAILED)
    assert play.status.retries.user == 2
    assert "retries exhausted" in (play.status.message or "")
    assert (play.status.message or "").startswith("attempt 3/3: ")


@pytest.mark.parametrize("name", ["exit-1-crash", "exit-139-segmentation-fault", "exit-70-internal-error"])
def test_row_16_the_same_crash_twice_without_progress_is_the_last(name: str) -> None:
    play = Play()
    play.run(name)
    assert play.status.phase is Phase.RETRYING
    play.run(name, attempt=2, after=700)
    assert (play.status.phase, play.status.retries.user) == (Phase.FAILED, 1)
    assert "the same crash twice without progress" in (play.status.message or "")


def test_row_16_a_crash_that_came_further_or_was_another_is_tried_again() -> None:
    play = Play(retry={"limit": 3})
    play.run("exit-1-crash")
    play.run(attempt=2, after=700)
    play.see("running", attempt=2, report=report(percent=30, attempt=2))
    play.see("exit-1-crash", attempt=2, after=5)
    assert (play.status.phase, play.attempt().columns_done) == (Phase.RETRYING, 300)
    play.run("exit-139-segmentation-fault", attempt=3, after=700)
    assert play.status.phase is Phase.RETRYING


def test_the_next_attempt_waits_for_the_backoff_from_the_pod_s_end() -> None:
    play = Play()
    play.run()
    result = play.see("exit-75-transient-error", after=461)  # the pod's finishedAt
    at = play.status.next_attempt_at
    assert at is not None
    wait = (at - play.now).total_seconds()
    assert 9 <= wait <= 11
    assert result.requeue_after == wait
    assert created(play.step(after=wait - 1)) == []
    assert created(play.step(after=1)) == [play.attempt().pod_name]
    assert play.status.next_attempt_at is None
    assert (play.status.attempt, play.attempt().number) == (2, 2)


def test_an_operator_that_was_down_does_not_wait_again() -> None:
    play = Play()
    play.run()
    play.see("exit-75-transient-error", after=3600)
    assert created(play.step()) != []


def test_a_node_whose_clock_is_ahead_does_not_delay_the_retry() -> None:
    play = Play()
    play.run()
    play.see("exit-75-transient-error", after=5)  # ended at 12:07:41, says the node; it is 12:00:05
    assert play.status.next_attempt_at is not None
    assert (play.status.next_attempt_at - play.now).total_seconds() <= 11


def test_disruptions_have_a_budget_of_their_own() -> None:
    play = Play()
    for number in range(1, 7):
        play.run("drained-exit-85", attempt=number, after=700)
        assert play.status.phase is (Phase.RETRYING if number < 6 else Phase.FAILED)
    assert (play.status.retries.infra, play.status.retries.user, play.status.attempt_text) == (5, 0, "1/3")
    assert play.status.reason == "Drained"


def test_a_job_without_retries_fails_with_its_first_error() -> None:
    play = Play(retry={"limit": 0})
    play.run("exit-75-transient-error")
    assert (play.status.phase, play.status.reason, play.status.attempt_text) == (Phase.FAILED, "TransientError", "1/1")


def test_a_memory_error_gets_more_memory_then_the_large_pool_then_no_more() -> None:
    pools: dict[str, Pool] = {
        QueueName.DEFAULT: Pool(memory_bytes=GIBIBYTE, max_memory_bytes=2 * GIBIBYTE),
        QueueName.LARGE_JOBS: Pool(memory_bytes=2 * GIBIBYTE, max_memory_bytes=3 * GIBIBYTE),
    }
    play = Play(Policy(pools=pools), retry={"limit": 9})
    seen = []
    for number in (1, 2, 3, 4):
        play.run("exit-82-memory-error", attempt=number, after=700)
        seen.append((play.attempt().pool, play.attempt().memory_bytes / GIBIBYTE))
    assert seen == [("default", 1), ("default", 1.5), ("large_jobs", 2.25), ("large_jobs", 3)]
    assert (play.status.phase, play.status.reason, play.status.queue) == (Phase.FAILED, "MemoryError", "large_jobs")
    assert "at maximum memory" in (play.status.message or "")


def test_an_attempt_after_a_disruption_keeps_the_memory_that_was_found_to_be_needed() -> None:
    play = Play()
    play.run("exit-82-memory-error")
    play.run("drained-exit-85", attempt=2, after=700)
    play.run("running", attempt=3, after=700)
    assert [attempt.memory_bytes / GIBIBYTE for attempt in play.status.attempts] == [1, 1.5, 1.5]


def test_a_job_that_belongs_on_the_large_queue_moves_there_once_and_at_no_cost() -> None:
    play = Play()
    play.run()
    result = play.see("exit-87-reroute-large")
    assert (events(result), result.requeue_after) == (["Rerouted"], 0.0)
    assert play.status.queue == "large_jobs"
    assert (play.status.retries.user, play.status.retries.infra, play.status.retries.reroutes) == (0, 0, 1)
    play.run(attempt=2)
    assert (play.attempt().pool, play.attempt().memory_bytes) == ("large_jobs", 4 * GIBIBYTE)
    play.see("exit-87-reroute-large", attempt=2)
    assert (play.attempt().reason, play.status.retries.user) == ("InternalError", 1)


def test_a_job_that_names_its_queue_stays_there() -> None:
    play = Play(queue="default")
    play.run("exit-87-reroute-large")
    assert (play.attempt().reason, play.status.queue) == ("InternalError", "default")


def test_only_the_last_ten_attempts_are_kept() -> None:
    play = Play(Policy(infrastructure_retries=20))
    for number in range(1, 13):
        play.run("drained-exit-85", attempt=number, after=700)
    assert [attempt.number for attempt in play.status.attempts] == list(range(3, 13))
    assert play.status.attempt == 12


def test_no_pod_is_started_beside_one_that_lives() -> None:
    play = Play(**ZOMBIES_RETRIED)
    old = pod("sidecar-outlives-oom-killed")
    assert deleted(play.run("sidecar-outlives-oom-killed")) == [POD_UID]
    result = play.step(after=700, pods=(old,))
    assert (created(result), deleted(result)) == ([], [POD_UID])
    assert (play.status.phase, play.status.reason) == (Phase.QUEUED, "WaitingForPodToEnd")
    assert deleted(play.step(pods=(replace(old, deleting=True),))) == []
    assert created(play.step(pods=(replace(old, gone=True),))) != []


def test_a_pod_that_a_slow_operator_created_too_late_is_ended() -> None:
    play = Play()
    play.run("exit-75-transient-error")
    play.run("running", attempt=2, after=700)
    late = replace(pod("running"), uid="late")
    current = pod("running", attempt=2)
    assert deleted(play.step(pod=current, pods=(current, late))) == ["late"]
