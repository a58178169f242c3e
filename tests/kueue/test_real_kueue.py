"""Jobs of a queue of the real Kueue's (rule 39): it admits their pods, takes them away, and lets them go."""

import pytest

from cluster.actors.person import Person
from cluster.workspace import Workspace, pools
from harness.waiting import wait_until
from kueue.conftest import QUEUE
from pods.statuses import ended, succeeded
from spectrogram_operator.api.names import KUEUE_MANAGED

ALLOWED = {"SPECTROGRAM_KUEUE": "true", "SPECTROGRAM_PENDING_TIMEOUT": "5"}


def wait_at_the_gate(workspace: Workspace, job: str, attempt: int = 1) -> None:
    status = workspace.wait_for_status(job, phase="Queued", reason="SchedulingGated", attempt=attempt)
    assert status.message == f"waiting until Kueue admits the pod to {QUEUE}"


def wait_until_gone(workspace: Workspace, job: str) -> None:
    """Nothing of Kueue's keeps a pod that has ended."""
    for pod in workspace.pods(job):
        workspace.bury(pod)
    wait_until(lambda: workspace.pods(job) == [], what=f"the end of the pods of {job}")


def test_kueues_quota_says_when_a_job_starts(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=pools(default={"maxConcurrent": 0}), **ALLOWED).start()
    workspace.submit("first", queueName=QUEUE)
    first = workspace.start("first")
    assert first["metadata"]["finalizers"] == [KUEUE_MANAGED]
    workspace.submit("second", queueName=QUEUE)
    wait_at_the_gate(workspace, "second")
    workspace.play(first, succeeded(first))
    assert workspace.wait_for_end("first").phase == "Succeeded"
    second = workspace.start("second")
    workspace.play(second, succeeded(second))
    assert workspace.wait_for_end("second").phase == "Succeeded"
    wait_until_gone(workspace, "second")


def test_a_pod_that_kueue_preempts_costs_no_try_and_the_next_waits_at_the_gate(workspace: Workspace) -> None:
    urgent = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": workspace.namespace}}
    workspace.client.apply({**urgent, "value": 1000})
    wanted = pools(large={"priorityClassName": workspace.namespace})
    workspace.operator(SPECTROGRAM_POOLS=wanted, **ALLOWED).start()
    workspace.submit("usual", queueName=QUEUE, retry={"limit": 0})
    usual = workspace.start("usual")
    workspace.submit("urgent", queueName=QUEUE, queue="large_jobs")
    workspace.end_deleted(usual, ended(143))
    urgent_pod = workspace.start("urgent")
    wait_at_the_gate(workspace, "usual", attempt=2)
    status = workspace.status("usual")
    assert (status.attempts[0].reason, status.retries.user, status.retries.infra) == ("Preempted", 0, 1)
    assert "Preempted to accommodate a workload" in (status.attempts[0].message or "")
    workspace.play(urgent_pod, succeeded(urgent_pod))
    again = workspace.start("usual", attempt=2)
    workspace.play(again, succeeded(again))
    assert workspace.wait_for_end("usual").phase == "Succeeded"


def test_a_job_at_the_gate_is_explained_in_kueues_words_and_leaves_no_pod(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.operator(**ALLOWED).start()
    person = Person(workspace, capsys, monkeypatch)
    for job in ("cancelled", "deleted"):
        workspace.submit(job, queueName="no-such-queue")
        workspace.wait_for_status(job, phase="Queued", reason="SchedulingGated")
    words = "Kueue        LocalQueue no-such-queue doesn't exist"
    wait_until(lambda: words in person.types("status", "deleted").output, what="Kueue's words")
    workspace.change("cancelled", cancelled=True)
    assert workspace.wait_for_end("cancelled").phase == "Cancelled"
    workspace.api.delete("spectrogramjobs", "deleted")
    wait_until(lambda: workspace.pods() == [], what="the end of both pods")
