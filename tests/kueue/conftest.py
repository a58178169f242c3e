"""A control plane with the real Kueue: `make kueue`. The cluster tier plays Kueue, which is quicker to have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import conftest as cluster
from cluster.audit import Audit
from cluster.workspace import Workspace
from harness.kubernetes.control_plane import ControlPlane
from harness.kubernetes.real_kueue import FLAVOR, RealKueue

operator_rules = cluster.operator_rules
QUEUE = "team-a"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("control-plane")
    with cluster.create_control_plane(folder, Audit(folder)) as control_plane:
        cluster.prepare(control_plane)
        with RealKueue(control_plane, tmp_path_factory.mktemp("kueue")):
            yield control_plane


@pytest.fixture
def workspace(control_plane: ControlPlane, operator_rules: list[dict[str, Any]], tmp_path: Path) -> Iterator[Workspace]:
    """A namespace with the claims `recordings` and `results`, and a queue of Kueue's that has one CPU."""
    with cluster.opened(Workspace(control_plane, tmp_path, operator_rules)) as workspace:
        kueue = {"apiVersion": "kueue.x-k8s.io/v1beta2"}
        quotas = {"cpu": "1", "memory": "1Ti", "ephemeral-storage": "1Ti"}
        resources = [{"name": name, "nominalQuota": quota} for name, quota in quotas.items()]
        groups = [{"coveredResources": list(quotas), "flavors": [{"name": FLAVOR, "resources": resources}]}]
        whole = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": workspace.namespace}},
            "resourceGroups": groups,
            "preemption": {"withinClusterQueue": "LowerPriority"},
        }
        workspace.client.apply(
            {**kueue, "kind": "ClusterQueue", "metadata": {"name": workspace.namespace}, "spec": whole},
            {**kueue, "kind": "LocalQueue", "metadata": {"name": QUEUE}, "spec": {"clusterQueue": workspace.namespace}},
        )
        try:
            yield workspace
        finally:
            workspace.client.kubectl("delete", "clusterqueue", workspace.namespace, "--wait=false")
