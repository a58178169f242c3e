"""The operator's rights, as the chart grants them: enough for its work (every test runs under them), and no more."""

import yaml

from cluster.audit import Audit
from cluster.conftest import OWN_CONTROL_PLANE
from cluster.operator_process import Operator
from cluster.workspace import ACCOUNT, CHART, Workspace
from harness.client import Client
from pods.shapes import Body
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
    rights = cluster_wide(workspace)
    operator = workspace.operator(SPECTROGRAM_NAMESPACES="")
    for one in rights:
        at_home(workspace, one).apply(one)
    try:
        operator.start()
        workspace.submit()
        pod = workspace.start()
        workspace.play(pod, succeeded(pod))
        assert workspace.wait_for_end().phase == "Succeeded"
        assert workspace.api.find("leases", LEASE) is None
        workspace.operator().start()
        operator.wait_for_log(f"The namespace {workspace.namespace}: another operator serves it")
    finally:
        operator.stop()
        for one in rights:
            at_home(workspace, one).kubectl("delete", one["kind"], one["metadata"]["name"])


def as_operator(workspace: Workspace) -> str:
    return f"--kubeconfig={workspace.kubeconfig}"


def at_home(workspace: Workspace, manifest: Body) -> Client:
    """A client of the namespace that the object is in."""
    return workspace.control_plane.client(manifest["metadata"].get("namespace", workspace.namespace))


def cluster_wide(workspace: Workspace) -> list[Body]:
    """The chart's ClusterRole, its Role for the lease, and their bindings to this workspace's operator."""
    options = ["--set=scope=Cluster", f"--set=serviceAccount.name={ACCOUNT}", "--show-only=templates/rbac.yaml"]
    text = workspace.client.helm("template", workspace.namespace, str(CHART), *options)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]
