"""A namespace of a real API server, asked without kubectl."""

from collections.abc import Iterator

import pytest

from cluster.api import Api
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ApiServer


@pytest.fixture
def api(control_plane: ApiServer, namespace: Client) -> Iterator[Api]:
    api = Api(control_plane, namespace.namespace)
    yield api
    api.close()
