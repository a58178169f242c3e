"""The state machine: from one status to the next, by what is observed. Play.step checks each plan for what all keep."""

from dataclasses import replace
from typing import Any

import pytest

from pods.shapes import POD_UID
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import AttemptState, Phase, RetryClass
from spectrogram_operator.core.observed import Observed, Refusal
from spectrogram_operator.core.plan import plan
from spectrogram_operator.core.policy import GIBIBYTE, Policy, Pool
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    REFUSED,
    START,
    Play,
    build_job,
    created,
    deleted,
    events,
    report,
)

ZOMBIES_RETRIED: dict[str, Any] = {"retry": {"zombies": "Retry"}}


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
    recorded = play.see("container-creating")
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


def test_a_pod_over_quota_waits_at_no_cost_and_is_tried_again() -> None:
    play = Play()
    play.step()
    refusal = Refusal(reason="QuotaExceeded", message="waiting for quota: exceeded quota: jobs", final=False)
    result = play.miss(after=1, refusal=refusal)
    assert (result.actions, result.requeue_after) == ((), 30.0)
    assert (play.status.phase, play.status.reason) == (Phase.QUEUED, "QuotaExceeded")
    assert created(play.miss(after=30)) == [play.attempt().pod_name]
    assert play.status.retries.user == play.status.retries.infra == 0
    play.miss(after=3600, refusal=refusal)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PendingTimeout")


def test_a_refusal_after_a_long_outage_is_the_first_one() -> None:
    play = Play()
    play.step()
    play.miss(after=10_000, refusal=Refusal(reason="ClusterUnavailable", message="no answer", final=False))
    assert play.status.phase is Phase.QUEUED


def test_a_pod_that_is_refused_for_good_fails_the_job() -> None:
    play = Play()
    play.step()
    play.miss(refusal=Refusal(reason="PodRejected", message="violates PodSecurity", final=True))
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PodRejected")


# Waiting for a node, an image, a container


WAITING = [
    # fixture, phase, reason, seconds until it is ended, reason then, class
    ("unschedulable", Phase.PENDING, "Unschedulable", 3600, "PendingTimeout", RetryClass.FATAL),
    ("claim-not-found", Phase.PENDING, "PVCNotFound", 3600, "PendingTimeout", RetryClass.FATAL),
    ("just-created", Phase.STARTING, "Scheduling", 3600, "PendingTimeout", RetryClass.FATAL),
    ("empty-status", Phase.STARTING, "Scheduling", 3600, "PendingTimeout", RetryClass.FATAL),
    ("image-pull-error", Phase.STARTING, "ImagePullFailed", 300, "ImagePullFailed", RetryClass.FATAL),
    ("image-pull-back-off", Phase.STARTING, "ImagePullFailed", 300, "ImagePullFailed", RetryClass.FATAL),
    ("registry-busy", Phase.STARTING, "ImagePullFailed", 300, "RegistryBusy", RetryClass.INFRASTRUCTURE),
    ("config-error", Phase.STARTING, "ContainerConfigError", 60, "ContainerConfigError", RetryClass.FATAL),
    ("create-error", Phase.STARTING, "ContainerCreateError", 180, "ContainerCreateError", RetryClass.INFRASTRUCTURE),
    ("container-creating", Phase.STARTING, "ContainerCreating", 900, "StartupTimeout", RetryClass.INFRASTRUCTURE),
]


@pytest.mark.parametrize(("name", "phase", "reason", "seconds", "ends_as", "retry_class"), WAITING)
def test_a_pod_that_does_not_start_is_explained_then_ended(
    name: str, phase: Phase, reason: str, seconds: float, ends_as: str, retry_class: RetryClass
) -> None:
    play = Play()
    first = play.run(name)
    assert (play.status.phase, play.status.reason) == (phase, reason)
    assert play.holds("Running") == f"False {reason}"
    assert (first.actions, first.requeue_after) == ((), seconds)
    assert play.see(name, after=seconds - 1).actions == ()
    ending = play.see(name, after=1)
    assert (deleted(ending), events(ending)) == ([POD_UID], ["EndingPod"])
    assert (play.attempt().state, play.attempt().reason) == (AttemptState.CREATED, ends_as)
    assert events(play.see(name, after=1)) == [], "said once"
    play.miss(after=10)
    play.miss(after=10, since=10)
    assert (play.attempt().reason, play.attempt().retry_class) == (ends_as, retry_class)
    assert play.status.phase is (Phase.FAILED if retry_class is RetryClass.FATAL else Phase.RETRYING)


@pytest.mark.parametrize("name", ["image-never-pull", "image-name-invalid"])
def test_an_image_that_can_never_be_pulled_is_given_up_at_once(name: str) -> None:
    play = Play()
    assert deleted(play.run(name)) == [POD_UID]
    assert play.attempt().reason == "ImagePullFailed"


def test_the_image_s_grace_counts_from_the_first_failure_and_across_its_faces() -> None:
    play = Play()
    play.run("container-creating")
    assert play.see("image-pull-error", after=600).actions == (), "a long download is no failure"
    assert play.holds("Stalled") == "True ImagePullFailed"
    play.see("image-pull-back-off", after=150)
    play.see("container-creating", after=10)
    assert deleted(play.see("image-pull-error", after=140)) == [POD_UID]


def test_an_image_that_can_be_pulled_after_all_is_no_trouble_any_more() -> None:
    play = Play()
    play.run("image-pull-error")
    play.see("running", after=100)
    assert play.holds("Stalled") == "False PodRunning"


def test_the_clock_stands_still_while_a_gate_holds_the_pod() -> None:
    play = Play()
    result = play.run("scheduling-gated")
    assert (play.status.phase, play.holds("Admitted")) == (Phase.QUEUED, "False SchedulingGated")
    assert result.requeue_after is None
    play.see("scheduling-gated", after=100_000)
    assert play.see("unschedulable", after=1).actions == ()
    assert play.see("unschedulable", after=3599).actions == ()
    assert deleted(play.see("unschedulable", after=1)) == [POD_UID]


# The pod's end


@pytest.mark.parametrize("name", ["succeeded", "sidecar-outlives-success", "drained-after-success"])
def test_a_success_ends_the_job(name: str) -> None:
    play = Play()
    play.run()
    result = play.see(name, after=461)
    assert (play.status.phase, play.status.reason) == (Phase.SUCCEEDED, "Completed")
    assert play.holds("Complete") == "True Completed"
    assert play.holds("Failed") == "-"
    assert play.status.completion_time == play.now
    assert [output.path for output in play.status.outputs][-1] == "fm-band/manifest.json"
    assert (play.attempt().retry_class, play.attempt().exit_code) == (RetryClass.SUCCESS, 0)
    assert play.attempt().peak_memory_bytes == 402_653_184
    assert deleted(result) == ([POD_UID] if name == "sidecar-outlives-success" else [])


def test_a_success_after_a_child_was_killed_is_a_success_with_a_warning() -> None:
    play = Play()
    play.run("child-oom-killed-succeeded")
    assert play.status.phase is Phase.SUCCEEDED
    assert play.holds("MemoryWarning") == "True ChildOOMKilled"


@pytest.mark.parametrize("name", ["oom-killed", "child-oom-killed-without-manifest", "init-oom-killed"])
def test_a_zombie_fails_the_job_unless_it_says_retry(name: str) -> None:
    play = Play()
    result = play.run(name)
    assert play.status.phase is Phase.FAILED
    assert events(result) == ["AttemptFailed", "ZombieDetected", "Failed"]
    assert "Detected as zombie" in (play.status.message or "")
    retried = Play(**ZOMBIES_RETRIED)
    retried.run(name)
    assert retried.status.phase is Phase.RETRYING


def test_the_last_memory_that_was_heard_of_explains_a_kill() -> None:
    play = Play()
    play.run()
    play.see("running", report=report(current_bytes=int(0.95 * GIBIBYTE)), after=5)
    play.see("exit-137-unlabelled", after=5)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "SuspectedOOM")


# The pod is gone


def test_a_pod_is_missing_only_after_two_look_ups_ten_seconds_apart() -> None:
    play = Play()
    play.run()
    play.miss(after=5)
    assert play.status.phase is Phase.RUNNING
    play.miss(after=9.9, since=9.9)
    assert play.status.phase is Phase.RUNNING
    play.miss(after=0.1, since=10)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "PodMissing")
    assert play.attempt().retry_class is RetryClass.ZOMBIE


def test_what_is_unknown_changes_nothing() -> None:
    play = Play()
    play.run()
    before = play.status
    for _ in range(5):
        result = play.step(after=1000)
        assert (result.status, result.actions) == (before, ())
        assert result.requeue_after == 10.0


@pytest.mark.parametrize(
    ("name", "reason", "budget"),
    [
        ("drained-terminating", "Drained", "infra"),
        ("drain-announced", "Drained", "infra"),
        ("taint-terminating", "NodeTainted", "infra"),
        ("deleted-terminating", "PodDeleted", "user"),
    ],
)
def test_evidence_is_written_while_the_pod_exists_and_judged_when_it_is_gone(
    name: str, reason: str, budget: str
) -> None:
    play = Play()
    play.run()
    play.see(name, after=5)
    assert (play.attempt().state, play.attempt().reason) == (AttemptState.CREATED, reason)
    play.miss(after=30)
    play.miss(after=10, since=10)
    assert (play.attempt().reason, play.status.phase) == (reason, Phase.RETRYING)
    assert play.status.retries.model_dump()[budget] == 1


def test_the_last_body_of_a_deleted_pod_is_judged_at_once() -> None:
    play = Play()
    play.run()
    play.see("drained-terminating", gone=True, after=5)
    assert (play.attempt().reason, play.status.phase) == ("Drained", Phase.RETRYING)


def test_a_pod_that_vanished_from_the_watch_while_it_ran_still_needs_two_look_ups() -> None:
    play = Play()
    play.run()
    play.see("running", gone=True, after=5)
    assert play.status.phase is Phase.RUNNING
    play.see("running", gone=True, after=5, absent_since=play.now)
    play.see("running", gone=True, after=5, absent_since=START)
    assert play.status.reason == "PodMissing"


def test_a_disruption_that_was_called_off_explains_nothing() -> None:
    play = Play()
    play.run("drain-announced")
    play.see("drain-called-off", after=120)
    assert (play.attempt().reason, play.status.reason) == (None, "PodRunning")
    play.miss(after=10)
    play.miss(after=10, since=10)
    assert play.status.reason == "PodMissing"


def test_a_pod_of_the_same_name_and_another_uid_is_not_the_attempt_s() -> None:
    play = Play()
    play.run()
    before = play.status
    other = replace(pod("oom-killed"), uid="another")
    assert play.step(pod=other, pods=(other,)).status == before
    play.step(pod=other, pods=(other,), absent_since=START, after=10)
    assert play.status.reason == "PodMissing"


def test_a_pod_that_does_not_end_needs_a_human_and_is_not_replaced() -> None:
    play = Play()
    play.run()
    play.see("deleted-terminating", after=491 + 119)
    assert play.holds("Stalled") == "-"
    result = play.see("deleted-terminating", after=1)
    assert play.holds("Stalled") == "True PodStuckTerminating"
    assert result.actions == ()


# Retries


@pytest.mark.parametrize("name", ["exit-75-transient-error", "exit-74-ioerror", "exit-1-crash"])
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


# Suspend, resume, cancel


def test_a_job_that_is_born_suspended_runs_nothing_until_it_is_resumed() -> None:
    play = Play(suspend=True)
    assert play.step().actions == ()
    assert (play.status.phase, play.holds("Suspended")) == (Phase.SUSPENDED, "True JobSuspended")
    assert play.status.start_time is None
    play.edit(suspend=False)
    assert created(play.step(after=5)) != []
    assert play.holds("Suspended") == "False JobResumed"


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


# While the worker runs


def test_progress_is_written_every_ten_seconds_at_most_and_a_heartbeat_once_a_minute() -> None:
    play = Play()
    play.run()
    written = []
    for second in range(200):
        before = play.status
        columns = min(second, 50) + 1
        play.see("running", after=1, report=report(columns))
        if play.status != before:
            written.append(second)
    assert written == [0, 10, 20, 30, 40, 50, 110, 170]
    assert play.status.progress is not None
    assert (play.status.progress.text, play.status.progress.columns_done) == ("5%", 51)
    assert play.status.message == "5 % done"


@pytest.mark.parametrize("said", [report(uid="another job"), report(attempt=2)])
def test_what_another_worker_says_is_not_this_job_s_progress(said: Any) -> None:
    play = Play()
    play.run()
    play.see("running", after=60, report=said)
    assert (play.status.progress, play.status.heartbeat_time) == (None, None)


def test_a_worker_that_answers_and_does_not_advance_is_stale() -> None:
    play = Play(Policy(hard_seconds=10_000, stale_seconds=600))
    play.run()
    for _ in range(10):
        assert play.see("running", after=60, report=report(7)).actions == ()
    assert deleted(play.see("running", after=60, report=report(7))) == [POD_UID]
    play.see("deleted-exit-85", after=5)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "Stale")


def test_a_worker_that_cannot_be_reached_is_not_stale() -> None:
    play = Play(Policy(hard_seconds=10_000, stale_seconds=600))
    play.run()
    play.see("running", report=report(7))
    assert play.see("running", after=6000).actions == ()


def test_a_pod_that_outlives_its_hard_limit_is_ended_by_the_operator() -> None:
    play = Play()
    play.run()
    patience = 900 + 30 + 60
    assert play.see("running", after=patience - 1).actions == ()
    assert deleted(play.see("running", after=1)) == [POD_UID]
    play.see("deleted-exit-137", after=5)
    assert (play.status.phase, play.status.reason) == (Phase.FAILED, "DeadlineExceeded")


def test_memory_that_is_nearly_full_is_warned_about_and_forgotten_with_the_attempt() -> None:
    play = Play()
    play.run()
    play.see("running", report=report(current_bytes=int(0.9 * GIBIBYTE)))
    assert play.holds("MemoryWarning") == "True HighMemoryUsage"
    play.see("exit-82-memory-error")
    play.step(after=700)
    assert play.holds("MemoryWarning") == "False AttemptStarted"
    assert play.status.memory is None


def test_the_message_tells_which_try_it_is_and_how_far() -> None:
    play = Play()
    play.run("exit-82-memory-error")
    play.run(attempt=2, after=700)
    play.see("running", attempt=2, report=report(430, attempt=2))
    assert play.status.message == "attempt 2 of 3 after MemoryError; 43 % done"


def test_a_pod_of_which_nothing_is_known_keeps_its_job_as_it_is() -> None:
    play = Play()
    play.run()
    assert play.see("phase-unknown").actions == ()
    assert (play.status.phase, play.holds("Running")) == (Phase.RUNNING, "Unknown NodeUnreachable")


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
    memory = int(action.manifest["spec"]["containers"][0]["resources"]["limits"]["memory"])  # type: ignore[union-attr]
    assert 0 < memory <= 4 * GIBIBYTE
