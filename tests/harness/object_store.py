"""A real S3 server over a folder: `rclone serve s3` (PyPI). It refuses requests that are signed with the wrong key.

What lies in the folder are the objects, so that a test can write recordings there and read results without S3.
"""

import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.ports import free_port
from harness.programs.program import Program

ACCESS_KEY, SECRET_KEY = "recordings-reader", "a-secret-of-the-tests"
BUCKET = "archive"


class ObjectStore:
    """While the context is open, the folders in `folder` are buckets; `BUCKET` is one."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", identity: Path | None = None) -> None:
        """`identity`: a file with the server's key and its certificate, for HTTPS."""
        self.root = folder / BUCKET
        self.root.mkdir(parents=True)
        self._host, self._port, self._is_secure = host, free_port(host), identity is not None
        configuration = folder / ".rclone.conf"
        configuration.touch()
        command = [
            *(Path(sys.executable).with_name("rclone"), "serve", "s3", folder),
            *("--config", configuration, "--addr", f"{host}:{self._port}"),
            *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
            *(("--cert", identity, "--key", identity) if identity else ()),
            *("--vfs-cache-mode", "off", "--dir-cache-time", "1ms"),  # tests write behind its back; at 0s it spins
        ]
        self._program = Program("rclone", [str(word) for word in command], folder / ".rclone.log")

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self._is_secure else ''}://{self._host}:{self._port}"

    def log(self) -> str:
        return self._program.log.read_text()

    def __enter__(self) -> Self:
        self._program.start()
        self._program.wait_until(self._answers, what="the S3 server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._program.kill()

    def _answers(self) -> bool:
        try:
            socket.create_connection((self._host, self._port), timeout=10).close()
        except OSError:
            return False
        return True
