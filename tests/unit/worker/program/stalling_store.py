"""A store that speaks as much S3 as a job needs to read one object of zeros, and stalls at some point of it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_NOTHING_LISTED = b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'


@dataclass(frozen=True)
class StallingStore:
    """The section `places` of a document whose input is there, and whether a request waits for ever by now."""

    places: dict[str, Any]
    stalled: threading.Event


@contextmanager
def stalling_store(size: int, stalls_at: int | None, name: str = "signal.cf32") -> Iterator[StallingStore]:
    """A store whose one object, of `size` zeros, never comes from one byte on; with None not even what it is."""
    finished, stalled = threading.Event(), threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if stalls_at is None:
                self._stall()
            else:
                self._begin(200 if self.path.endswith(f"/{name}") else 404, size)

        def do_GET(self) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted is None:
                self._begin(200, len(_NOTHING_LISTED))
                self.wfile.write(_NOTHING_LISTED)
                return
            first, last = map(int, wanted.groups())
            self._begin(206, last + 1 - first)
            self.wfile.write(bytes(max(0, min(last + 1, stalls_at or 0) - first)))
            if last >= (stalls_at or 0):
                self._stall()

        def _stall(self) -> None:
            stalled.set()
            finished.wait()
            self.close_connection = True

        def _begin(self, status: int, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", '"1"')
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}"
            place = {"store": "archive-1", "bucket": "recordings", "endpoint": endpoint}
            yield StallingStore({"inputBucket": place}, stalled)
        finally:
            finished.set()
            server.shutdown()
            thread.join()
