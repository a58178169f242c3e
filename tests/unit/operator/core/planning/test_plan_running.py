"""The state machine: a worker that runs, what it says, and for how long."""

from datetime import timedelta
from typing import Any

import pytest

from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.status import Phase
from spectrogram_operator.core.planning.running import is_overdue
from spectrogram_operator.core.policy import GIBIBYTE, Policy
from unit.operator.core.play import (
    Play,
    build_job,
    deleted,
)


def test_progress_is_written_every_ten_seconds_at_most_and_a_heartbeat_once_a_minute() -> None:
    play = Play()
    play.run()
    written = []
    for second in range(200):
        before = play.status
        columns = min(second, 50) + 1
        play.see("running", after=1, report=report(percent=columns / 10))
        if play.status != before:
            written.append(second)
    assert written == [0, 10, 20, 30, 40, 50, 110, 170]
    assert play.status.progress is not None
    assert (play.status.progress.text, play.status.progress.columns_done) == ("5%", 51)
    assert play.status.message == "5 % done"


@pytest.mark.parametrize("said", [report(job_uid="another job"), report(attempt=2)])
def test_what_another_worker_says_is_not_this_job_s_progress(said: Any) -> None:
    play = Play()
    play.run()
    play.see("running", after=60, report=said)
    assert (play.status.progress, play.status.heartbeat_time) == (None, None)


def test_a_worker_that_answers_and_does_not_advance_is_stale() -> None:
    play = Play(Policy(hard_seconds=10_000, stale_seconds=600))
    play.run()
    for _ in range(10):
        assert play.see("running", after=60, report=report(percent=0.7)).actions == ()
    assert deleted(play.see("running", after=60, report=report(percent=0.7))) == [POD_UID]
    play.see("deleted-exit-85", after=5)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "Stale")


def test_a_worker_that_cannot_be_reached_is_not_stale() -> None:
    play = Play(Policy(hard_seconds=10_000, stale_seconds=600))
    play.run()
    play.see("running", report=report(percent=0.7))
    assert play.see("running", after=6000).actions == ()


def test_a_pod_that_outlives_its_hard_limit_is_ended_by_the_operator() -> None:
    play = Play()
    play.run()
    patience = 900 + 30 + 60
    assert play.see("running", after=patience - 1).actions == ()
    assert deleted(play.see("running", after=1)) == [POD_UID]
    assert not is_overdue(build_job(play.status), play.now + timedelta(seconds=29), play.policy)
    assert is_overdue(build_job(play.status), play.now + timedelta(seconds=30), play.policy)
    play.see("deleted-exit-137", after=5)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert not is_overdue(build_job(play.status), play.now + timedelta(days=1), play.policy)


def test_memory_that_is_nearly_full_is_warned_about_and_forgotten_with_the_attempt() -> None:
    play = Play()
    play.run()
    told = play.see("running", report=report(current_bytes=int(0.9 * GIBIBYTE))).events
    assert play.holds("MemoryWarning") == "True HighMemoryUsage"
    assert [(event.reason, event.warning) for event in told] == [("HighMemoryUsage", True)]
    assert told[0].message == "the worker used 90% of its memory limit of 1Gi"
    assert play.see("running", after=60, report=report(current_bytes=int(0.95 * GIBIBYTE))).events == ()
    play.see("exit-82-memory-error")
    play.step(after=700)
    assert play.holds("MemoryWarning") == "False AttemptStarted"
    assert play.status.memory is None


def test_the_message_tells_which_try_it_is_and_how_far() -> None:
    play = Play()
    play.run("exit-82-memory-error")
    play.run(attempt=2, after=700)
    play.see("running", attempt=2, report=report(percent=43, attempt=2))
    assert play.status.message == "attempt 2 of 3 after MemoryError; 43 % done"


def test_a_pod_of_which_nothing_is_known_keeps_its_job_as_it_is() -> None:
    play = Play()
    play.run()
    assert play.see("phase-unknown").actions == ()
    assert (play.status.phase, play.holds("Running")) == (Phase.RUNNING, "Unknown NodeUnreachable")
    assert "node-7" in (play.status.message or "")
