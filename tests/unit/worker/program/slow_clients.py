"""Clients that hold a server up: they send one byte at a time, or nothing at all."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


def connect(port: int) -> socket.socket:
    """A connection to a server on this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


@contextmanager
def trickling(port: int, count: int = 1) -> Iterator[list[socket.socket]]:
    """So many clients that send their question, byte by byte and without end, until the block is over."""
    finished = threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(count)]

        def trickle() -> None:
            left = list(clients)
            while left and not finished.wait(0.2):
                for client in list(left):
                    try:
                        client.sendall(b"G")
                    except OSError:
                        left.remove(client)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield clients
        finally:
            finished.set()
            thread.join()


def is_cut_off(client: socket.socket) -> bool:
    """Wait until the server ends this connection; False where it answers."""
    with suppress(ConnectionError):
        return client.recv(1) == b""
    return True
