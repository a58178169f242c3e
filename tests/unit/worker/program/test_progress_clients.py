"""Clients of the progress server that mean no good: none of them holds up another one, or the worker."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.waiting import wait_until
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.progress_server import MOST_CLIENTS, MOST_REQUEST_BYTES, ProgressServer
from unit.worker.jobs import job
from unit.worker.program.slow_clients import connect, is_cut_off, trickling

QUESTION = b"GET /progress HTTP/1.0\r\n\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    with ProgressServer(ProgressState(job(), MemoryGauge(2**40)), 0) as server:
        assert server.port is not None
        yield server.port


def ask(port: int) -> bytes:
    """The whole answer to a question that is put at once."""
    with connect(port) as client:
        client.sendall(QUESTION)
        return b"".join(iter(lambda: client.recv(4096), b""))


def answers(port: int) -> bool:
    """Whether the server takes one more client."""
    try:
        return ask(port).startswith(b"HTTP/1.0 200")
    except ConnectionError:
        return False


def test_slow_clients_keep_no_other_waiting(port: int) -> None:
    with trickling(port, MOST_CLIENTS - 1):
        assert ask(port).startswith(b"HTTP/1.0 200")


def test_a_client_has_a_limited_time_for_its_whole_question(port: int) -> None:
    with trickling(port) as (client,):
        assert is_cut_off(client)
    with connect(port) as silent:
        assert is_cut_off(silent)


def test_there_is_room_for_so_many_clients_and_then_again(port: int) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(port)) for _ in range(MOST_CLIENTS)]
        with connect(port) as one_too_many:
            assert is_cut_off(one_too_many)
        assert all(map(is_cut_off, silent))
    wait_until(lambda: answers(port))


def test_an_endless_question_is_not_read_to_its_end(port: int) -> None:
    with connect(port) as client:
        client.sendall(QUESTION[:-2] + b"X: ")
        with pytest.raises(ConnectionError):
            client.sendall(bytes(2**13 * MOST_REQUEST_BYTES))


def test_a_server_that_closes_waits_for_no_client() -> None:
    server = ProgressServer(ProgressState(job(), MemoryGauge(2**40)), 0)
    server.__enter__()
    assert server.port is not None
    with trickling(server.port, 2) as clients:
        closing = threading.Thread(target=server.__exit__, daemon=True)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()
        assert all(map(is_cut_off, clients))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
