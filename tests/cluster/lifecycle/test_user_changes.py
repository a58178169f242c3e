"""What a user changes while a job waits, runs or is over: suspend, cancel, priority; and what is kept afterwards."""

from cluster.actors.operator_process import Operator
from cluster.workspace import Workspace, pools
from harness.waiting import wait_until
from pods.statuses import failed, succeeded
from spectrogram_operator.core.status import find_condition, holds
from spectrogram_worker.contract import ExitCode

ONE = pools(default={"maxConcurrent": 1})


def test_a_suspended_job_runs_no_pod_until_it_is_resumed(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(suspend=True)
    status = workspace.wait_for_status(phase="Suspended", attempt=0, start_time=None)
    assert holds(status, "Suspended")
    workspace.change(suspend=False)
    pod = workspace.start()
    assert holds(workspace.status(), "Suspended") is False
    workspace.play(pod, succeeded(pod))

    assert workspace.wait_for_end().phase == "Succeeded"


def test_suspending_a_running_job_ends_its_pod_and_costs_no_try(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(retry={"limit": 0})
    pod = workspace.start()
    workspace.change(suspend=True)
    workspace.wait_for_deletion(pod)
    assert workspace.status().phase != "Suspended"
    workspace.end_deleted(pod, failed(pod, ExitCode.INTERRUPTED))
    status = workspace.wait_for_status(phase="Suspended")
    assert status.retries.model_dump() == {"user": 0, "infra": 0, "reroutes": 0}

    workspace.change(suspend=False)
    second = workspace.start(attempt=2)
    assert workspace.status().attempt_text == "1/1"
    workspace.play(second, succeeded(second))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_suspended_job_leaves_its_slot_to_another(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    workspace.submit("first")
    pod = workspace.start("first")
    workspace.submit("second")
    workspace.wait_for_status("second", phase="Queued")
    workspace.change("first", suspend=True)
    workspace.end_deleted(pod, failed(pod, ExitCode.INTERRUPTED))

    workspace.start("second")


def test_a_cancelled_job_ends_for_good_and_keeps_its_record(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.change(cancelled=True)
    workspace.end_deleted(pod, failed(pod, ExitCode.INTERRUPTED))

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempts[0].reason) == ("Cancelled", "Cancelled", "Cancelled")
    failed_condition = find_condition(status.conditions, "Failed")
    assert failed_condition is not None
    assert (failed_condition.status, failed_condition.reason) == ("True", "Cancelled")


def test_a_job_cancelled_before_it_ran_never_gets_a_pod(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    workspace.submit("first")
    workspace.start("first")
    workspace.submit("second")
    workspace.wait_for_status("second", phase="Queued")
    workspace.change("second", cancelled=True)

    status = workspace.wait_for_end("second")
    assert (status.phase, status.attempt) == ("Cancelled", 0)
    assert workspace.pods("second") == []


def test_a_job_that_finishes_before_it_is_killed_is_complete_although_cancelled(
    workspace: Workspace, operator: Operator
) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.change(cancelled=True)
    workspace.end_deleted(pod, succeeded(pod))

    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_higher_priority_overtakes_those_that_wait(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    for name in ("first", "second", "third"):
        workspace.submit(name)
        workspace.wait_for_status(name, phase="Starting" if name == "first" else "Queued")
    workspace.change("third", priority=10)
    wait_until(lambda: workspace.status("third").observed_generation == 2, what="the priority to be seen")
    pod = workspace.start("first")
    workspace.play(pod, succeeded(pod))

    workspace.start("third")
    assert workspace.pods("second") == []
    assert workspace.status("second").phase == "Queued"


def test_waiting_jobs_start_in_the_order_in_which_they_came(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    jobs = [workspace.submit(name)["metadata"] for name in ("c", "b", "a")]
    for job in sorted(jobs, key=lambda one: (one["creationTimestamp"], one["uid"])):
        pod = workspace.start(job["name"])
        assert len([one for one in workspace.pods() if one["status"]["phase"] != "Succeeded"]) == 1
        workspace.play(pod, succeeded(pod))
        workspace.wait_for_end(job["name"])


def test_a_change_of_a_finished_job_is_taken_notice_of(workspace: Workspace, operator: Operator) -> None:
    """`kubectl wait` trusts no condition of an older generation."""
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    before = workspace.wait_for_end()
    workspace.change(priority=7)

    status = workspace.wait_for_status(observed_generation=2)
    assert {condition.observed_generation for condition in status.conditions} == {2}
    assert status.completion_time == before.completion_time
    workspace.client.kubectl("wait", "--for=condition=complete", "--timeout=60s", "sgj/fm-band")


def test_finished_pods_are_deleted_after_a_while_and_their_jobs_stay(workspace: Workspace) -> None:
    keep = {"SPECTROGRAM_KEEP_SUCCEEDED_PODS": "1", "SPECTROGRAM_KEEP_FAILED_PODS": "3600"}
    workspace.operator(**keep).start()
    workspace.submit("good")
    workspace.submit("bad", retry={"limit": 0})
    good, bad = workspace.start("good"), workspace.start("bad")
    workspace.play(good, succeeded(good))
    workspace.play(bad, failed(bad, ExitCode.INPUT_INVALID))
    wait_until(lambda: workspace.pods("good") == [], what="the end of the pod that succeeded")

    assert workspace.status("good").phase == "Succeeded"
    assert workspace.wait_for_end("bad").phase == "Failed"
    assert len(workspace.pods("bad")) == 1


def test_finished_pods_are_deleted_although_the_operator_restarts(workspace: Workspace) -> None:
    operator = workspace.operator(SPECTROGRAM_KEEP_SUCCEEDED_PODS="2").start()
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end()
    operator.kill()
    operator.start()

    wait_until(lambda: workspace.pods() == [], what="the end of the finished pod")


def test_somebody_elses_change_of_the_same_object_is_no_obstacle(workspace: Workspace, operator: Operator) -> None:
    """Each of these makes the operator's next status write a conflict, if it does not look again."""
    workspace.submit()
    pod = workspace.wait_for_pod()
    for number in range(20):
        workspace.api.patch("spectrogramjobs", "fm-band", {"metadata": {"labels": {"team": str(number)}}})
        if number == 10:
            workspace.play(pod, succeeded(pod))

    assert workspace.wait_for_end().phase == "Succeeded"
    assert workspace.job()["metadata"]["labels"]["team"] == "19"
