"""Ports for programs that a test starts."""

import errno
import random
import socket


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on, below those that the kernel gives to outgoing connections (from 32768).

    So a program that is down for a moment finds its port free when it comes back.
    """
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            return port
