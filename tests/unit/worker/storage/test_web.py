"""Recordings at a web address: a real server with TLS, names and connections as a test wants them."""

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trustme

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.storage import web, web_connection
from spectrogram_worker.storage.copies import Copies
from spectrogram_worker.storage.web import WebFile
from unit.worker.jobs import RATE
from unit.worker.recordings import integer_pairs, read, says
from unit.worker.stores import job_of, opened
from unit.worker.worker_process import run

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


@pytest.fixture
def job(tmp_path: Path, network: Network) -> Job:
    return Job(tmp_path, network)


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


def test_a_file_is_downloaded(job: Job, server: Server, network: Network) -> None:
    server.pages["/noise.raw"] = answer()
    assert job.fetch() == CONTENT
    assert job.fetch(f"https://{HOST}/noise.raw?signature=a%2Fb") == CONTENT
    assert server.asked == [("/noise.raw", HOST, None), ("/noise.raw?signature=a%2Fb", HOST, None)]
    assert network.connected == [(PUBLIC, 443)] * 2


def test_a_file_in_chunks_is_downloaded(job: Job, server: Server) -> None:
    pieces = [CONTENT[start : start + 60_000] for start in range(0, len(CONTENT), 60_000)]
    broken_off = [True]

    def serve(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for number, piece in enumerate(pieces):
            if number == 5 and broken_off and broken_off.pop():
                return
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    server.pages["/noise.raw"] = serve
    assert job.fetch() == CONTENT
    assert len(server.asked) == 2
    assert says(job.refused(scratchBytes=500_000), ExitCode.INPUT_INVALID, "scratch", "worker.scratchSize")


def test_three_redirections_are_followed_and_each_is_checked(job: Job, server: Server, network: Network) -> None:
    job.allowed = [HOST, "*.example.org:8443"]
    server.pages |= {
        "/noise.raw": redirect("/two"),
        "/two": redirect(f"https://{OTHER}:8443/three?x=1"),
        "/three": redirect("four"),
        "/four": answer(),
    }
    assert job.fetch() == CONTENT
    assert network.connected == [(PUBLIC, 443)] * 2 + [(PUBLIC, 8443)] * 2
    server.pages["/zero"] = redirect("/noise.raw")
    assert says(job.refused(f"https://{HOST}/zero"), ExitCode.INPUT_INVALID, "more than 3 redirections")


@pytest.mark.parametrize(
    "location",
    [
        f"https://{OTHER}/x",
        f"http://{HOST}/x",
        f"https://{HOST}:8443/x",
        f"//{OTHER}/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        f"https://user@{HOST}/x",
        "file:///etc/passwd",
        "https://[x",
        "//]",
        "https://[::1]/x",
        "https://[v1.x]/x",
    ],
)
def test_a_redirection_elsewhere_is_refused(job: Job, server: Server, network: Network, location: str) -> None:
    server.pages["/noise.raw"] = redirect(location)
    error = job.refused()
    assert says(error, ExitCode.INPUT_INVALID, f"https://{HOST}/noise.raw leads to"), error
    assert len(network.connected) == 1


@pytest.mark.parametrize("address", [f"http://{HOST}/noise.raw", f"https://{OTHER}/x?signature=secret"])
def test_an_address_that_is_not_allowed_is_an_invalid_job(job: Job, network: Network, address: str) -> None:
    error = job.refused(address)
    assert says(error, ExitCode.INVALID_SPEC, "input.url")
    assert "secret" not in str(error)
    assert network.connected == []


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("with_public", [False, True])
def test_a_name_that_leads_inside_is_refused(job: Job, network: Network, inside: str, with_public: bool) -> None:
    network.addresses[HOST] = [[PUBLIC, inside] if with_public else [inside]]
    assert says(job.refused(), ExitCode.INPUT_INVALID, HOST, "not on the public internet")
    assert network.connected == []


def test_a_name_that_changes_its_address_never_leads_inside(job: Job, server: Server, network: Network) -> None:
    server.pages["/noise.raw"] = answer()
    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    assert job.fetch() == CONTENT  # resolved once: the second answer is never asked for
    assert network.connected == [(PUBLIC, 443)]

    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    server.pages["/noise.raw"] = redirect("/again")
    assert says(job.refused(), ExitCode.INPUT_INVALID, "not on the public internet")

    network.addresses[HOST] = [[PUBLIC], ["127.0.0.1"]]
    server.pages["/noise.raw"] = broken(1)
    assert says(job.refused(), ExitCode.INPUT_INVALID, "not on the public internet")
    assert {address for address, _ in network.connected} == {PUBLIC}


@pytest.mark.parametrize("tag", ['"one"', 'W/"weak"', None])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_off_is_continued(job: Job, server: Server, tag: str | None, ranges: bool) -> None:
    server.pages["/noise.raw"] = broken(3, tag, ranges=ranges)
    assert job.fetch() == CONTENT
    assert len(server.asked) == 4
    assert (server.asked[-1][2] is not None) is (tag == '"one"')


def test_a_transfer_that_always_breaks_off_is_transient(job: Job, server: Server) -> None:
    server.pages["/noise.raw"] = broken(1000)
    assert says(job.refused(), ExitCode.TRANSIENT_ERROR, "broke off 6 times")
    server.pages["/noise.raw"] = answer(CONTENT, length=len(CONTENT) + 5)
    assert says(job.refused(), ExitCode.TRANSIENT_ERROR, "broke off 6 times")


def test_more_than_was_announced_is_not_taken(job: Job, server: Server) -> None:
    def serve(handler: http.server.BaseHTTPRequestHandler) -> None:
        answer(CONTENT, length=1000, cut=500)(handler)
        time.sleep(0.1)
        handler.wfile.write(CONTENT[500:])

    server.pages["/noise.raw"] = serve
    assert job.fetch() == CONTENT[:1000]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changes_under_way_is_invalid(job: Job, server: Server, ranges: bool) -> None:
    def serve(handler: http.server.BaseHTTPRequestHandler) -> None:
        first = len(server.asked) == 1
        after = broken(0, '"one"', CONTENT[:-5]) if ranges else answer(CONTENT[::-1], ETag='"two"')
        (broken(1) if first else after)(handler)

    server.pages["/noise.raw"] = serve
    assert says(job.refused(), ExitCode.INPUT_INVALID, "was changed while it was read")


def test_what_is_too_large_is_refused_before_it_is_downloaded(job: Job, server: Server) -> None:
    server.pages["/noise.raw"] = answer(b"", length=5_000_000_000)
    error = job.refused(scratchBytes=10**9)
    assert says(error, ExitCode.INPUT_INVALID, "5000.0MB", "room for 1000.0MB", "worker.scratchSize")
    assert says(job.refused(largeDatasetBytes=10**9), ExitCode.REROUTE_LARGE, "large queue")
    limits: dict[str, Any] = {"range": {"samples": 1000}, "scratchBytes": 10**6}
    assert says(job.refused(largeDatasetBytes=10**9, **limits), ExitCode.INPUT_INVALID, "scratch")


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


def test_a_body_may_take_longer_than_the_headers(job: Job, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day goes by between the headers and the body."""
    passed = [0.0]

    def a_day_later() -> None:
        passed[0] = 86_400.0

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0], sleep=time.sleep)
    monkeypatch.setattr(web_connection, "time", clock)
    job.stop = a_day_later  # which is asked when the headers are there
    server.pages["/noise.raw"] = answer()
    assert job.fetch() == CONTENT
    assert len(server.asked) == 1


def test_a_stop_ends_a_download_that_hardly_moves(job: Job, server: Server) -> None:
    gone = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b"x")
            if gone.wait(0.05):
                return

    asked: list[None] = []

    def stop() -> None:
        asked.append(None)
        if len(asked) > 3:
            raise WorkerError(ExitCode.INTERRUPTED, "interrupted")

    job.stop = stop
    server.pages["/noise.raw"] = drip
    began = time.monotonic()
    try:
        assert job.refused().code is ExitCode.INTERRUPTED
        assert time.monotonic() - began < 5
    finally:
        gone.set()
    assert len(asked) == 4


def test_the_recording_is_known_by_its_address(
    tmp_path: Path, server: Server, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = integer_pairs(10_000)
    server.pages["/files/noise.cs16"] = answer(samples.tobytes())
    monkeypatch.setattr(web_connection, "Internet", lambda: network)
    places = {"inputUrl": f"https://{HOST}/files/noise.cs16?key=secret", "allowedUrlHosts": [HOST]}
    job = job_of(tmp_path, "noise.cs16", fields={"raw": {"sampleRate": RATE}}, places=places)
    with opened(job) as (_, recording):
        assert recording.description.name == f"https://{HOST}/files/noise.cs16"
        assert recording.description.sample_type == "ci16_le"
        assert len(read(recording)[0]) == 10_000
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_recording_in_two_files_has_no_address(
    tmp_path: Path, server: Server, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/a.sigmf-data"] = answer()
    monkeypatch.setattr(web_connection, "Internet", lambda: network)
    places = {"inputUrl": f"https://{HOST}/a.sigmf-data", "allowedUrlHosts": [HOST]}
    with pytest.raises(WorkerError) as caught, opened(job_of(tmp_path, "a.sigmf-data", places=places)):
        pass
    assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "a.sigmf-meta", "packed into one (.sigmf)")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_whole_program(tmp_path: Path, server: Server) -> None:
    samples = integer_pairs(20_000)
    server.pages["/noise.cs16"] = answer(samples.tobytes())
    patch = f"""
import socket
from spectrogram_worker.storage import web_connection
class Network:
    def resolve(self, host, port): return ["{PUBLIC}"]
    def connect(self, address, port): return socket.create_connection(("127.0.0.1", {server.port}))
web_connection.Internet = Network
"""
    (tmp_path / "input").mkdir()
    (tmp_path / "input/noise.cs16").write_bytes(samples.tobytes())
    made = []
    places = {"inputUrl": f"https://{HOST}/noise.cs16?key=secret", "allowedUrlHosts": [HOST]}
    for name, where in (("local", {}), ("remote", places)):
        selection = {"path": "noise.cs16", "raw": {"sampleRate": RATE}}
        ended = run(tmp_path, patch=patch, input=selection, places=where, output={"path": name})
        report = ended.assert_orderly(ExitCode.DONE)
        with np.load(tmp_path / "output" / name / "spectrogram.npz", allow_pickle=False) as arrays:
            made.append((arrays["max"].tobytes(), arrays["time"].tobytes()))
    assert made[0] == made[1]
    manifest = (tmp_path / "output/remote/manifest.json").read_text()
    assert json.loads(manifest)["input"]["url"] == f"https://{HOST}/noise.cs16"
    assert "downloading" in json.loads(manifest)["stageSeconds"]
    assert "secret" not in manifest + json.dumps(ended.lines) + report.message
    assert list((tmp_path / "scratch").glob("recording-*")) == []
