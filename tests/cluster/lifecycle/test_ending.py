"""What is being deleted and does not go: a pod that somebody's finalizer keeps, a namespace."""

from cluster.conftest import OWN_CONTROL_PLANE
from cluster.workspace import Workspace, pools
from harness.kubernetes.control_plane import ControlPlane
from harness.waiting import wait_until
from pods.shapes import condition
from pods.statuses import ended, running, succeeded
from spectrogram_operator.core.status import find_condition, holds

ONE_SOON_STUCK = {
    "SPECTROGRAM_POOLS": pools(default={"maxConcurrent": 1}),
    "SPECTROGRAM_TERMINATION_GRACE": "1",
    "SPECTROGRAM_NODE_LOST_GRACE": "2",
}


def test_a_pod_that_does_not_go_from_a_node_that_answers_is_told_and_never_forced(workspace: Workspace) -> None:
    """Fault 18: its slot stays taken until it is gone; then the job goes on."""
    workspace.operator(**ONE_SOON_STUCK).start()
    workspace.submit()
    pod = workspace.wait_for_pod()
    name = pod["metadata"]["name"]
    workspace.play(pod, running() | {"conditions": [condition("Ready")]})
    workspace.wait_for_status(phase="Running")
    workspace.api.patch("pods", name, {"metadata": {"finalizers": ["example.org/keep"]}})
    workspace.api.delete("pods", name)
    workspace.submit("next")
    wait_until(lambda: holds(workspace.status(), "Stalled"), what="somebody to be asked")
    stalled = find_condition(workspace.status().conditions, "Stalled")
    assert stalled is not None
    assert (stalled.reason, name in (stalled.message or "")) == ("PodStuckTerminating", True)
    assert "PodStuckTerminating" in workspace.events()
    workspace.wait_for_status("next", phase="Queued", reason="WaitingForSlot")
    assert workspace.api.get("pods", name)["status"]["phase"] == "Running"
    assert workspace.status().attempt == 1

    workspace.play(pod, ended(143))
    workspace.api.patch("pods", name, {"metadata": {"finalizers": None}})
    workspace.bury(pod)
    pod = workspace.start("next")
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end("next").phase == "Succeeded"
    workspace.start(attempt=2)
    assert workspace.status().attempts[0].reason == "PodDeleted"


@OWN_CONTROL_PLANE
def test_in_a_namespace_that_is_being_deleted_a_job_is_held_at_no_cost(
    own_workspace: Workspace, own_control_plane: ControlPlane
) -> None:
    """Fault 44: seen while nobody empties the namespace, for that is over in a moment else."""
    operator = own_workspace.operator().start()
    own_workspace.submit(suspend=True)
    own_workspace.wait_for_status(phase="Suspended")
    own_control_plane.stop_part("kube-controller-manager")
    try:
        own_workspace.api.delete("namespaces", own_workspace.namespace)
        own_workspace.change(suspend=False)
        status = own_workspace.wait_for_status(phase="Queued", reason="NamespaceTerminating")
        assert (status.attempt, status.retries.user, status.retries.infra) == (1, 0, 0)
        assert own_workspace.pods() == []
        assert operator.stop() == 0
    finally:
        own_control_plane.start_part("kube-controller-manager")
    wait_until(lambda: own_workspace.api.find("namespaces", own_workspace.namespace) is None, what="the end of it all")
