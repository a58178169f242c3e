"""An operator whose clock was ahead wrote the status; the next one's clock is right, and nothing waits for hours."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pods.reports import report
from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.core.judging.refusals import refusal
from spectrogram_operator.core.planning.clocks import APART, in_reach
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, is_over, with_attempt
from unit.operator.core.play import GRANTED, Play, created, deleted
from unit.operator.core.strategies import observations, policies, statuses, times

hours = st.floats(0, 1000)
QUOTA = refusal(403, "Forbidden", "exceeded quota: few")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(observations(), times, policies)
def test_row_4_no_plan_leaves_a_time_that_is_out_of_reach(observed: Observed, now: datetime, policy: Policy) -> None:
    job, status = observed.job, plan(observed, now, policy).status
    if is_over(status) or job.deleting or not isinstance(job, ValidJob):
        return
    latest = now + APART
    seconds = max(policy.max_refusal_seconds, 1.1 * policy.max_backoff_seconds)
    assert status.next_attempt_at is None or status.next_attempt_at <= latest + timedelta(seconds=seconds)
    attempt = active_attempt(status)
    past = [status.heartbeat_time, status.last_advance_time, *(one.last_transition_time for one in status.conditions)]
    past += [attempt.reserved_time, attempt.start_time, attempt.creation_time] if attempt else []
    assert all(time is None or time <= latest for time in past)


@settings(max_examples=200, deadline=None)
@given(statuses(), times, policies)
def test_row_4_what_is_in_reach_is_left_alone(status: SpectrogramJobStatus, now: datetime, policy: Policy) -> None:
    once = in_reach(status, now, policy)
    assert in_reach(once, now, policy) is once
    assert in_reach(once, now + timedelta(seconds=1), policy) is once, "a clock that goes on writes nothing"


@given(hours)
@example(0.25)
def test_row_4_a_backoff_ends_after_ten_minutes_however_far_ahead_the_clock_was(ahead: float) -> None:
    play = Play()
    play.now += timedelta(hours=ahead)
    play.run()
    play.see("exit-75-transient-error", after=5)
    assert play.status.phase is Phase.RETRYING
    play.now -= timedelta(hours=ahead)
    waited = 0.0
    while not created(result := play.step(after=waited, turn=GRANTED)):
        assert result.requeue_after is not None
        assert 0 < result.requeue_after <= 660 + APART.total_seconds()
        waited = result.requeue_after
    assert play.status.attempt == 2
    assert waited <= 660 + APART.total_seconds()


@given(hours)
@example(0.25)
def test_row_4_a_hold_is_looked_at_after_five_minutes_however_far_ahead_the_clock_was(ahead: float) -> None:
    play = Play()
    play.now += timedelta(hours=ahead)
    play.step()
    play.step(refusal=QUOTA, absent_since=play.now)
    assert (play.status.phase, play.status.reason) == (Phase.QUEUED, "QuotaExceeded")
    play.now -= timedelta(hours=ahead)
    play.step(absent_since=play.now, turn=GRANTED)
    assert created(play.step(after=300 + APART.total_seconds(), absent_since=play.now, turn=GRANTED))


@pytest.mark.parametrize("ahead", [0.25, 5, 1000])
def test_row_4_a_pod_that_a_crash_left_uncreated_is_created(ahead: float) -> None:
    play = Play()
    play.now += timedelta(hours=ahead)
    play.step()
    play.step(absent_since=play.now, after=10)
    play.now -= timedelta(hours=ahead)
    play.step(absent_since=play.now)
    assert created(play.step(absent_since=play.now, after=10 + APART.total_seconds()))


@pytest.mark.parametrize("ahead", [0.25, 5, 1000])
@pytest.mark.parametrize(
    ("name", "seconds"),
    [("container-creating", 900), ("unschedulable", 3600), ("image-pull-error", 300), ("config-error-non-root", 60)],
)
def test_row_4_a_pod_that_does_not_start_is_ended_in_time(name: str, seconds: float, ahead: float) -> None:
    play = Play()
    play.now += timedelta(hours=ahead)
    play.run(name)
    play.see(name, after=5)
    play.now -= timedelta(hours=ahead)
    first = play.see(name)
    assert (first.actions, play.status.reason) != ((), "CreatingPod"), "it is said what the pod waits for"
    assert deleted(play.see(name, after=seconds + APART.total_seconds()))


def test_row_4_a_pod_started_no_later_than_now_whoever_wrote_the_status() -> None:
    """An operator of another version has not written when it asked for the pod, whose node's clock is ahead."""
    play = Play()
    play.step()
    play.status = with_attempt(play.status, play.attempt().model_copy(update={"reserved_time": None}))
    play.now -= timedelta(days=30)
    play.see("running")
    assert play.attempt().start_time == play.now


@pytest.mark.parametrize("ahead", [0.25, 5, 1000])
def test_row_4_a_worker_that_advances_is_not_stale_by_the_clock_of_another(ahead: float) -> None:
    play = Play(Policy(hard_seconds=10_000, soft_seconds=9000, stale_seconds=600))
    play.now += timedelta(hours=ahead)
    play.run()
    play.see("running", after=10, report=report(percent=10))
    play.now -= timedelta(hours=ahead)
    assert play.see("running").actions == ()
    for percent in range(11, 30):
        assert play.see("running", after=61, report=report(percent=percent)).actions == ()
        assert play.status.message == f"{percent} % done"


@pytest.mark.parametrize("ahead", [0.25, 5, 1000])
def test_row_4_a_worker_that_hangs_or_runs_too_long_is_ended_in_time(ahead: float) -> None:
    play = Play(Policy(hard_seconds=10_000, soft_seconds=9000, stale_seconds=600))
    play.now += timedelta(hours=ahead)
    play.run()
    said = report(percent=10)
    play.see("running", after=10, report=said)
    play.now -= timedelta(hours=ahead)
    for _ in range(12):
        last = play.see("running", after=61, report=said)
    assert deleted(last)
    assert play.attempt().reason == "Stale"


@pytest.mark.parametrize("ahead", [5, 1000])
def test_row_4_the_pods_of_a_finished_job_are_deleted_in_time(ahead: float) -> None:
    play = Play()
    play.now += timedelta(hours=ahead)
    play.run()
    play.see("succeeded", after=5)
    assert play.status.phase is Phase.SUCCEEDED
    play.now -= timedelta(hours=ahead)
    later = play.see("succeeded")
    assert later.actions == ()
    assert later.requeue_after is not None
    assert later.requeue_after <= 3600 + 461, "an hour after the pod's own end"
    assert deleted(play.see("succeeded", after=later.requeue_after))
