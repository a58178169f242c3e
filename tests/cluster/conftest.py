"""The cluster tier: a real control plane, without any node but those that a test creates (harness/played.py)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.audit import Audit
from cluster.operator_process import Operator
from cluster.workspace import POOL_LABEL, Workspace
from harness.client import Client
from harness.control_plane import ControlPlane
from harness.played import create_node
from harness.waiting import wait_until

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "spectrogramjobs.yaml"
CHART = ROOT / "helm" / "spectrogram-operator"


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return Audit(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def control_plane(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    flags = {
        "kube-apiserver": audit.flags,
        "kube-controller-manager": [
            # Nobody sends the heartbeats of the tests' own nodes; they are to stay ready all the same.
            "--node-monitor-grace-period=24h",
            # A claim that is made just before its volume is known is bound at the next of these looks.
            "--pvclaimbinder-sync-period=500ms",
        ],
    }
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), flags=flags) as control_plane:
        yield control_plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[Client]:
    with control_plane.client().fresh_namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def crd(control_plane: ControlPlane) -> None:
    """The SpectrogramJob, served."""
    client = control_plane.client()
    client.kubectl("apply", "--filename", str(CRD))
    wait_until(lambda: "Established" in conditions(client), what="the CRD to be established")


def conditions(client: Client) -> set[str]:
    """The conditions of the CRD that hold."""
    crd = client.find("crd", "spectrogramjobs.spectrogram.dev")
    return {entry["type"] for entry in crd["status"].get("conditions") or () if entry["status"] == "True"}


@pytest.fixture(scope="session")
def played_nodes(control_plane: ControlPlane) -> None:
    """One node for each pool, large enough for any test, and tainted so that only worker pods come."""
    for name in ("default", "large"):
        taint = {"key": POOL_LABEL, "value": name, "effect": "NoSchedule"}
        client, node = control_plane.client(), f"played-{name}"
        create_node(client, node, labels={POOL_LABEL: name}, taints=[taint], cpu="10000", memory="100Ti", pods="10000")
        disk = {"ephemeral-storage": "100Ti"}
        client.patch_status("node", node, {"capacity": disk, "allocatable": disk})


@pytest.fixture(scope="session")
def operator_rules(control_plane: ControlPlane) -> list[dict[str, Any]]:
    """What the chart lets the operator do in a namespace that it watches."""
    template = control_plane.client().helm("template", "release", str(CHART), "--show-only=templates/rbac.yaml")
    role = next(manifest for manifest in yaml.safe_load_all(template) if manifest["kind"] == "Role")
    rules: list[dict[str, Any]] = role["rules"]
    return rules


@pytest.fixture
def workspace(
    control_plane: ControlPlane, crd: None, played_nodes: None, operator_rules: list[dict[str, Any]], tmp_path: Path
) -> Iterator[Workspace]:
    """A namespace with the claims `recordings` and `results`, bound."""
    workspace = Workspace(control_plane, tmp_path, operator_rules)
    try:
        workspace.open()
        yield workspace
        workspace.check_operators()
    finally:
        workspace.close()


@pytest.fixture
def operator(workspace: Workspace) -> Operator:
    """The operator, running in the workspace."""
    return workspace.operator().start()
