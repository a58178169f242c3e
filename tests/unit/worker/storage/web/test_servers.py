"""Servers that answer otherwise than with a file, or not at all."""

import http.server
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.storage import web_connection
from unit.worker.recordings import says
from unit.worker.storage.web.site import CONTENT, HOST, Job, Network, Server, answer


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ExitCode.INPUT_NOT_FOUND),
        (403, ExitCode.INPUT_NOT_FOUND),
        (404, ExitCode.INPUT_NOT_FOUND),
        (410, ExitCode.INPUT_NOT_FOUND),
        (429, ExitCode.TRANSIENT_ERROR),
        (500, ExitCode.TRANSIENT_ERROR),
        (503, ExitCode.TRANSIENT_ERROR),
        (204, ExitCode.IO_ERROR),
        (206, ExitCode.IO_ERROR),
        (302, ExitCode.IO_ERROR),
        (418, ExitCode.IO_ERROR),
    ],
)
def test_what_a_server_answers(job: Job, server: Server, status: int, code: ExitCode) -> None:
    server.pages["/noise.raw"] = answer(b"", status)
    error = job.refused(f"https://{HOST}/noise.raw?signature=secret")
    assert says(error, code, str(status), f"https://{HOST}/noise.raw"), error
    assert "secret" not in str(error)


def test_a_file_that_comes_compressed_or_without_an_end_is_refused(job: Job, server: Server) -> None:
    server.pages["/noise.raw"] = answer(Content_Encoding="gzip")
    assert says(job.refused(), ExitCode.INPUT_INVALID, "compressed (gzip)")

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(CONTENT)

    server.pages["/noise.raw"] = endless
    assert says(job.refused(), ExitCode.INPUT_INVALID, "Content-Length")


def test_a_certificate_that_is_not_trusted(
    job: Job, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/noise.raw"] = answer()
    job.allowed = ["elsewhere.example.org"]
    error = job.refused("https://elsewhere.example.org/noise.raw")
    assert says(error, ExitCode.INPUT_INVALID, "certificate of elsewhere.example.org", "not valid for"), error
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "another.pem"))
    job.allowed = [HOST]
    assert says(job.refused(), ExitCode.INPUT_INVALID, f"certificate of {HOST}", "not to be trusted")
    assert server.asked == []


def test_a_host_that_cannot_be_found_or_reached(job: Job, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: OSError) -> Callable[..., Any]:
        def fail(*_: Any) -> Any:
            raise error

        return fail

    for error, code in (
        (socket.gaierror(socket.EAI_NONAME, "unknown"), ExitCode.INPUT_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "later"), ExitCode.TRANSIENT_ERROR),
    ):
        monkeypatch.setattr(network, "resolve", raising(error))
        assert says(job.refused(), code, HOST)
    monkeypatch.undo()
    for failure in (ConnectionRefusedError(), TimeoutError()):
        monkeypatch.setattr(network, "connect", raising(failure))
        assert says(job.refused(), ExitCode.TRANSIENT_ERROR, HOST, type(failure).__name__)


def test_a_server_that_does_not_speak_http(job: Job, server: Server) -> None:
    def other(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 ready\r\n")

    server.pages["/noise.raw"] = other
    assert says(job.refused(), ExitCode.IO_ERROR, "does not answer as HTTP wants")
    server.pages["/noise.raw"] = lambda handler: None
    assert says(job.refused(), ExitCode.TRANSIENT_ERROR, "broke off")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_server_whose_headers_never_end_is_given_up(
    job: Job, server: Server, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """It sends a byte now and then, long before a silence would be noticed."""
    monkeypatch.setattr(web_connection, "ANSWER_SECONDS", 0.3)
    given_up = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(start)
            while not given_up.is_set():
                handler.wfile.write(b"H")
                time.sleep(0.02)
        except OSError:
            given_up.set()

    server.pages["/noise.raw"] = drip
    error = job.refused()
    assert says(error, ExitCode.TRANSIENT_ERROR, HOST, "does not answer in time"), error
    assert given_up.wait(60), "the connection is closed"
