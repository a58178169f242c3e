"""The state machine: how a pod's end, and its absence, become the job's."""

from dataclasses import replace
from typing import Any

import pytest

from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.status import AttemptState, Phase, RetryClass
from spectrogram_operator.core.policy import GIBIBYTE
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    START,
    Play,
    deleted,
    events,
)

ZOMBIES_RETRIED: dict[str, Any] = {"retry": {"zombies": "Retry"}}


# The pod's end


def test_a_pod_of_somebody_else_is_not_deleted_though_the_status_names_it() -> None:
    """Whoever may write statuses may write any UID; what is shown is not this job's pod."""
    play = Play()
    play.run()
    stranger = replace(pod("running"), owner_uid="somebody")
    result = play.step(after=100, pod=stranger, pods=(stranger,), absent_since=play.now)
    assert play.attempt().reason == "PodMissing"
    assert deleted(result) == []


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
    assert (play.attempt().peak_memory_bytes, play.attempt().kernel) == (GIBIBYTE // 2, "compiled")
    assert deleted(result) == ([POD_UID] if name == "sidecar-outlives-success" else [])


def test_what_the_worker_warned_of_stays_in_status_and_is_one_event() -> None:
    play = Play()
    play.run()
    live = report().model_copy(update={"warnings": ("the times of captures 1 and 2 contradict each other",)})
    assert play.see("running", report=live, after=60).events == ()
    assert play.status.warnings == live.warnings
    result = play.see("succeeded-with-warnings", after=60)
    assert events(result) == ["Completed", "ResultWarnings"]
    assert play.status.message == "50 of 50 columns are in fm-band; 2 warnings"
    assert play.status.to_document()["warnings"] == list(play.status.warnings)
    assert (result.events[1].warning, result.events[1].message) == (True, "; ".join(play.status.warnings))
    assert len(play.status.warnings) == 2


def test_row_9_of_a_message_that_was_cut_the_worker_s_last_answer_says_the_rest() -> None:
    play = Play()
    play.run()
    live = report(percent=43, warnings=("a gap",))
    play.see("running", report=live, after=60)
    before = play.status
    play.see("succeeded-among-seven", after=60)
    assert (play.status.phase, play.status.message) == (Phase.SUCCEEDED, "all outputs are published")
    assert [output.path for output in play.status.outputs] == ["fm-band/manifest.json"]
    assert (play.status.dataset, play.status.warnings) == (before.dataset, before.warnings)
    progress, memory = play.status.progress, play.status.memory
    assert progress is not None
    assert memory is not None
    assert (progress.text, progress.columns_done, progress.columns_total) == ("100%", 1000, 1000)
    assert (memory.peak_bytes, memory.text, memory.peak_text) == (GIBIBYTE // 2, "512Mi/1Gi", "512Mi")
    assert (play.attempt().peak_memory_bytes, play.attempt().kernel) == (GIBIBYTE // 2, "compiled")


def test_row_9_a_message_that_was_cut_says_how_much_memory_a_worker_took_that_nobody_had_heard_of() -> None:
    play = Play()
    play.run()
    play.see("succeeded-among-seven", after=60)
    assert (play.status.phase, play.status.progress) == (Phase.SUCCEEDED, None)
    assert play.status.memory is not None
    assert play.status.memory.text == "512Mi/1Gi"


def test_the_next_attempt_starts_without_warnings() -> None:
    play = Play()
    play.run()
    play.see("running", report=report().model_copy(update={"warnings": ("a gap",)}), after=60)
    assert events(play.see("exit-75-transient-error", after=60)) == ["AttemptFailed", "RetryScheduled"]
    play.step(after=60)
    assert (play.status.attempt, play.status.warnings) == (2, ())


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
