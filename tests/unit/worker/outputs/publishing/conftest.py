"""A bucket of a real S3 server for each file of tests, and a prefix in it for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.object_store import ObjectStore
from unit.worker.outputs.publishing.bucket_site import Site, site_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def site(server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site_of(server, tmp_path, monkeypatch)
