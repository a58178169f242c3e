"""The worker's side of GET /progress: an HTTP server of its own address, which a played pod names as its own."""

import errno
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from spectrogram_worker.contract.document import PROGRESS_PORT


class Worker:
    """`answer` is what it says, `metrics` what it tells Prometheus; `asked` is how often it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answer = b""
        self.metrics = b""
        self.status = 200
        self.asked = 0


@contextmanager
def serving(address: str | None = None, port: int = PROGRESS_PORT) -> Iterator[Worker]:
    """A worker on a loopback address of its own, at the port that workers have, or where it is told to be."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            worker.asked += 1
            self.send_response(worker.status if self.path == "/progress" else 200)
            self.send_header("Location", "/elsewhere")
            body = worker.metrics if self.path == "/metrics" else worker.answer
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = _listening(Handler) if address is None else ThreadingHTTPServer((address, port), Handler)
    worker = Worker(str(server.server_address[0]))
    thread = threading.Thread(target=server.serve_forever, name="worker")
    thread.start()
    try:
        yield worker
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listening(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """On an address that no test beside this one has taken."""
    while True:
        host = f"127.88.{random.randint(2, 254)}.{random.randint(1, 254)}"
        try:
            return ThreadingHTTPServer((host, PROGRESS_PORT), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
