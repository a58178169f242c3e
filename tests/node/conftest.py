"""The node tier: the real images in real pods on a real node, the operator installed by its chart.

To be run in a network of its own, after the images were built outside of it:

    python -m harness.installation for-tests
    python -m harness.nodes.network run -- python -m pytest tests/node
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.api import Api
from harness import installation
from harness.kubernetes.client import Client, CommandError
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes import images, network
from harness.nodes.node import Node
from node.setup import POOLS, SETTINGS, create_claims, create_namespace
from node.site import Site


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    network.require_inside()
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), address=network.ADDRESS) as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    with Node(folder, control_plane, kubelet={"cpuCFSQuota": False}) as node:
        node.import_image(images.base_image())
        yield node


@pytest.fixture(scope="session")
def images_on_node(node: Node) -> None:
    for archive in installation.image_archives():
        node.import_image(archive)


@pytest.fixture
def namespace(control_plane: ControlPlane, node: Node) -> Iterator[Client]:
    with control_plane.client().fresh_namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of the example, and some files that are none."""
    folder = tmp_path_factory.mktemp("recordings")
    installation.write_recording(folder)
    (folder / "music.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    (folder / "empty.iq").touch()
    (folder / "secret.iq").write_bytes(bytes(4096))
    (folder / "secret.iq").chmod(0o600)
    return folder


@pytest.fixture(scope="session")
def radio_site(
    control_plane: ControlPlane,
    images_on_node: None,
    recordings: Path,
    node: Node,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The namespace `radio`, of which an operator takes care that lives elsewhere."""
    claims = {"recordings": recordings, "results": tmp_path_factory.mktemp("results")}
    jobs = create_namespace(control_plane, "radio")
    operator = create_namespace(control_plane, "spectrogram-system")
    create_claims(jobs, claims, node)
    values = {
        "watchNamespaces": ["radio"],
        "settings": SETTINGS,
        "pools": POOLS,
        "test": {"claimName": "results"},
    }
    installation.install(operator, "spectrogram-operator", values)
    with closing(Api(control_plane, "radio")) as api:
        yield Site(jobs, api, operator, "spectrogram-operator", claims)


@pytest.fixture
def radio(radio_site: Site) -> Iterator[Site]:
    """The same, for one test: the jobs that it submits are deleted after it."""
    site = replace(radio_site, mine=[])
    yield site
    site.delete_jobs()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the jobs, the pods and what the operator and the workers wrote."""
    report = yield
    if report.failed:
        for site in [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Site)]:
            try:
                report.sections += [(f"{site.client.namespace}: {title}", text) for title, text in site.evidence()]
            except CommandError as error:
                report.sections.append(("no evidence", str(error)))
    return report
