"""How the pods of jobs end, and what each end means: the real operator, its pods played to their ends by the test."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from cluster.actors.operator_process import Operator
from cluster.workspace import Workspace
from harness.waiting import wait_until
from pods.shapes import Body
from pods.statuses import deadline_exceeded, ended, failed, oom_killed, succeeded
from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.core.status import find_condition, holds
from spectrogram_worker.contract import ExitCode

GIBIBYTE = 2**30


def test_a_job_that_succeeds(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))

    kubectl = workspace.client.kubectl
    kubectl("wait", "--for=condition=complete", "--timeout=90s", "sgj/fm-band")
    kubectl("wait", "--for=jsonpath={.status.completionTime}", "--timeout=90s", "sgj/fm-band")
    status = workspace.status()
    assert (status.phase, status.reason, status.attempt_text) == ("Succeeded", "Completed", "1/3")
    assert [output.path for output in status.outputs] == [
        "fm-band/spectrogram.png",
        "fm-band/spectrogram.npz",
        "fm-band/manifest.json",
    ]
    assert status.dataset is not None
    assert (status.dataset.sample_rate, status.dataset.gaps) == (1e6, 1)
    assert status.memory is not None
    assert status.memory.text == "512Mi/1Gi"
    assert {condition.type: condition.status for condition in status.conditions} == {
        "Accepted": "True",
        "Admitted": "True",
        "Running": "False",
        "Complete": "True",
    }
    (attempt,) = status.attempts
    assert (attempt.state, attempt.retry_class, attempt.exit_code) == ("Finished", "Success", 0)
    assert attempt.pod_uid == pod["metadata"]["uid"]
    assert attempt.node_name == "played-default"
    assert status.start_time is not None
    assert status.completion_time is not None
    assert status.start_time <= status.completion_time
    assert workspace.events() == ["AttemptStarted", "Completed"]


def test_nothing_is_left_on_objects_that_could_keep_them(workspace: Workspace, operator: Operator) -> None:
    """Rule 9: an uninstalled operator leaves nothing stuck."""
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end()

    for body in (workspace.job(), workspace.pods()[0]):
        assert "finalizers" not in body["metadata"]
    assert "annotations" not in workspace.job()["metadata"]


class End(NamedTuple):
    """One way for a pod to end, and what the job must say of it."""

    name: str
    status: Callable[[Body], Body]
    reason: str
    retry_class: str
    exit_code: int | None
    message: str = ""


def worker_exit(code: ExitCode, retry_class: str) -> End:
    words = f"the worker's words for {int(code)}"
    return End(f"exit-{int(code)}", lambda pod: failed(pod, code, words), code.reason, retry_class, code, words)


EVICTED = {"pod_reason": "Evicted", "pod_message": 'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". '}
ENDS = (
    worker_exit(ExitCode.INVALID_SPEC, "Fatal"),
    worker_exit(ExitCode.INPUT_INVALID, "Fatal"),
    worker_exit(ExitCode.INPUT_NOT_FOUND, "Fatal"),
    worker_exit(ExitCode.INTERNAL_ERROR, "User"),
    worker_exit(ExitCode.OUTPUT_NOT_WRITABLE, "Fatal"),
    worker_exit(ExitCode.IO_ERROR, "User"),
    worker_exit(ExitCode.TRANSIENT_ERROR, "User"),
    worker_exit(ExitCode.WORKER_CONFIG_ERROR, "Fatal"),
    worker_exit(ExitCode.MEMORY_ERROR, "Memory"),
    worker_exit(ExitCode.MEMORY_SAFEGUARD_EXCEEDED, "Fatal"),
    worker_exit(ExitCode.SOFT_TIME_LIMIT_EXCEEDED, "Fatal"),
    worker_exit(ExitCode.INTERRUPTED, "User"),
    worker_exit(ExitCode.OUTPUT_NO_SPACE, "Fatal"),
    End("no-manifest", lambda pod: ended(0), "OutputMissing", "User", 0, "without a manifest"),
    End("others-manifest", lambda pod: ended(0, message="{}"), "OutputMissing", "User", 0, "without a manifest"),
    End("oom-killed", lambda pod: oom_killed(), "OOMKilled", "Zombie", 137, "Detected as zombie"),
    End("child-oom-killed", lambda pod: oom_killed(code=0), "ChildOOMKilled", "Zombie", 0, "Detected as zombie"),
    End("hard-limit", lambda pod: deadline_exceeded(), "DeadlineExceeded", "Fatal", 137, "exceeded hard time limit"),
    End("crashed", lambda pod: ended(1, message="ZeroDivisionError"), "WorkerError", "User", 1, "ZeroDivisionError"),
    End(
        "no-start",
        lambda pod: ended(128, reason="StartError", message="not found"),
        "ContainerStartFailed",
        "Fatal",
        128,
    ),
    End("disk-full", lambda pod: ended(137, **EVICTED), "EphemeralStorageExceeded", "Fatal", 137, "EmptyDir"),
)


def test_every_end_of_a_pod_is_told_as_what_it_is(workspace: Workspace, operator: Operator) -> None:
    """Without retries, so that each of these is the end of its job too. All at once, for speed."""
    for end in ENDS:
        workspace.submit(end.name, retry={"limit": 0})
    for end in ENDS:
        pod = workspace.wait_for_pod(end.name)
        workspace.play(pod, end.status(pod))

    def told(end: End) -> tuple[Any, ...]:
        status = workspace.wait_for_end(end.name)
        (attempt,) = status.attempts
        assert end.message in (status.message or "")
        assert holds(status, "Failed")
        return (status.phase, status.reason, attempt.reason, attempt.retry_class, attempt.exit_code)

    expected = {end.name: ("Failed", end.reason, end.reason, end.retry_class, end.exit_code) for end in ENDS}
    assert {end.name: told(end) for end in ENDS} == expected


def test_an_oom_killed_pod_fails_the_job_at_once_although_retries_are_left(
    workspace: Workspace, operator: Operator
) -> None:
    workspace.submit()
    workspace.play(workspace.start(), oom_killed())

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "OOMKilled", 1)
    assert (status.message or "").startswith("attempt 1/3: Detected as zombie: ")
    wait_until(lambda: "Failed" in workspace.events(), what="the last event")
    assert workspace.events() == ["AttemptStarted", "AttemptFailed", "ZombieDetected", "Failed"]
    title = f"{workspace.namespace}/fm-band"
    operator.wait_for_log(f"Job {title}: Detected as zombie - status 'running' but not running on any worker")
    operator.wait_for_log(f"Job {title}: Marked as failed due to zombie detection")


def test_an_oom_killed_pod_is_replaced_by_a_larger_one_where_the_job_says_so(
    workspace: Workspace, operator: Operator
) -> None:
    workspace.submit(retry={"zombies": "Retry"})
    workspace.play(workspace.start(), oom_killed())
    second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert status.phase == "Succeeded"
    assert (status.retries.user, status.attempt_text) == (1, "2/3")
    assert [memory_limit(pod) for pod in workspace.pods()] == [GIBIBYTE, GIBIBYTE * 3 // 2]


def test_a_memory_error_beyond_the_default_pool_moves_the_job_to_the_large_one(
    workspace: Workspace, operator: Operator
) -> None:
    workspace.submit(resources={"memory": "4Gi"})
    first = workspace.start()
    workspace.play(first, failed(first, ExitCode.MEMORY_ERROR))
    second = workspace.start(attempt=2)

    assert memory_limit(second) == 6 * GIBIBYTE
    assert second["spec"]["nodeName"] == "played-large"
    assert workspace.status().queue == "large_jobs"


def test_a_dataset_that_turns_out_large_moves_once_and_at_no_cost(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(retry={"limit": 0})
    first = workspace.start()
    workspace.play(first, failed(first, ExitCode.REROUTE_LARGE))
    second = workspace.start(attempt=2)
    assert second["spec"]["nodeName"] == "played-large"
    status = workspace.status()
    assert (status.queue, status.attempt_text) == ("large_jobs", "1/1")
    assert status.retries.model_dump() == {"user": 0, "infra": 0, "reroutes": 1}

    workspace.play(second, failed(second, ExitCode.REROUTE_LARGE))
    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "InternalError")
    assert [attempt.reason for attempt in status.attempts] == ["RerouteLarge", "InternalError"]


def test_retries_end_when_their_budget_is_used(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(retry={"limit": 1})
    for number in (1, 2):
        pod = workspace.start(attempt=number)
        workspace.play(pod, failed(pod, ExitCode.TRANSIENT_ERROR, "the volume was busy"))

    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "TransientError")
    assert status.message == "attempt 2/2: the volume was busy; retries exhausted"
    wait_until(lambda: "Failed" in workspace.events(), what="the last event")
    assert workspace.events() == [
        "AttemptStarted",
        "AttemptFailed",
        "RetryScheduled",
        "AttemptStarted",
        "AttemptFailed",
        "Failed",
    ]


def test_a_retry_waits_for_its_backoff(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_BACKOFF="2").start()
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, failed(pod, ExitCode.TRANSIENT_ERROR))
    before = workspace.wait_for_status(phase="Retrying")
    workspace.start(attempt=2)

    assert before.next_attempt_at is not None
    assert before.attempts[0].finish_time is not None
    assert (before.next_attempt_at - before.attempts[0].finish_time).total_seconds() >= 1.8
    reserved = workspace.status().attempts[1].reserved_time
    assert reserved is not None
    assert reserved >= before.next_attempt_at.replace(microsecond=0)


def test_a_backoff_survives_a_restart_of_the_operator(workspace: Workspace) -> None:
    operator = workspace.operator(SPECTROGRAM_BACKOFF="600").start()
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, failed(pod, ExitCode.TRANSIENT_ERROR))
    before = workspace.wait_for_status(phase="Retrying")
    operator.kill()
    operator.start()
    workspace.submit("later")
    later = workspace.start("later")
    workspace.play(later, succeeded(later))
    workspace.wait_for_end("later")

    assert len(workspace.pods("fm-band")) == 1
    assert workspace.status() == before


def test_what_ended_while_the_operator_was_down_is_judged_when_it_is_back(
    workspace: Workspace, operator: Operator
) -> None:
    workspace.submit("good")
    workspace.submit("bad")
    pods = {name: workspace.start(name) for name in ("good", "bad")}
    operator.kill()
    workspace.play(pods["good"], succeeded(pods["good"]))
    workspace.play(pods["bad"], oom_killed())
    operator.start()

    assert workspace.wait_for_end("good").phase == "Succeeded"
    assert workspace.wait_for_end("bad").reason == "OOMKilled"
    assert len(workspace.pods()) == 2


def test_an_operator_that_ran_all_along_says_the_same_as_one_that_starts_now(
    workspace: Workspace, operator: Operator
) -> None:
    """Level, not edge: a restart changes nothing of a job that is over."""
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end()
    before = workspace.job()
    operator.kill()
    operator.start()
    workspace.submit("other")
    workspace.start("other")

    assert workspace.job()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"phase": "Unknown"}, id="phase Unknown"),
        pytest.param({"phase": "Running", "containerStatuses": []}, id="no container statuses"),
    ],
)
def test_a_pod_of_which_nothing_is_known_is_left_alone(
    workspace: Workspace, operator: Operator, status: dict[str, Any]
) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, status)
    workspace.submit("later")
    later = workspace.start("later")
    workspace.play(later, succeeded(later))
    workspace.wait_for_end("later")

    assert workspace.status().completion_time is None
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_the_reason_of_a_failure_is_in_the_condition_too(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    workspace.play(workspace.start(), deadline_exceeded())

    failed_condition = find_condition(workspace.wait_for_end().conditions, "Failed")
    assert failed_condition is not None
    assert failed_condition.reason == "DeadlineExceeded"
    assert "exceeded hard time limit" in failed_condition.message
    workspace.client.kubectl("wait", "--for=condition=failed", "--timeout=60s", "sgj/fm-band")


def memory_limit(pod: Body) -> int:
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    return parse_bytes(container["resources"]["limits"]["memory"])
