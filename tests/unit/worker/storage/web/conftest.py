"""A server, names that lead to it, and a job that downloads from it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from spectrogram_worker.storage import web
from unit.worker.storage.web.site import HOST, OTHER, Job, Network, Server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, OTHER).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(web, "WAIT_SECONDS", 0.01)
    running = Server(context)
    yield running
    running.close()


@pytest.fixture
def network(server: Server) -> Network:
    return Network(server.port)


@pytest.fixture
def job(tmp_path: Path, network: Network) -> Job:
    return Job(tmp_path, network)
