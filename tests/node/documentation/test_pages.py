"""Every block of README.md and docs/ is run as it stands, on a cluster that has never seen the project.

This comes before the node tier's other tests, whose release would be in its way, and removes all that it made.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import installation
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes.node import Node
from harness.pages import documentation
from harness.waiting import wait_until
from node.documentation.reader import Reader

NAMESPACE, RELEASE, VERSION = "radio", "spectrogram", "0.1.0"
INSTALLING = ("docs/quick-start.md", "README.md")
"""Pages that install the chart. The second finds the claims that the first made; all others what this one leaves."""
LAST = ("docs/operating/upgrading.md",)
"""Pages that remove what the others need."""
SPARE_VOLUMES = 8


def in_order() -> list[str]:
    """The pages that have blocks."""
    pages = [page for page in documentation.pages() if documentation.run_here(page)]
    middle = [page for page in pages if page not in (*INSTALLING, *LAST)]
    return [page for page in (*INSTALLING, *middle, *LAST) if any(documentation.blocks(page))]


@pytest.fixture(scope="module")
def cluster(
    control_plane: ControlPlane, node: Node, images_on_node: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A cluster with volumes for whoever claims them; a kubeconfig of its own, as pages change it."""
    for name in ("operator", "worker"):
        node.tag_image(f"localhost/spectrogram-{name}:test", f"localhost/spectrogram-{name}:{VERSION}")
    folder = tmp_path_factory.mktemp("reader")
    kubeconfig = Path(shutil.copy(control_plane.kubeconfig, folder / "kubeconfig"))
    client = Client(kubeconfig, NAMESPACE)
    for number in range(SPARE_VOLUMES):
        installation.create_volume(client, f"spare-{number}", tmp_path_factory.mktemp("volume"), node.name)
    yield client
    uninstall(client)
    client.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    wait_until(lambda: client.find("namespace", NAMESPACE) is None, what="the end of the namespace")
    client.kubectl("label", "nodes", "--all", "spectrogram.dev/pool-")
    client.kubectl("delete", "persistentvolumes", *(f"spare-{number}" for number in range(SPARE_VOLUMES)))


@pytest.mark.parametrize("page", in_order())
def test_the_blocks_of_a_page_do_what_they_say(page: str, cluster: Client, tmp_path: Path) -> None:
    if page in INSTALLING:
        uninstall(cluster)
    Reader(tmp_path, cluster).read(page)


def uninstall(cluster: Client) -> None:
    """The release and its definition, if they are there; with it all jobs go."""
    cluster.helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "crd", "spectrogramjobs.spectrogram.dev", "--ignore-not-found")
