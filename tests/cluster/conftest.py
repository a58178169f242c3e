"""The cluster tier: a real control plane, and no node but those that a test creates (harness/kubernetes/played.py)."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.audit import Audit
from cluster.workspace import POOL_LABEL, Workspace, chart_rules
from harness.kubernetes.certificates import Certificates
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ApiServer, ControlPlane
from harness.kubernetes.played import create_node
from harness.waiting import wait_until

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "spectrogramjobs.yaml"


OWN_CONTROL_PLANE = pytest.mark.xdist_group("own control plane")
"""For tests of what concerns all of a cluster: one process runs them, by themselves, on `own_control_plane`."""


@dataclass(frozen=True)
class Shared:
    """The control plane that the processes of pytest-xdist share: the one that starts them starts and ends it."""

    server: str
    certificates: str
    audit: str


_SHARED = pytest.StashKey[Shared]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the process that hands out the tests, once for each process that runs them."""
    config: pytest.Config = node.config
    if _SHARED not in config.stash:
        folder = tempfile.TemporaryDirectory(prefix="spectrogram-control-plane-")
        config.add_cleanup(folder.cleanup)
        audit = Audit(Path(folder.name))
        control_plane = create_control_plane(Path(folder.name), audit).start()
        config.add_cleanup(control_plane.stop)
        prepare(control_plane)
        config.stash[_SHARED] = Shared(control_plane.server, str(control_plane.certificates.folder), folder.name)
    node.workerinput["control_plane"] = asdict(config.stash[_SHARED])


def create_control_plane(folder: Path, audit: Audit) -> ControlPlane:
    flags = {
        "kube-apiserver": audit.flags,
        "kube-controller-manager": [
            # Nobody sends the heartbeats of the tests' own nodes; they are to stay ready all the same.
            "--node-monitor-grace-period=24h",
            # A claim that is made just before its volume is known is bound at the next of these looks.
            "--pvclaimbinder-sync-period=500ms",
        ],
    }
    return ControlPlane(folder, flags=flags)


def prepare(server: ApiServer) -> None:
    """The SpectrogramJob, served; and a node for each pool, large enough for any test, tainted for worker pods only."""
    client = server.client()
    client.kubectl("apply", "--filename", str(CRD))
    for name in ("default", "large"):
        taint = {"key": POOL_LABEL, "value": name, "effect": "NoSchedule"}
        node = f"played-{name}"
        create_node(client, node, labels={POOL_LABEL: name}, taints=[taint], cpu="10000", memory="100Ti", pods="10000")
        disk = {"ephemeral-storage": "100Ti"}
        client.patch_status("node", node, {"capacity": disk, "allocatable": disk})
    wait_until(lambda: "Established" in conditions(client), what="the CRD to be established")


def conditions(client: Client) -> set[str]:
    """The conditions of the CRD that hold."""
    crd = client.find("crd", "spectrogramjobs.spectrogram.dev")
    return {entry["type"] for entry in crd["status"].get("conditions") or () if entry["status"] == "True"}


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Shared | None:
    """None in a run without pytest-xdist."""
    given = getattr(request.config, "workerinput", {}).get("control_plane")
    return Shared(**given) if given else None


@pytest.fixture(scope="session")
def audit(shared: Shared | None, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return Audit(Path(shared.audit) if shared else tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def control_plane(shared: Shared | None, audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The one of all tests: a test changes nothing outside of its namespace but what it made itself."""
    folder = tmp_path_factory.mktemp("control-plane")
    if shared:
        yield ApiServer(shared.server, Certificates(folder / "certificates", Path(shared.certificates)))
        return
    with create_control_plane(folder, audit) as control_plane:
        prepare(control_plane)
        yield control_plane


@pytest.fixture(scope="session")
def own_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """For OWN_CONTROL_PLANE."""
    folder = tmp_path_factory.mktemp("own-control-plane")
    with create_control_plane(folder, Audit(folder)) as control_plane:
        prepare(control_plane)
        yield control_plane


@pytest.fixture
def namespace(control_plane: ApiServer) -> Iterator[Client]:
    with control_plane.client().fresh_namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def operator_rules(control_plane: ApiServer) -> list[dict[str, Any]]:
    return chart_rules(control_plane.client())


@pytest.fixture
def workspace(control_plane: ApiServer, operator_rules: list[dict[str, Any]], tmp_path: Path) -> Iterator[Workspace]:
    """A namespace with the claims `recordings` and `results`, bound."""
    with opened(Workspace(control_plane, tmp_path, operator_rules)) as workspace:
        yield workspace


@pytest.fixture
def own_workspace(
    own_control_plane: ControlPlane, operator_rules: list[dict[str, Any]], tmp_path: Path
) -> Iterator[Workspace]:
    """The same on `own_control_plane`."""
    with opened(Workspace(own_control_plane, tmp_path, operator_rules)) as workspace:
        yield workspace


@contextmanager
def opened(workspace: Workspace) -> Iterator[Workspace]:
    """While it is open; at the end no operator may have complained."""
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
