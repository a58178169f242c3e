"""What a running worker says of itself: polled, shown while it is true, and never trusted."""

from cluster.actors.operator_process import Operator
from cluster.actors.worker import Worker, serving
from cluster.workspace import Workspace
from harness.waiting import wait_until
from pods.reports import report_of
from pods.statuses import ended, succeeded
from spectrogram_operator.core.status import find_condition, holds


def test_the_progress_of_a_running_job_is_in_its_status(workspace: Workspace, operator: Operator) -> None:
    with serving() as worker:
        workspace.submit()
        pod = workspace.start(ip=worker.address)
        for percent in (10, 43):
            worker.answer = report_of(pod, percent=percent).to_json().encode()
            wait_for_progress(workspace, f"{percent}%")
        status = workspace.status()
        assert status.message == "43 % done"
        assert status.memory is not None
        assert status.memory.text == "512Mi/1Gi"
        assert status.heartbeat_time is not None
        table = workspace.client.kubectl("get", "sgj").splitlines()
        assert table[1].split()[1:7] == ["Running", "PodRunning", "default", "43%", "1/3", "512Mi/1Gi"]
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_worker_that_answers_and_does_not_advance_is_stale(workspace: Workspace) -> None:
    settings = {"SPECTROGRAM_STALE_TIMEOUT": "2", "SPECTROGRAM_HEARTBEAT_INTERVAL": "1"}
    workspace.operator(**settings).start()
    with serving() as worker:
        workspace.submit()
        pod = workspace.start(ip=worker.address)
        worker.answer = report_of(pod, percent=43).to_json().encode()
        workspace.end_deleted(pod, ended(85))
        status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "Stale")
    assert "has not advanced for 2 s" in (status.message or "")


def test_a_worker_that_cannot_be_asked_is_left_to_its_hard_limit(workspace: Workspace) -> None:
    settings = {"SPECTROGRAM_STALE_TIMEOUT": "1", "SPECTROGRAM_HEARTBEAT_INTERVAL": "1"}
    workspace.operator(**settings).start()
    workspace.submit()
    workspace.start(ip="127.88.1.1")
    with serving() as other:
        workspace.submit("other")
        pod = workspace.start("other", ip=other.address)
        other.answer = report_of(pod, percent=43).to_json().encode()
        workspace.end_deleted(pod, ended(85))
        assert workspace.wait_for_end("other").reason == "Stale"
    assert workspace.status().phase == "Running"


def test_what_is_no_report_of_this_worker_changes_nothing(workspace: Workspace, operator: Operator) -> None:
    """Another job's report, another attempt's, too long, not JSON, with what no status can hold, or a redirect."""
    with serving() as worker:
        workspace.submit()
        pod = workspace.start(ip=worker.address)
        own = report_of(pod, percent=43)
        lies = (
            own.model_copy(update={"job_uid": "somebody-else"}).to_json().encode(),
            own.model_copy(update={"attempt": 2}).to_json().encode(),
            own.to_json().encode() + b" " * 4096,
            own.to_json().replace('"percent":43.0', '"percent":1e999').encode(),
            b"\xff\xfe",
            b"[" * 4000,
            b"",
        )
        before = workspace.job()["metadata"]["resourceVersion"]
        for lie in lies:
            ask_twice(worker, lie)
        worker.status = 302
        ask_twice(worker, own.to_json().encode())
        assert workspace.job()["metadata"]["resourceVersion"] == before

        worker.status = 200
        worker.answer = own.model_copy(update={"message": "\x1b[31mred\nline"}).to_json().encode()
        wait_for_progress(workspace, "43%")


def test_memory_that_runs_short_is_told_while_the_worker_runs(workspace: Workspace, operator: Operator) -> None:
    with serving() as worker:
        workspace.submit()
        pod = workspace.start(ip=worker.address)
        own = report_of(pod, percent=43)
        memory = own.memory.model_copy(update={"current_bytes": 2**30 * 9 // 10, "peak_bytes": 2**30 * 9 // 10})
        worker.answer = own.model_copy(update={"memory": memory}).to_json().encode()
        wait_until(lambda: holds(workspace.status(), "MemoryWarning"), what="the warning")
    warning = find_condition(workspace.status().conditions, "MemoryWarning")
    assert warning is not None
    assert warning.reason == "HighMemoryUsage"
    wait_until(lambda: "HighMemoryUsage" in workspace.events(), what="the event")
    assert workspace.status().phase == "Running"


def wait_for_progress(workspace: Workspace, text: str) -> None:
    def shown() -> bool:
        progress = workspace.status().progress
        return progress is not None and progress.text == text

    wait_until(shown, what=text)


def ask_twice(worker: Worker, answer: bytes) -> None:
    """Until the operator has asked once more after it had this answer."""
    worker.answer = answer
    before = worker.asked
    wait_until(lambda: worker.asked >= before + 2, what="two questions")
