"""Ports for programs that a test starts."""

import errno
import fcntl
import functools
import os
import random
import socket

from harness import cache

_given: set[int] = set()


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on, below those that the kernel gives to outgoing connections (from 32768).

    So a program that is down for a moment finds its port free when it comes back. It is this process's until that ends:
    tests that run beside it in other processes are given others.
    """
    while True:
        port = random.randint(20000, 32000)
        if port not in _given and _reserve(port) and _nobody_listens(address, port):
            _given.add(port)
            return port


def _reserve(port: int) -> bool:
    """Each port is one byte of a file, and the kernel ends a lock with the process that has it."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True


@functools.cache
def _reservations() -> int:
    return os.open(cache.folder() / "ports", os.O_RDWR | os.O_CREAT, 0o600)


def _nobody_listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
