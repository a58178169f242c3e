"""An operator of all namespaces: on a control plane of its own, for it serves every job that there is."""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from cluster.actors.operator_process import Operator
from cluster.workspace import ACCOUNT, CHART, Workspace
from harness.kubernetes.client import Client
from pods.shapes import Body


@contextmanager
def of_all_namespaces(workspace: Workspace, *values: str, **settings: str) -> Iterator[Operator]:
    """It runs with what the chart with scope Cluster, and with these values, lets it do, and with these settings."""
    rights = _rights(workspace, [f"--set={value}" for value in values])
    operator = workspace.operator(SPECTROGRAM_NAMESPACES="", **settings)
    for one in rights:
        _at_home(workspace, one).apply(one)
    try:
        yield operator.start()
    finally:
        operator.stop()
        for one in rights:
            _at_home(workspace, one).kubectl("delete", one["kind"], one["metadata"]["name"])


def _rights(workspace: Workspace, options: list[str]) -> list[Body]:
    """The chart's ClusterRole, its Role for the lease, and their bindings to this workspace's operator."""
    options += ["--set=scope=Cluster", f"--set=serviceAccount.name={ACCOUNT}", "--show-only=templates/rbac.yaml"]
    text = workspace.client.helm("template", workspace.namespace, str(CHART), *options)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def _at_home(workspace: Workspace, manifest: Body) -> Client:
    """A client of the namespace that the object is in."""
    return workspace.control_plane.client(manifest["metadata"].get("namespace", workspace.namespace))
