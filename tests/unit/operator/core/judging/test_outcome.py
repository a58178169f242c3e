"""Every pod in tests/pods/ and what it means: one row each, with its fault of docs/faults.md."""

from typing import Any

import pytest
from kubernetes.client import V1Pod

from pods.generate import CASES, FOLDER, TALKATIVE, as_text
from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.api.status import RetryClass
from spectrogram_operator.core.judging.outcome import DISRUPTIONS, assess, evidence
from spectrogram_operator.core.judging.pod import read_pod
from spectrogram_worker.contract import ExitCode
from unit.operator.core.fixtures import NAMES, body, pod

SUCCESS, USER, MEMORY, INFRASTRUCTURE, ZOMBIE, FATAL, HOLD = RetryClass

ENDED: list[tuple[str, str, str, RetryClass]] = [
    # fault, fixture (those that are recorded are of a real node), reason, class
    ("-", "succeeded", "Completed", SUCCESS),
    ("-", "succeeded-with-warnings", "Completed", SUCCESS),
    ("-", "succeeded-older-worker", "Completed", SUCCESS),
    ("-", "succeeded-among-seven", "Completed", SUCCESS),
    ("-", "succeeded-without-manifest", "OutputMissing", USER),
    ("-", "succeeded-without-message", "OutputMissing", USER),
    ("-", "recorded-exit-0-without-manifest", "OutputMissing", USER),
    ("-", "succeeded-without-statuses", "OutputMissing", USER),
    ("-", "exit-0-manifest-of-another-job", "OutputMissing", USER),
    ("45", "exit-64-invalid-spec", "InvalidSpec", FATAL),
    ("46", "exit-65-input-invalid", "InputInvalid", FATAL),
    ("46", "exit-66-input-not-found", "InputNotFound", FATAL),
    ("8", "exit-70-internal-error", "InternalError", USER),
    ("46", "exit-73-output-not-writable", "OutputNotWritable", FATAL),
    ("46", "exit-74-ioerror", "IOError", USER),
    ("46", "exit-75-transient-error", "TransientError", USER),
    ("22", "exit-78-worker-config-error", "WorkerConfigError", FATAL),
    ("2", "exit-82-memory-error", "MemoryError", MEMORY),
    ("7", "exit-83-memory-safeguard-exceeded", "MemorySafeguardExceeded", FATAL),
    ("6", "exit-84-soft-time-limit-exceeded", "SoftTimeLimitExceeded", FATAL),
    ("9", "exit-85-interrupted", "Interrupted", USER),
    ("46", "exit-86-output-no-space", "OutputNoSpace", FATAL),
    ("46", "recorded-no-space", "OutputNoSpace", FATAL),
    ("-", "exit-87-reroute-large", "RerouteLarge", HOLD),
    ("46", "exit-66-claims-success", "InputNotFound", FATAL),
    ("8", "exit-1-crash", "WorkerError", USER),
    ("8", "recorded-exit-1", "WorkerError", USER),
    ("8", "exit-139-segmentation-fault", "WorkerError", USER),
    ("8", "recorded-segmentation-fault", "WorkerError", USER),
    ("9", "exit-143", "Interrupted", USER),
    ("3", "exit-137-unlabelled", "Killed", INFRASTRUCTURE),
    ("3", "recorded-killed-by-hand", "Killed", INFRASTRUCTURE),
    ("-", "restarted-and-succeeded", "Completed", SUCCESS),
    ("8", "restarted-and-waiting", "WorkerError", USER),
    ("1", "oom-killed", "OOMKilled", ZOMBIE),
    ("1", "recorded-oom-killed", "OOMKilled", ZOMBIE),  # its message is the end of its log
    ("1", "oom-killed-while-drained", "OOMKilled", ZOMBIE),
    ("2", "child-oom-killed-succeeded", "Completed", SUCCESS),
    ("2", "child-oom-killed-without-manifest", "ChildOOMKilled", ZOMBIE),
    ("2", "recorded-child-oom-killed", "ChildOOMKilled", ZOMBIE),
    ("2", "child-oom-killed-exit-1", "OOMKilled", ZOMBIE),
    ("1", "init-oom-killed", "InitOOMKilled", ZOMBIE),
    ("46", "sidecar-oom-killed-exit-66", "InputNotFound", FATAL),
    ("11", "sidecar-oom-killed-drained", "Drained", INFRASTRUCTURE),
    ("9", "sidecar-oom-killed-deleted", "PodDeleted", USER),
    ("4", "sidecar-oom-killed-deadline", "DeadlineExceeded", FATAL),
    ("8", "sidecar-oom-killed-crashed", "WorkerError", USER),
    ("1", "sidecar-oom-killed", "SidecarOOMKilled", ZOMBIE),
    ("4", "deadline-exceeded", "DeadlineExceeded", FATAL),
    ("4", "recorded-deadline-exceeded", "DeadlineExceeded", FATAL),
    ("4", "deadline-exceeded-sigterm", "DeadlineExceeded", FATAL),
    ("4", "deadline-exceeded-exit-85", "DeadlineExceeded", FATAL),
    ("4", "deadline-exceeded-after-success", "Completed", SUCCESS),
    ("4", "deadline-exceeded-exit-0-without-manifest", "DeadlineExceeded", FATAL),
    ("26", "deadline-exceeded-before-start", "StartupTimeout", INFRASTRUCTURE),
    ("26", "deadline-exceeded-without-statuses", "StartupTimeout", INFRASTRUCTURE),
    ("10", "evicted-node-memory", "Evicted", INFRASTRUCTURE),
    ("10", "evicted-node-condition", "Evicted", INFRASTRUCTURE),
    ("47", "evicted-container-storage", "EphemeralStorageExceeded", FATAL),
    ("47", "evicted-pod-storage", "EphemeralStorageExceeded", FATAL),
    ("47", "evicted-scratch", "EphemeralStorageExceeded", FATAL),
    ("47", "recorded-evicted-scratch", "EphemeralStorageExceeded", FATAL),
    ("9", "deleted-exit-143", "PodDeleted", USER),
    ("9", "deleted-exit-137", "PodDeleted", USER),
    ("9", "deleted-exit-85", "PodDeleted", USER),
    ("9", "deleted-before-start", "PodDeleted", USER),
    ("9", "deleted-after-success", "Completed", SUCCESS),
    ("11", "drained-exit-85", "Drained", INFRASTRUCTURE),
    ("11", "drained-exit-137", "Drained", INFRASTRUCTURE),
    ("11", "drained-after-success", "Completed", SUCCESS),
    ("11", "drain-announced-exit-66", "InputNotFound", FATAL),
    ("10", "disrupted-unknown-reason", "Disrupted", INFRASTRUCTURE),
    ("12", "preempted", "Preempted", INFRASTRUCTURE),
    ("12", "preempted-by-kubelet", "Preempted", INFRASTRUCTURE),
    ("12", "preempted-by-kueue-exit-143", "Preempted", INFRASTRUCTURE),
    ("16", "taint", "NodeTainted", INFRASTRUCTURE),
    ("17", "node-gone", "NodeLost", INFRASTRUCTURE),
    ("28", "node-shutdown", "NodeShutdown", INFRASTRUCTURE),
    ("28", "node-shutdown-exit-85", "NodeShutdown", INFRASTRUCTURE),
    ("28", "node-shutdown-old", "NodeShutdown", INFRASTRUCTURE),
    ("27", "rejected-out-of-cpu", "AdmissionRejected", INFRASTRUCTURE),
    ("27", "recorded-rejected-out-of-cpu", "AdmissionRejected", INFRASTRUCTURE),
    ("27", "rejected-out-of-memory", "AdmissionRejected", INFRASTRUCTURE),
    ("27", "rejected-node-affinity", "AdmissionRejected", INFRASTRUCTURE),
    ("27", "rejected-unexpected", "AdmissionRejected", INFRASTRUCTURE),
    ("29", "container-lost", "ContainerLost", INFRASTRUCTURE),
    ("23", "start-error", "ContainerStartFailed", FATAL),
    ("23", "recorded-start-error", "ContainerStartFailed", FATAL),
    ("23", "cannot-run", "ContainerStartFailed", FATAL),
    ("29", "failed-without-statuses", "PodFailedNoStatus", INFRASTRUCTURE),
    ("29", "failed-while-waiting", "PodFailedNoStatus", INFRASTRUCTURE),
    ("24", "init-input-not-found", "InputNotFound", FATAL),
    ("24", "init-failed", "InitFailed", USER),
    ("24", "recorded-init-failed", "InitFailed", USER),
    ("-", "sidecar-first-succeeded", "Completed", SUCCESS),
    ("-", "sidecar-outlives-success", "Completed", SUCCESS),
    ("1", "sidecar-outlives-oom-killed", "OOMKilled", ZOMBIE),
    ("8", "init-sidecar-killed-after-crash", "WorkerError", USER),
]
NOT_OVER: list[tuple[str, str, str | None]] = [
    # fault, fixture, evidence of an end to come
    ("-", "running", None),
    ("-", "restarted-and-running", None),
    ("9", "deleted-terminating", "PodDeleted"),
    ("11", "drained-terminating", "Drained"),
    ("11", "drain-announced", "Drained"),
    ("11", "drain-called-off", None),
    ("12", "preempted-by-kueue", "Preempted"),
    ("12", "preempted-by-volcano", "Preempted"),
    ("16", "taint-terminating", "NodeTainted"),
    ("16", "node-unreachable", "NodeTainted"),
    ("16", "node-unreachable-deleted", "PodDeleted"),
    ("16", "phase-unknown", None),
    ("19", "empty-status", None),
    ("19", "just-created", None),
    ("19", "unschedulable", None),
    ("20", "scheduling-gated", None),
    ("20", "gated-by-kueue", None),
    ("20", "gated-unnoticed", None),
    ("21", "image-pull-error", None),
    ("21", "image-pull-back-off", None),
    ("21", "registry-busy", None),
    ("21", "registry-unreachable", None),
    ("21", "registry-unreachable-back-off", None),
    ("21", "registry-pull-qps", None),
    ("21", "registry-denied", None),
    ("21", "image-never-pull", None),
    ("21", "image-name-invalid", None),
    ("22", "config-error", None),
    ("22", "config-error-non-root", None),
    ("22", "secret-cache", None),
    ("22", "create-error", None),
    ("3", "running-with-less-memory", None),
    ("21", "sidecar-image-pull-error", None),
    ("25", "claim-not-found", None),
    ("26", "container-creating", None),
    ("26", "init-hangs", None),
    ("26", "sidecar-crashes", None),
    ("-", "sidecar-started-before", None),
]


def test_every_pod_has_a_row() -> None:
    assert sorted([row[1] for row in ENDED] + [row[1] for row in NOT_OVER]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_is_one_that_kubernetes_could_send(name: str) -> None:
    V1Pod.from_dict(body(name))


@pytest.mark.parametrize("name", CASES)
def test_the_files_are_as_they_are_generated(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == as_text(CASES[name]), "run python -m pods.generate in tests/"


@pytest.mark.parametrize(("row", "name", "reason", "retry_class"), ENDED)
def test_the_outcome_of_a_pod_that_is_over(row: str, name: str, reason: str, retry_class: RetryClass) -> None:
    outcome = assess(pod(name))
    assert outcome is not None
    assert (outcome.reason, outcome.retry_class) == (reason, retry_class)
    assert 0 < len(outcome.message) <= 512
    assert "\n" not in outcome.message


@pytest.mark.parametrize(("row", "name", "reason", "retry_class"), ENDED)
def test_a_pod_that_ended_is_judged_alike_once_it_is_gone(
    row: str, name: str, reason: str, retry_class: RetryClass
) -> None:
    assert assess(pod(name, gone=True)) == assess(pod(name))


@pytest.mark.parametrize(("row", "name", "reason"), NOT_OVER)
def test_a_pod_that_is_not_over_has_no_outcome(row: str, name: str, reason: str | None) -> None:
    assert assess(pod(name)) is None
    seen = evidence(pod(name))
    assert (seen.reason if seen else None) == reason


@pytest.mark.parametrize(("row", "name", "reason"), NOT_OVER)
def test_a_pod_that_is_gone_is_judged_by_what_was_last_seen_of_it(row: str, name: str, reason: str | None) -> None:
    outcome = assess(pod(name, gone=True))
    assert outcome is not None
    assert outcome.reason == (reason or "PodMissing")


@pytest.mark.parametrize(("share", "reason"), [(None, "Killed"), (0.89, "Killed"), (0.9, "SuspectedOOM")])
def test_a_kill_without_a_reason_is_suspected_where_memory_was_nearly_full(share: float | None, reason: str) -> None:
    outcome = assess(pod("exit-137-unlabelled"), memory_share=share)
    assert outcome is not None
    assert outcome.reason == reason


@pytest.mark.parametrize("name", ["deadline-exceeded-before-start", "deadline-exceeded-without-statuses"])
def test_row_18_the_hard_limit_is_the_worker_s_where_it_was_seen_to_run(name: str) -> None:
    outcome = assess(pod(name), ran=True)
    assert outcome is not None
    assert (outcome.reason, outcome.retry_class) == ("DeadlineExceeded", FATAL)


def _changed(name: str, **main: Any) -> dict[str, Any]:
    """The pod with these fields of its worker's end changed."""
    content = body(name)
    for status in content["status"]["containerStatuses"]:
        if status["name"] == "worker":
            status["state"]["terminated"] |= main
    return content


@pytest.mark.parametrize("code", [code for code in range(1, 256) if code != 85])
def test_no_message_turns_an_exit_code_into_success(code: int) -> None:
    message = body("succeeded")["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    outcome = assess(read_pod(_changed("exit-1-crash", exitCode=code, message=message)))
    assert outcome is not None
    assert outcome.retry_class is not SUCCESS
    assert outcome.exit_code == code


def test_row_9_a_message_that_is_cut_in_its_second_line_proves_success_as_a_whole_one_does() -> None:
    """By bytes, as the kubelet cuts: half a letter is read as a replacement character."""
    message = TALKATIVE.encode()
    first = message.index(b"\n")
    assert first <= 1024
    for length in range(first, len(message)):
        cut = message[:length].decode(errors="replace")
        outcome = assess(read_pod(_changed("succeeded", message=cut)))
        assert outcome is not None
        assert (outcome.reason, outcome.retry_class) == ("Completed", SUCCESS), length
        assert outcome.report is not None
        assert [output.path for output in outcome.report.outputs] == ["fm-band/manifest.json"]
        assert outcome.report.memory.peak_bytes == 2**29


def test_row_9_a_message_that_is_cut_in_its_first_line_proves_nothing() -> None:
    message = TALKATIVE.encode()
    for length in range(message.index(b"\n")):
        cut = message[:length].decode(errors="replace")
        outcome = assess(read_pod(_changed("succeeded", message=cut)))
        assert outcome is not None
        assert (outcome.reason, outcome.retry_class, outcome.report) == ("OutputMissing", USER, None), length
        failed = assess(read_pod(_changed("exit-66-input-not-found", message=cut)))
        assert failed is not None
        assert (failed.reason, failed.message) == ("InputNotFound", REASONS["InputNotFound"].meaning)


@pytest.mark.parametrize("claim", ["Drained", "Completed", "PodMissing", "MemoryError"])
def test_the_reason_in_a_message_is_not_believed(claim: str) -> None:
    message = body("exit-66-input-not-found")["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    message = message.replace('"reason":"InputNotFound"', f'"reason":"{claim}"')
    assert claim in message
    outcome = assess(read_pod(_changed("exit-66-input-not-found", message=message)))
    assert outcome is not None
    assert (outcome.reason, outcome.retry_class) == ("InputNotFound", FATAL)


@pytest.mark.parametrize("reason", DISRUPTIONS)
@pytest.mark.parametrize("code", [137, 143, 85])
def test_a_disruption_on_record_explains_a_kill_and_is_no_zombie(reason: str, code: int) -> None:
    content = _changed("drained-exit-137", exitCode=code)
    content["metadata"].pop("deletionTimestamp")
    content["status"]["conditions"][0]["reason"] = reason
    outcome = assess(read_pod(content))
    assert outcome is not None
    assert (outcome.reason, outcome.retry_class) == (DISRUPTIONS[reason][0], INFRASTRUCTURE)


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in (ExitCode.DONE, ExitCode.INTERRUPTED)])
def test_what_the_worker_found_out_beats_a_stale_disruption(code: ExitCode) -> None:
    outcome = assess(read_pod(_changed("drain-announced-exit-66", exitCode=code.value)))
    assert outcome is not None
    assert outcome.reason == code.reason
