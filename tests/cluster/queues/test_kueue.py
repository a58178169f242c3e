"""Jobs of queues of Kueue's (rule 39), with a Kueue that is played; `make kueue` has the real one.

As Kueue does, a webhook marks the pods when they are created; the test takes the gate off, and takes pods away.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.workspace import Body, Workspace, pools
from harness.kubernetes.injecting import injecting
from harness.waiting import wait_until
from pods.shapes import condition
from pods.statuses import ended, succeeded
from spectrogram_operator.api.names import KUEUE_GATE, KUEUE_MANAGED, KUEUE_QUEUE
from spectrogram_operator.core.status import find_condition

MARKS: list[Body] = [
    {"op": "add", "path": f"/metadata/labels/{KUEUE_MANAGED.replace('/', '~1')}", "value": "true"},
    {"op": "add", "path": "/metadata/finalizers", "value": [KUEUE_MANAGED]},
]
ONE = pools(default={"maxConcurrent": 1})


@contextmanager
def kueue(workspace: Workspace) -> Iterator[None]:
    """While Kueue runs; at the end it lets go of its pods."""
    with injecting(workspace.client, "127.0.0.1", workspace.folder, MARKS):
        try:
            yield
        finally:
            for pod in workspace.pods():
                forget(workspace, pod)


def admit(workspace: Workspace, pod: Body) -> None:
    patch(workspace, pod, {"spec": {"schedulingGates": None}})


def forget(workspace: Workspace, pod: Body) -> None:
    """What Kueue does with a pod that has ended, or that is to go before it has begun."""
    patch(workspace, pod, {"metadata": {"finalizers": None}})


def patch(workspace: Workspace, pod: Body, change: Body) -> None:
    workspace.client.kubectl("patch", "pod", pod["metadata"]["name"], "--type=merge", f"--patch={json.dumps(change)}")


def gated(workspace: Workspace, job: str = "fm-band", attempt: int = 1) -> Body:
    """The job's pod of this attempt, and that it is Queued for it."""

    def found() -> Body | None:
        return next((pod for pod in workspace.pods(job) if pod["metadata"]["name"].endswith(f"-a{attempt}")), None)

    pod = wait_until(found, what=f"the pod of attempt {attempt} of {job}")
    workspace.wait_for_status(job, phase="Queued", reason="SchedulingGated", attempt=attempt)
    return pod


def test_jobs_of_kueues_queues_wait_for_kueue_and_take_no_slot(workspace: Workspace) -> None:
    """Fault 20: neither our own limit nor any time of ours ends what stands at Kueue's gate."""
    workspace.operator(SPECTROGRAM_POOLS=ONE, SPECTROGRAM_KUEUE="true", SPECTROGRAM_PENDING_TIMEOUT="1").start()
    with kueue(workspace):
        workspace.submit("first", queueName="team-a")
        workspace.submit("second", queueName="team-b")
        first, second = gated(workspace, "first"), gated(workspace, "second")
        assert second["metadata"]["labels"][KUEUE_QUEUE] == "team-b"
        assert [gate["name"] for gate in second["spec"]["schedulingGates"]] == [KUEUE_GATE]
        assert workspace.status("second").message == "waiting until Kueue admits the pod to team-b"
        admit(workspace, first)
        workspace.start("first")
        workspace.submit("third")
        workspace.submit("fourth")
        workspace.start("third")
        workspace.wait_for_status("fourth", phase="Queued", reason="WaitingForSlot")
        assert workspace.status("second").phase == "Queued"
        workspace.play(first, succeeded(first))
        assert workspace.wait_for_end("first").phase == "Succeeded"
        admit(workspace, second)
        workspace.start("second")
        assert workspace.status("fourth").reason == "WaitingForSlot"


def test_a_pod_that_kueue_takes_away_costs_no_try_and_the_next_waits_at_the_gate(workspace: Workspace) -> None:
    """Fault 12: as Kueue does it, a condition, then a delete, and a finalizer that goes when the pod has ended."""
    workspace.operator(SPECTROGRAM_KUEUE="true").start()
    with kueue(workspace):
        workspace.submit(queueName="team-a", retry={"limit": 0})
        admit(workspace, gated(workspace))
        pod = workspace.start()
        target = condition("TerminationTarget", "True", "WorkloadEvictedDueToPreempted", "Preempted for team-b")
        workspace.play(pod, {"conditions": [target]})
        workspace.api.delete("pods", pod["metadata"]["name"])
        workspace.end_deleted(pod, ended(143))
        forget(workspace, pod)
        gated(workspace, attempt=2)
        status = workspace.status()
        assert (status.attempts[0].reason, status.attempts[0].message) == ("Preempted", "Preempted for team-b")
        assert (status.retries.user, status.retries.infra) == (0, 1)


def test_a_job_that_is_cancelled_at_the_gate_ends_and_its_pod_goes(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_KUEUE="true").start()
    with kueue(workspace):
        workspace.submit(queueName="team-a")
        pod = gated(workspace)
        workspace.change(cancelled=True)
        workspace.wait_for_deletion(pod)
        forget(workspace, pod)
        assert workspace.wait_for_end().phase == "Cancelled"
        wait_until(lambda: workspace.pods() == [], what="the end of the pod")


def test_a_kueue_that_is_away_holds_the_job_and_a_person_hears_of_it(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_KUEUE="true").start()
    workspace.submit(queueName="team-a")
    gated(workspace)
    stalled = find_condition(workspace.status().conditions, "Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", "SchedulingGated")
    assert "did not notice its pod" in (stalled.message or "")


def test_without_the_platform_teams_leave_no_job_is_kueues(workspace: Workspace) -> None:
    workspace.operator().start()
    workspace.submit(queueName="team-a")
    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "InvalidSpec", 0)
    assert "settings.kueue" in (status.message or "")
