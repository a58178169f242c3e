"""The state machine: suspended, resumed, cancelled, deleted, and over."""

from dataclasses import replace
from typing import Any

import pytest

from pods.shapes import POD_UID
from spectrogram_operator.api.status import AttemptState, Phase
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.policy import Policy
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    START,
    Play,
    build_job,
    created,
    deleted,
    events,
)

# Suspend, resume, cancel


def test_a_job_that_is_born_suspended_runs_nothing_until_it_is_resumed() -> None:
    play = Play(suspend=True)
    assert play.step().actions == ()
    assert (play.status.phase, play.holds("Suspended")) == (Phase.SUSPENDED, "True JobSuspended")
    assert play.status.start_time is None
    play.edit(suspend=False)
    assert created(play.step(after=5)) != []
    assert play.holds("Suspended") == "False JobResumed"


def test_row_18_after_a_resume_the_attempt_s_clock_starts_anew() -> None:
    play = Play()
    play.run()
    began = play.status.start_time
    play.edit(suspend=True)
    play.see("running", after=800)
    play.see("deleted-exit-85", after=5)
    play.edit(suspend=False)
    play.step(after=1000)
    assert play.see("running", attempt=2, after=600).actions == (), "the hard limit of 900 s is the attempt's"
    assert play.attempt().start_time == play.attempt().reserved_time
    assert play.status.start_time == began


def test_suspending_ends_the_pod_and_costs_nothing() -> None:
    play = Play()
    play.run()
    play.edit(suspend=True)
    result = play.see("running")
    assert (deleted(result), result.events[0].warning) == ([POD_UID], False)
    assert play.holds("Suspended") == "-", "not before the pod has ended"
    play.see("deleted-terminating")
    assert play.attempt().reason == "JobSuspended"
    play.see("deleted-exit-85")
    assert (play.status.phase, play.attempt().reason) == (Phase.SUSPENDED, "JobSuspended")
    assert play.status.retries.model_dump() == {"user": 0, "infra": 0, "reroutes": 0}
    assert play.step(after=5).actions == ()
    play.edit(suspend=False)
    assert created(play.step()) == [play.attempt().pod_name]
    assert (play.status.attempt, play.status.attempt_text) == (2, "1/3")


def test_a_job_resumed_while_its_pod_still_ends_starts_anew() -> None:
    play = Play()
    play.run()
    play.edit(suspend=True)
    play.see("running")
    play.edit(suspend=False)
    assert deleted(play.see("running")) == [POD_UID], "what was decided is not taken back"
    play.see("deleted-exit-85")
    assert created(play.step()) != []


def test_what_was_decided_explains_the_end_though_somebody_deletes_the_pod_as_well() -> None:
    play = Play()
    play.run()
    play.edit(suspend=True)
    play.see("running")
    play.edit(suspend=False)
    play.see("deleted-terminating")
    play.see("deleted-exit-85")
    assert (play.attempt().reason, play.status.retries.user) == ("JobSuspended", 0)


@pytest.mark.parametrize(
    ("wish", "phase"), [({"suspend": True}, Phase.SUSPENDED), ({"cancelled": True}, Phase.CANCELLED)]
)
def test_a_job_that_is_stopped_before_its_pod_exists_never_gets_one(wish: dict[str, Any], phase: Phase) -> None:
    play = Play()
    play.step()
    play.edit(**wish)
    assert play.miss().actions == ()
    assert play.status.phase is phase


@pytest.mark.parametrize(
    ("wish", "phase"), [({"suspend": True}, Phase.SUSPENDED), ({"cancelled": True}, Phase.CANCELLED)]
)
def test_a_pod_that_is_missing_when_nobody_wants_it_is_no_zombie(wish: dict[str, Any], phase: Phase) -> None:
    play = Play()
    play.run()
    play.edit(**wish)
    play.miss(after=5)
    play.miss(after=10, since=10)
    assert play.status.phase is phase


@pytest.mark.parametrize("wish", [{"suspend": True}, {"cancelled": True}])
def test_a_success_that_was_quicker_than_the_wish_to_stop_counts(wish: dict[str, Any]) -> None:
    play = Play()
    play.run()
    play.edit(**wish)
    play.see("running")
    play.see("deleted-after-success")
    assert play.status.phase is Phase.SUCCEEDED


def test_cancelling_ends_the_pod_and_keeps_the_record() -> None:
    play = Play()
    play.run()
    play.edit(cancelled=True)
    assert deleted(play.see("running")) == [POD_UID]
    assert play.status.completion_time is None
    result = play.see("deleted-exit-143")
    assert (play.status.phase, play.holds("Failed")) == (Phase.CANCELLED, "True Cancelled")
    assert events(result) == ["Cancelled"]
    assert play.attempt().state is AttemptState.FINISHED


@pytest.mark.parametrize("before", ["nothing", "suspended", "backing off"])
def test_a_job_of_which_nothing_runs_is_cancelled_at_once(before: str) -> None:
    play = Play(suspend=before == "suspended")
    if before == "suspended":
        play.step()
    if before == "backing off":
        play.run("exit-75-transient-error")
    play.edit(cancelled=True)
    assert play.step().actions == ()
    assert play.status.phase is Phase.CANCELLED


def test_a_deleted_job_is_left_alone() -> None:
    play = Play()
    play.run()
    job = replace(build_job(play.status), deleting=True)
    result = plan(Observed(job=job, pods=(pod("running"),)), START, Policy())
    assert (result.status, result.actions, result.events) == (job.status, (), ())


# After the end


def finished(name: str, **spec: Any) -> Play:
    """A job that is over."""
    play = Play(**spec)
    play.run()
    play.see(name)
    assert play.status.completion_time is not None
    return play


@pytest.mark.parametrize("name", ["succeeded", "oom-killed"])
def test_a_finished_job_stays_as_it_is(name: str) -> None:
    play = finished(name)
    before = play.status
    for seen in ("running", "oom-killed", "succeeded"):
        assert play.see(seen, after=60).status == before
    play.edit(cancelled=True, suspend=True)
    play.step()
    assert play.status.phase is before.phase
    assert play.status.completion_time == before.completion_time


def test_an_edit_of_a_finished_job_is_observed_so_that_kubectl_wait_ends() -> None:
    play = finished("succeeded")
    play.edit(priority=3)
    play.step()
    assert play.status.observed_generation == 2
    assert {condition.observed_generation for condition in play.status.conditions} == {2}


@pytest.mark.parametrize(("name", "seconds"), [("succeeded", 3600), ("oom-killed", 86_400)])
def test_finished_pods_are_kept_for_their_logs_and_then_deleted(name: str, seconds: float) -> None:
    play = finished(name)
    result = play.see(name, after=1)
    assert (result.actions, result.requeue_after) == ((), seconds - 1)
    assert play.see(name, after=seconds - 2).actions == ()
    assert deleted(play.see(name, after=1)) == [POD_UID]
    assert play.step().requeue_after is None


def test_a_pod_that_runs_although_its_job_is_over_is_ended() -> None:
    play = finished("oom-killed")
    foreign = replace(pod("running"), owner_uid="somebody", uid="foreign")
    stray = replace(pod("running"), uid="stray")
    assert deleted(play.step(pods=(foreign, stray))) == ["stray"]
