"""GET /progress and /metrics on one port: what the operator polls and what Prometheus scrapes.

Anyone in the cluster may ask. So the number of clients at a time, the time for each and the length of a request are
limited, and the worker never waits for a client.
"""

import errno
import io
import logging
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from spectrogram_worker.contract.report import Report
from spectrogram_worker.progress import ProgressState

REQUEST_SECONDS = 5.0
"""From the connection to the last byte of the answer."""
MOST_CLIENTS = 8
MOST_REQUEST_BYTES = 8192
_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


def metrics_text(report: Report) -> tuple[bytes, str]:
    """The report as Prometheus text, and its media type."""
    # Loaded late: 1 MB that a worker without a scraper does not need.
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

    progress, memory = report.progress, report.memory
    registry = CollectorRegistry()
    for name, value, text in (
        ("progress_ratio", progress.percent / 100, "Share of the spectrogram that is done, 0 to 1."),
        ("columns", progress.columns_total, "Columns of the spectrogram in all."),
        ("columns_done", progress.columns_done, "Columns of the spectrogram that are done."),
        ("samples_per_second", progress.samples_per_second, "Samples transformed per second of wall time, so far."),
        ("memory_limit_bytes", memory.limit_bytes, "Memory limit of the worker."),
        ("memory_bytes", memory.current_bytes, "Memory in use that counts against the limit, without file cache."),
        ("memory_peak_bytes", memory.peak_bytes, "Highest resident set of the worker so far."),
    ):
        Gauge(f"spectrogram_worker_{name}", text, registry=registry).set(value or 0)
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Handler(BaseHTTPRequestHandler):
    """Answers two paths."""

    state: ProgressState

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BytesIO(self._read_head())

    def _read_head(self) -> bytes:
        """The request up to its empty line, or as much as came. http.server itself would take megabytes of headers."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MOST_REQUEST_BYTES:
            piece = self.request.recv(MOST_REQUEST_BYTES - len(head))
            if not piece:
                break
            head += piece
        return head

    def do_GET(self) -> None:  # the name that http.server calls
        match self.path.split("?")[0]:
            case "/progress":
                self._answer(self.state.report().to_json().encode(), "application/json")
            case "/metrics":
                self._answer(*metrics_text(self.state.report()))
            case _:
                self.send_error(404)

    def _answer(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not logged: a poll every few seconds would bury the job's own lines."""


class _Server(ThreadingHTTPServer):
    """Every address of the pod, IPv4 and IPv6; on a port that the system chooses only this machine's own.

    A thread for each client. The thread that waits for clients also cuts off those whose time is over.
    """

    request_queue_size = 16
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._ends: dict[socket.socket, float] = {}
        loopback, everywhere = "127.0.0.1", ""
        dual_stack = port != 0 and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if dual_stack else socket.AF_INET
        super().__init__((loopback if port == 0 else everywhere, port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's: that one asks the name service for this machine's name, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "", self.server_address[1]

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_LOOK_SECONDS)  # the connection stays pending: without a pause this thread would spin
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """False closes the connection at once."""
        return len(self._ends) < MOST_CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        self._ends[request] = time.monotonic() + REQUEST_SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._ends.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(time.monotonic())

    def cut_off(self, now: float) -> None:
        """Shut down the connections whose time is over. Threads that wait for them get an error at once."""
        for request, end in list(self._ends.items()):
            if now >= end:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no news; anything else is a bug of ours."""
        if not isinstance(sys.exception(), OSError):
            log.exception("A question about the progress could not be answered")


class ProgressServer:
    """Serves `state` on `port` (0: one that the system chooses) while the context lasts.

    A port that cannot be had is logged and costs only the live view: the job itself goes on.
    """

    def __init__(self, state: ProgressState, port: int) -> None:
        self._handler = type("Handler", (_Handler,), {"state": state})
        self._requested = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port that is served, or None."""
        return self._server.server_port if self._server else None

    def __enter__(self) -> Self:
        try:
            self._server = _Server(self._requested, self._handler)
        except OSError as error:
            log.warning("Progress is not served: port %d: %s", self._requested, error)
            return self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="progress", daemon=True
        )
        self._thread.start()
        log.info("Serving progress on port %d", self._server.server_port)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server and self._thread:
            with suppress(OSError):  # not every system can; then the thread ends when it looks next
                self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which waits for a connection
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_off(float("inf"))
            self._thread.join()
