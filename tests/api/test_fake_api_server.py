"""The fake API server answers as a real one does; the same table is asked of that one in the cluster tier."""

import asyncio
import http.client
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import yaml

from cluster.api import Api
from harness.api.answers import EXPECTED, ask_everything
from harness.api.fake_server import FakeApiServer
from harness.kubernetes.control_plane import ApiServer


class PlainApi(Api):
    """A client of a server that has no certificate."""

    def __init__(self, address: str) -> None:
        super().__init__(cast(ApiServer, None), "default")
        self._address = address

    def another(self) -> "PlainApi":
        """See Api."""
        return PlainApi(self._address)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=60)


def client(folder: Path) -> Api:
    """Of the server whose kubeconfig is in this folder."""
    clusters: Any = yaml.safe_load((folder / "kubeconfig").read_text())["clusters"]
    return PlainApi(clusters[0]["cluster"]["server"].removeprefix("http://"))


async def test_what_the_operator_asks_is_answered_as_the_table_says(server: FakeApiServer, tmp_path: Path) -> None:
    server.store.compact()
    with closing(client(tmp_path)) as api:
        assert await asyncio.to_thread(ask_everything, api) == EXPECTED
