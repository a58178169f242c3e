"""A real server with TLS, names and connections as a test wants them."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.storage.copies import Copies
from spectrogram_worker.storage.web import WebFile
from unit.worker.stores import job_of

HOST, OTHER = "data.example.org", "mirror.example.org"
PUBLIC = "8.8.8.8"
CONTENT = np.random.default_rng(1).bytes(1_000_000)
Serve = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """`pages` says what is done for a path; `asked` is what was: path, host and range of each request."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.pages: dict[str, Serve] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def finish(self) -> None:
                try:
                    super().finish()
                finally:
                    self.request.close()

            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["Host"], self.headers["Range"]))
                self.close_connection = True
                server.pages[self.path.partition("?")[0]](self)

            def log_message(self, format: str, *arguments: object) -> None:
                """Silent."""

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *arguments: object) -> None:
                """A client that refuses our certificate, or goes away, is what a test wants."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Network:
    """Every name stands for `addresses` in turn; every public address leads to the test's server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.addresses: dict[str, list[list[str]]] = {}
        self.connected: list[tuple[str, int]] = []

    def resolve(self, host: str, port: int) -> list[str]:
        answers = self.addresses.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int) -> socket.socket:
        self.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), 10)


class Job:
    """Downloads for a job whose folders are in `folder`."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder, self.network = folder, network
        self.allowed = [HOST]
        self.stop: Callable[[], None] = lambda: None

    def fetch(self, address: str = f"https://{HOST}/noise.raw", **limits: Any) -> bytes:
        fields = {"range": limits.pop("range")} if "range" in limits else {}
        job = job_of(
            self.folder,
            "noise.raw",
            fields=fields,
            limits={"softSeconds": 600, "memoryBytes": 2**30} | limits,
        )
        state = ProgressState(job.job, MemoryGauge(2**30, None))
        copies = Copies(job, state, lambda: self.stop())
        try:
            WebFile(address, self.allowed, self.network).download(PurePosixPath("noise.raw"), copies)
            return (copies.folder / "noise.raw").read_bytes()
        finally:
            copies.close()
            assert list((self.folder / "scratch").iterdir()) == []

    def refused(self, address: str = f"https://{HOST}/noise.raw", **limits: Any) -> WorkerError:
        with pytest.raises(WorkerError) as caught:
            self.fetch(address, **limits)
        return caught.value


def answer(
    content: bytes = CONTENT,
    status: int = 200,
    *,
    length: int | None = None,
    cut: int | None = None,
    **headers: str,
) -> Serve:
    def serve(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content[:cut])

    return serve


def redirect(location: str) -> Serve:
    return answer(b"", 302, Location=location)


def broken(times: int, tag: str | None = '"one"', content: bytes = CONTENT, ranges: bool = True) -> Serve:
    """A server that breaks off in the middle of what is left, `times` times."""
    left = [times]

    def serve(handler: http.server.BaseHTTPRequestHandler) -> None:
        wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
        start = int(wanted[6:-1]) if ranges and wanted and condition == tag else 0
        rest = content[start:]
        headers: dict[str, Any] = {"ETag": tag} if tag else {}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        left[0] -= 1
        answer(
            rest,
            206 if start else 200,
            cut=len(rest) // 2 if left[0] >= 0 else None,
            **headers,
        )(handler)

    return serve
