"""GET /progress and /metrics on one port: what the operator polls and what Prometheus scrapes."""

import logging
import socket
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self

from spectrogram_worker.contract.report import Report
from spectrogram_worker.progress import ProgressState

REQUEST_SECONDS = 5.0
STOP_SECONDS = 0.1
_METRICS = (
    ("spectrogram_worker_progress_ratio", "gauge", "Share of the columns that are done, 0 to 1."),
    ("spectrogram_worker_columns", "gauge", "Columns of the spectrogram in all."),
    ("spectrogram_worker_columns_done", "gauge", "Columns of the spectrogram that are done."),
    ("spectrogram_worker_samples_per_second", "gauge", "Samples transformed per second of wall time, so far."),
    ("spectrogram_worker_memory_limit_bytes", "gauge", "Memory limit of the worker."),
    ("spectrogram_worker_memory_bytes", "gauge", "Memory in use that counts against the limit, without file cache."),
    ("spectrogram_worker_memory_peak_bytes", "gauge", "Highest resident set of the worker so far."),
)

log = logging.getLogger(__name__)


def metrics_text(report: Report) -> str:
    """The report as Prometheus text (exposition format 0.0.4)."""
    progress, memory = report.progress, report.memory
    values = (
        progress.percent / 100,
        progress.columns_total,
        progress.columns_done,
        progress.samples_per_second,
        memory.limit_bytes or 0,
        memory.current_bytes or 0,
        memory.peak_bytes or 0,
    )
    return "".join(
        f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n"
        for (name, kind, text), value in zip(_METRICS, values, strict=True)
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers two paths. A client that dawdles is cut off: the server has one thread and no memory to give away."""

    timeout = REQUEST_SECONDS
    state: ProgressState

    def do_GET(self) -> None:  # the name that http.server calls
        match self.path.split("?")[0]:
            case "/progress":
                self._answer(self.state.report().to_json(), "application/json")
            case "/metrics":
                self._answer(metrics_text(self.state.report()), "text/plain; version=0.0.4; charset=utf-8")
            case _:
                self.send_error(404)

    def _answer(self, text: str, media_type: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not logged: a poll every few seconds would bury the job's own lines."""


class _Server(HTTPServer):
    """Every address of the pod, IPv4 and IPv6; on a port that the system chooses only this machine's own."""

    request_queue_size = 16

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
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

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is its own affair; anything else is ours."""
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
            target=self._server.serve_forever, args=(STOP_SECONDS,), name="progress", daemon=True
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
            self._thread.join()
