"""Downloads: whole, in chunks, broken off and continued, changed under way, too large, stopped."""

import http.server
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage import web_connection
from unit.worker.recordings import says
from unit.worker.storage.web.site import CONTENT, HOST, PUBLIC, Job, Network, Server, answer, broken


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
