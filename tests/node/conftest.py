"""The node tier: real pods on a real node. To be run in a network of its own:

python -m harness.network run -- python -m pytest tests/node
"""

from collections.abc import Iterator

import pytest

from harness import images, network
from harness.client import Client
from harness.control_plane import ControlPlane
from harness.node import Node


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    network.require_inside()
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), address=network.ADDRESS) as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("node"), control_plane) as node:
        node.import_image(images.base_image())
        yield node


@pytest.fixture
def namespace(control_plane: ControlPlane, node: Node) -> Iterator[Client]:
    with control_plane.client().fresh_namespace() as namespace:
        yield namespace
