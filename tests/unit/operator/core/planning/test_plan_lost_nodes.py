"""The state machine: a node that does not answer, and clocks that are not ours."""

from datetime import timedelta

import pytest

from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.status import Phase, RetryClass
from spectrogram_operator.core.planning.observed import DeletePod
from spectrogram_operator.core.policy import Policy
from unit.operator.core.play import (
    START,
    Play,
    deleted,
    events,
)

DUE = 491
"""Seconds after START at which the pods of these files that are being deleted should be gone."""


@pytest.mark.parametrize(
    ("name", "retry_class", "phase"),
    [
        ("node-unreachable", RetryClass.INFRASTRUCTURE, Phase.RETRYING),
        ("node-unreachable-deleted", RetryClass.ZOMBIE, Phase.FAILED),
    ],
)
def test_row_1_a_pod_on_a_lost_node_is_given_up_after_a_grace(name: str, retry_class: RetryClass, phase: Phase) -> None:
    play = Play(Policy(hard_seconds=10_000, soft_seconds=9000))
    play.run()
    play.see(name, after=DUE)
    assert play.holds("Running") == "True PodRunning"
    late = play.see(name, after=120)
    assert (late.actions, events(late)) == ((), ["NodeUnreachable"])
    assert (play.holds("Running"), play.holds("Stalled")) == ("Unknown NodeUnreachable", "True NodeUnreachable")
    assert "node-7" in (play.status.message or "")
    assert events(play.see(name, after=479)) == [], "said once"
    assert play.see(name).actions == ()
    (action,) = play.see(name, after=1).actions
    assert action == DeletePod(name=play.attempt().pod_name, uid=POD_UID, force=True)
    play.miss(after=5)
    play.miss(after=10, since=10)
    assert (play.attempt().reason, play.attempt().retry_class, play.status.phase) == ("NodeLost", retry_class, phase)


def test_row_1_a_pod_whose_phase_is_unknown_is_given_up_after_a_grace() -> None:
    play = Play(Policy(hard_seconds=10_000, soft_seconds=9000))
    play.run()
    play.see("phase-unknown", after=60)
    assert play.see("phase-unknown", after=599).actions == ()
    (action,) = play.see("phase-unknown", after=1).actions
    assert isinstance(action, DeletePod)
    assert action.force
    play.miss(after=5)
    play.miss(after=10, since=10)
    assert (play.attempt().reason, play.attempt().retry_class) == ("NodeLost", RetryClass.ZOMBIE)


@pytest.mark.parametrize("name", ["phase-unknown", "node-unreachable", "node-unreachable-deleted", "drain-announced"])
def test_row_1_cancel_counts_while_the_pod_is_ending(name: str) -> None:
    play = Play()
    play.run()
    play.see(name, after=500)
    play.edit(cancelled=True)
    play.see(name, after=1)
    assert play.attempt().reason == "Cancelled"
    for _ in range(80):
        play.see("node-unreachable", after=10)
    play.miss(after=5)
    play.miss(after=10, since=10)
    assert play.status.phase is Phase.CANCELLED


def test_row_1_the_hard_limit_counts_while_the_pod_is_ending() -> None:
    play = Play()
    play.run()
    play.see("node-unreachable-deleted", after=989)
    assert play.attempt().reason == "PodDeleted"
    play.see("node-unreachable-deleted", after=1)
    assert play.attempt().reason == "DeadlineExceeded"


def test_row_18_a_pod_that_does_not_end_on_a_node_that_answers_is_never_forced() -> None:
    play = Play()
    play.run()
    assert events(play.see("deleted-terminating", after=DUE + 120)) == ["PodStuckTerminating"]
    assert play.holds("Stalled") == "True PodStuckTerminating"
    stuck = play.see("deleted-terminating", after=100_000)
    assert (stuck.actions, events(stuck)) == ((), [])


@pytest.mark.parametrize("ahead", [-1200, -90, 90, 1200])
def test_row_4_a_node_s_clock_neither_ends_a_pod_nor_moves_its_backoff(ahead: int) -> None:
    """The operator's clock is `ahead` of all others."""
    play = Play()
    play.now += timedelta(seconds=ahead)
    play.run("container-creating")
    assert play.see("container-creating", after=800).actions == (), "StartupTimeout is 900 s"
    assert play.see("running", after=60).actions == ()
    started = play.attempt().start_time
    assert started is not None
    assert started >= (play.attempt().reserved_time or START)
    assert play.see("running", after=120).actions == (), "the hard limit is 900 s"
    play.see("exit-75-transient-error", after=1)
    finish, reserved = play.attempt().finish_time, play.attempt().reserved_time
    assert finish is not None
    assert reserved is not None
    assert reserved + timedelta(seconds=461 - 2) <= finish <= play.now


@pytest.mark.parametrize("behind", [90, 1200])
def test_row_4_progress_is_written_though_the_last_operator_s_clock_was_ahead(behind: int) -> None:
    play = Play()
    play.run()
    play.see("running", after=100, report=report(percent=10))
    play.see("running", after=-behind, report=report(percent=20))
    assert play.status.message == "20 % done"


def test_row_2_any_advance_of_the_worker_counts() -> None:
    play = Play(Policy(hard_seconds=100_000, stale_seconds=600))
    play.run()
    for minute in range(30):
        said = report(percent=0).model_copy(update={"last_advance_time": START + timedelta(minutes=minute)})
        assert play.see("running", after=60, report=said).actions == ()
    for _ in range(10):
        play.see("running", after=60, report=said)
    assert deleted(play.see("running", after=60, report=said)) == [POD_UID]
