"""The cluster tier: a real control plane, without any node but those that a test creates (harness/played.py)."""

from collections.abc import Iterator

import pytest

from harness.client import Client
from harness.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    # Nobody sends the heartbeats of the tests' own nodes; they are to stay ready all the same.
    flags = {"kube-controller-manager": ["--node-monitor-grace-period=24h"]}
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), flags=flags) as control_plane:
        yield control_plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[Client]:
    with control_plane.client().fresh_namespace() as namespace:
        yield namespace
