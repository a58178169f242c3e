"""The state machine: from nothing to a pod. Play.step checks each plan for what all of them keep."""

from dataclasses import replace
from typing import Any

import pytest

from pods.jobs import job_body, stored
from pods.shapes import POD_UID
from spectrogram_operator.api.job import UnreadableJob, read_job
from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.api.status import AttemptState, Phase
from spectrogram_operator.core.building.podspec import build_pod
from spectrogram_operator.core.judging.refusals import Refusal
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS, Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.planning.queues import contender
from spectrogram_operator.core.policy import GIBIBYTE, Policy
from spectrogram_operator.core.status import is_held_back
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    GRANTED,
    REFUSED,
    START,
    Play,
    build_job,
    created,
    deleted,
    events,
)

# Starting


def test_an_attempt_is_reserved_created_and_recorded_in_this_order() -> None:
    play = Play()
    reserved = play.step()
    name = play.attempt().pod_name
    assert created(reserved) == [name]
    assert play.attempt().state is AttemptState.CREATING
    assert (play.status.attempt, play.status.phase, play.status.attempt_text) == (1, Phase.STARTING, "1/3")
    assert play.status.start_time == START
    assert events(reserved) == ["AttemptStarted"]
    assert play.see("container-creating") == replace(reserved, actions=(), events=())
    recorded = play.see("container-creating", after=QUICK_START_SECONDS)
    assert recorded.actions == ()
    assert (play.attempt().state, play.attempt().pod_uid) == (AttemptState.CREATED, POD_UID)
    play.see("running")
    assert (play.status.phase, play.status.reason, play.status.node_name) == (Phase.RUNNING, "PodRunning", "node-7")
    assert play.holds("Running") == "True PodRunning"


def test_a_crash_between_reserving_and_creating_creates_the_same_pod_again() -> None:
    play = Play()
    first = play.step()
    assert play.step().actions == (), "unknown is not absent"
    assert created(play.miss(after=1)) == created(first)
    assert play.status.attempt == 1


@pytest.mark.parametrize("name", ["running", "succeeded", "oom-killed"])
def test_a_pod_that_was_created_before_a_crash_is_adopted_as_it_is_found(name: str) -> None:
    play = Play()
    play.step()
    assert created(play.see(name)) == []
    assert play.attempt().pod_uid == POD_UID


def test_a_pod_of_somebody_else_is_neither_adopted_nor_deleted() -> None:
    play = Play()
    play.step()
    result = play.step(foreign=True, pod=replace(pod("running"), owner_uid="somebody"))
    assert result.actions == ()
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PodNameCollision")


def test_a_job_waits_for_its_turn() -> None:
    play = Play()
    assert play.step(turn=REFUSED).actions == ()
    assert (play.status.phase, play.status.reason, play.status.queue) == (Phase.QUEUED, "WaitingForSlot", "default")
    assert play.holds("Admitted") == "False WaitingForSlot"
    assert created(play.step(after=30)) != []
    assert play.holds("Admitted") == "True Admitted"


def test_a_job_that_can_never_run_fails_before_a_pod() -> None:
    play = Play(transform={"fftSize": 1})
    assert play.step().actions == ()
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "InvalidSpec")
    assert "spec.transform.fftSize" in (play.status.message or "")
    assert play.holds("Accepted") == "False InvalidSpec"
    assert play.status.completion_time == START


def test_more_memory_than_the_pool_may_give_is_refused() -> None:
    play = Play(resources={"memory": "5Gi"}, queue="default")
    play.step()
    assert (play.status.reason, play.holds("Accepted")) == ("InvalidSpec", "False InvalidSpec")
    assert "5Gi is more than the 4Gi" in (play.status.message or "")


def test_a_spec_that_becomes_unreadable_while_a_pod_runs_ends_job_and_pod() -> None:
    play = Play()
    play.run()
    play.edit(transform={"fftSize": 1})
    play.see("running")
    assert (play.status.reason, play.attempt().state) == ("InvalidSpec", AttemptState.FINISHED)
    assert deleted(play.see("running")) == [POD_UID]


# Claims


def test_a_missing_claim_is_waited_for_and_named() -> None:
    play = Play()
    result = play.step(missing_claims=("recordings",))
    assert (play.status.phase, play.status.reason) == (Phase.PENDING, "PVCNotFound")
    assert "recordings" in (play.status.message or "")
    assert (result.actions, events(result), result.requeue_after) == ((), ["PVCNotFound"], 60.0)
    assert events(play.step(after=60, missing_claims=("recordings",))) == []
    assert created(play.step(after=60)) != []
    assert play.holds("Accepted") == "True Valid"


def test_a_claim_that_never_comes_fails_the_job_even_where_nobody_looks() -> None:
    play = Play()
    play.step(missing_claims=("recordings",))
    play.step(after=3599, missing_claims=None, turn=REFUSED)
    assert play.status.phase is Phase.PENDING
    play.step(after=1, missing_claims=None, turn=REFUSED)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PVCNotFound")
    assert "recordings" in (play.status.message or "")


# The API server does not take the pod


QUOTA = Refusal(reason="QuotaExceeded", message="waiting for quota: exceeded quota: jobs", final=False)
BUSY = Refusal(reason="ClusterUnavailable", message="slow down", final=False, passing=True, retry_after=7.0)


def test_row_10_a_pod_that_is_held_back_gives_its_slot_to_others_and_is_never_given_up() -> None:
    play = Play()
    play.step()
    for seconds in (30.0, 60.0, 120.0, 240.0, *[300.0] * 20):
        held = play.miss(after=1, refusal=QUOTA)
        assert (held.actions, held.requeue_after) == ((), seconds)
        assert (play.status.phase, play.status.reason) == (Phase.QUEUED, "QuotaExceeded")
        assert is_held_back(play.status, play.attempt())
        assert created(play.miss(after=seconds - 1, turn=GRANTED)) == []
        assert created(play.miss(after=1, turn=REFUSED)) == [], "it waits for a slot again"
        assert created(play.miss(turn=GRANTED)) == [play.attempt().pod_name]
        assert not is_held_back(play.status, play.attempt())
    assert (play.attempt().number, play.attempt().creations) == (1, 0)
    assert play.status.retries.user == play.status.retries.infra == 0


def test_row_10_a_pod_that_is_held_back_can_be_cancelled() -> None:
    play = Play()
    play.step()
    play.miss(after=1, refusal=QUOTA)
    play.edit(cancelled=True)
    play.miss(after=1)
    assert play.status.phase is Phase.CANCELLED


def test_row_11_a_busy_api_server_changes_nothing_and_says_when_to_come_again() -> None:
    play = Play()
    play.step()
    before = play.status
    for _ in range(100):
        result = play.miss(after=1, refusal=BUSY)
        assert (result.actions, result.requeue_after, play.status) == ((), 7.0, before)
    for _ in range(20):
        assert created(play.miss(after=30)) == [play.attempt().pod_name]
    assert (play.status.phase, play.attempt().creations) == (Phase.STARTING, 0)


def test_row_15_a_pod_that_vanishes_each_time_it_is_created_is_given_up() -> None:
    play = Play()
    play.step()
    name = play.attempt().pod_name
    for number in range(1, 6):
        assert created(play.miss(after=10, created=name)) == [name]
        assert play.attempt().creations == number
        assert created(play.miss(after=9, created=name)) == [], "not before the last creation can have been seen"
    play.miss(after=10, created=name)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PodVanishing")


def test_a_pod_that_is_refused_for_good_fails_the_job() -> None:
    play = Play()
    play.step()
    play.miss(refusal=Refusal(reason="PodRejected", message="violates PodSecurity", final=True))
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PodRejected")


# Statuses that the operator would not write


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": [{"pool": "gone"}]},
        {"attempts": [{"memoryBytes": 0}]},
        {"attempts": [{"memoryBytes": 2**62}]},
        {"queue": "gone"},
        {"attempt": 0},
        {"attempt": 7},
    ],
)
def test_a_tampered_status_neither_raises_nor_asks_for_too_much(changes: dict[str, Any]) -> None:
    play = Play()
    play.step()
    document = play.status.to_document()
    for change in changes.pop("attempts", []):
        document["attempts"][0] |= change
    status = type(play.status).model_validate(document | changes)
    result = plan(Observed(job=build_job(status), absent_since=START), START, Policy())
    (action,) = result.actions
    limits = action.manifest["spec"]["containers"][0]["resources"]["limits"]  # type: ignore[union-attr]
    assert 0 < parse_bytes(limits["memory"]) <= 4 * GIBIBYTE


def test_a_status_of_another_version_is_left_alone() -> None:
    read = read_job(stored(job_body(), status={"phase": "Paused", "attempts": "none"}))
    assert isinstance(read, UnreadableJob)
    assert "status.phase" in read.why
    result = plan(Observed(job=read, turn=GRANTED), START, Policy())
    assert (result.status, result.actions, result.requeue_after) == (read.status, (), None)
    assert contender(read, START, Policy()) is None


def test_names_of_pods_are_derived_and_not_read_from_status() -> None:
    play = Play()
    play.step()
    right = play.attempt().pod_name
    forged = play.attempt().model_copy(update={"pod_name": "somebody-s"})
    status = play.status.model_copy(update={"attempts": (forged,)})
    observed = Observed(job=build_job(status), absent_since=START, foreign=True)
    result = plan(observed, START, Policy())
    assert (result.status.attempts[0].pod_name, result.actions, result.requeue_after) == (right, (), 0.0)
    assert build_pod(build_job(status), forged, Policy())["metadata"]["name"] == right
