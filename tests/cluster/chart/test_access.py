"""The operator's rights, as the chart grants them: enough for its work (every test runs under them), and no more."""

from cluster.actors.operator_process import Operator
from cluster.actors.whole_cluster import of_all_namespaces
from cluster.audit import Audit
from cluster.conftest import OWN_CONTROL_PLANE
from cluster.workspace import ACCOUNT, Workspace
from pods.statuses import succeeded
from spectrogram_operator.api.names import LEASE

RIGHTS = {
    "events": ["list", "create"],
    "leases.coordination.k8s.io": ["create"],
    f"leases.coordination.k8s.io {LEASE}": ["get", "update"],
    "persistentvolumeclaims": ["get"],
    "pods": ["get", "list", "watch", "create", "delete"],
    "spectrogramjobs.spectrogram.dev": ["get", "list", "watch", "delete"],
    "spectrogramjobs.spectrogram.dev/finalizers": ["update"],
    "spectrogramjobs.spectrogram.dev/status": ["update"],
}
# What every account may ask about itself.
OF_EVERYBODY = ("selfsubject", "clustertrustbundles")


def test_the_operator_may_do_this_and_nothing_else(workspace: Workspace) -> None:
    """No secrets, no exec, no nodes, nothing with an asterisk."""
    told = workspace.client.kubectl("auth", "can-i", "--list", "--no-headers", as_operator(workspace))
    rights = {}
    for line in told.splitlines():
        resource, *rest = line.split(maxsplit=1)
        if not line.startswith(" ") and not resource.startswith(OF_EVERYBODY):
            _, names, verbs = (part.rstrip("] ") for part in rest[0].split("[")[1:])
            rights[f"{resource} {names}".strip()] = verbs.split()
    assert rights == RIGHTS


def test_the_operator_asks_for_nothing_that_it_may_not(workspace: Workspace, operator: Operator, audit: Audit) -> None:
    """What it is refused, it would ask for in vain on every cluster."""
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end()
    operator.stop()

    requests = list(audit.requests(workspace.namespace, ACCOUNT))
    assert "create pods" in {f"{one.verb} {one.resource}" for one in requests}
    assert [one for one in requests if one.code in (401, 403)] == []


@OWN_CONTROL_PLANE
def test_one_operator_may_serve_the_whole_cluster(own_workspace: Workspace) -> None:
    """Scope Cluster: one ClusterRole, and jobs of a namespace that nobody named."""
    workspace = own_workspace
    with of_all_namespaces(workspace) as operator:
        workspace.submit()
        pod = workspace.start()
        workspace.play(pod, succeeded(pod))
        assert workspace.wait_for_end().phase == "Succeeded"
        assert workspace.api.find("leases", LEASE) is None
        workspace.operator().start()
        operator.wait_for_log(f"The namespace {workspace.namespace}: another operator serves it")


def as_operator(workspace: Workspace) -> str:
    return f"--kubeconfig={workspace.kubeconfig}"
