"""Connections for a request over HTTP: names and sockets, which a test can replace, and an answer's time limits.

This is http.client and not a library above it, for two rules of ours. The connection goes to an address that was
checked, so that nothing here looks a name up. And all headers together have a deadline: the time limits that libraries
offer begin anew with each byte that comes.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from spectrogram_worker.storage.web_address import WebAddress

SILENCE_SECONDS = 30.0
ANSWER_SECONDS = 30.0
"""From the request to the last of an answer's headers, however little of them comes at a time."""


class Network(Protocol):
    """Names and connections."""

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host. Raises OSError."""
        ...

    def connect(self, address: str, port: int) -> socket.socket:
        """A TCP connection to an address, with a time limit on silence. Raises OSError."""
        ...


class Internet:
    """The real one."""

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def connect(self, address: str, port: int) -> socket.socket:
        """A TCP connection to an address."""
        return socket.create_connection((address, port), SILENCE_SECONDS)


class _Timed(io.RawIOBase):
    """What comes over a connection: TimeoutError after a long silence, and after the deadline while there is one."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection, self._content = connection, connection.makefile("rb", buffering=0)
        self.deadline: float | None = time.monotonic() + ANSWER_SECONDS

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """One read of the socket. Raises TimeoutError."""
        left = SILENCE_SECONDS if self.deadline is None else self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left, SILENCE_SECONDS))
        return self._content.readinto(buffer)

    def close(self) -> None:
        """Let go of the connection."""
        self._content.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer whose headers have a deadline."""

    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        self.fp.close()
        self.timed = _Timed(connection)
        self.fp = io.BufferedReader(self.timed)


class HttpConnection(http.client.HTTPConnection):
    """HTTP over a connection that stands already: http.client never looks a name up."""

    default_port = 443
    response_class = _Answer

    def __init__(self, target: WebAddress, secured: ssl.SSLSocket) -> None:
        super().__init__(target.host, target.port)
        self.sock = secured
        self.auto_open = 0

    def ask(self, target: WebAddress, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer to a request, once its headers are here. Raises OSError, HTTPException."""
        own = {"User-Agent": "spectrogram-worker", "Accept": "*/*", "Connection": "close"}
        self.request("GET", target.target, headers=own | dict(headers))
        answer = self.getresponse()
        assert isinstance(answer, _Answer)
        answer.timed.deadline = None
        return answer
