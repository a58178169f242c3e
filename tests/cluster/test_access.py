"""The operator's rights, as the chart grants them: enough for its work (every test runs under them), and no more."""

import yaml

from cluster.audit import Audit
from cluster.conftest import CHART, OWN_CONTROL_PLANE
from cluster.operator_process import Operator
from cluster.workspace import ACCOUNT, Workspace
from pods.shapes import Body
from pods.statuses import succeeded

RIGHTS = {
    "events": ["list", "create", "patch"],
    "persistentvolumeclaims": ["get"],
    "pods": ["get", "list", "watch", "create", "delete"],
    "spectrogramjobs.spectrogram.dev": ["get", "list", "watch"],
    "spectrogramjobs.spectrogram.dev/finalizers": ["update"],
    "spectrogramjobs.spectrogram.dev/status": ["get", "patch", "update"],
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
            rights[resource] = rest[0].rpartition("[")[2].rstrip("] ").split()
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
    role, binding = cluster_wide(workspace)
    operator = workspace.operator(SPECTROGRAM_NAMESPACES="")
    workspace.client.apply(role, binding)
    try:
        operator.start()
        workspace.submit()
        pod = workspace.start()
        workspace.play(pod, succeeded(pod))
        assert workspace.wait_for_end().phase == "Succeeded"
    finally:
        operator.stop()
        for one in (role, binding):
            workspace.client.kubectl("delete", one["kind"], one["metadata"]["name"])


def as_operator(workspace: Workspace) -> str:
    return f"--kubeconfig={workspace.kubeconfig}"


def cluster_wide(workspace: Workspace) -> tuple[Body, Body]:
    """The chart's ClusterRole and its binding, to the account of this workspace's operator."""
    options = ["--set=scope=Cluster", f"--set=serviceAccount.name={ACCOUNT}", "--show-only=templates/rbac.yaml"]
    text = workspace.client.helm("template", workspace.namespace, str(CHART), *options)
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}
    return manifests["ClusterRole"], manifests["ClusterRoleBinding"]
