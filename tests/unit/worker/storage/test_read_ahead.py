"""The cache of remote files: the right bytes, fetched once, never more blocks than there is room for."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from harness.waiting import wait_until
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.memory import CACHED_BLOCK_BYTES
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage.read_ahead import ReadAheadCache

BLOCKS_IN_FILE = 12
SIZE = BLOCKS_IN_FILE * CACHED_BLOCK_BYTES - 12_345
PIECE = CACHED_BLOCK_BYTES // 4


def content_at(name: str, offset: int, count: int) -> bytes:
    """What stands in the file `name`: no two places look alike."""
    numbers = np.arange(offset // 8, (offset + count) // 8 + 1, dtype="<u8") * np.uint64(2654435761) + np.uint64(
        len(name)
    )
    return numbers.tobytes()[offset % 8 : offset % 8 + count]


class Place:
    """A slow place with files: notes what was asked for."""

    def __init__(self, *, most: int, broken: int | None = None) -> None:
        self.fetched: list[tuple[str, int]] = []
        self.broken = broken
        self.gate = threading.Event()
        self.gate.set()
        self.cache: ReadAheadCache[str] = ReadAheadCache(self.fetch, most)
        self._lock = threading.Lock()

    def fetch(self, name: str, start: int, content: memoryview) -> None:
        with self._lock:
            self.fetched.append((name, start // CACHED_BLOCK_BYTES))
        self.gate.wait()
        if start // CACHED_BLOCK_BYTES == self.broken:
            raise WorkerError(ExitCode.TRANSIENT_ERROR, "broken")
        content[:] = content_at(name, start, len(content))

    def read(self, offset: int, count: int, name: str = "a") -> bytes:
        content = bytearray(count)
        self.cache.read(name, SIZE, offset, memoryview(content))
        return bytes(content)


@contextmanager
def place(*, most: int, broken: int | None = None) -> Iterator[Place]:
    made = Place(most=most, broken=broken)
    yield made
    made.gate.set()
    made.cache.close()


def settled(made: Place, count: int) -> list[int]:
    """The numbers of the blocks that were asked for, once there are `count`, and no more for a while."""
    wait_until(lambda: len(made.fetched) >= count, interval=0.001)
    time.sleep(0.02)
    return [number for _, number in made.fetched]


def was_fetched(made: Place, number: int) -> bool:
    """Whether this block was asked for."""
    return number in [found for _, found in made.fetched]


def test_bytes_across_blocks() -> None:
    with place(most=4) as made:
        for offset, count in (
            (0, 10),
            (CACHED_BLOCK_BYTES - 3, 7),
            (5, 3 * CACHED_BLOCK_BYTES),
            (SIZE - 9, 9),
            (SIZE, 0),
        ):
            assert made.read(offset, count) == content_at("a", offset, count)
        assert made.read(77, 50, "bb") == content_at("bb", 77, 50)


def test_each_block_is_fetched_once_by_a_file_that_is_read_forwards() -> None:
    with place(most=4) as made:
        for offset in range(0, SIZE, PIECE):
            count = min(PIECE, SIZE - offset)
            assert made.read(offset, count) == content_at("a", offset, count)
            if offset >= CACHED_BLOCK_BYTES:  # and always ahead
                ahead = min(offset // CACHED_BLOCK_BYTES + 1, BLOCKS_IN_FILE - 1)
                wait_until(partial(was_fetched, made, ahead), interval=0.001)
        assert sorted(settled(made, BLOCKS_IN_FILE)) == list(range(BLOCKS_IN_FILE))


def test_the_next_blocks_are_fetched_before_they_are_asked_for() -> None:
    with place(most=6) as made:
        made.read(0, 10)
        assert settled(made, 1) == [0]  # a header: who knows what comes
        made.read(CACHED_BLOCK_BYTES, 10)
        assert sorted(settled(made, 4)) == [0, 1, 2, 3]


def test_reading_ahead_takes_no_place_of_a_block_in_use() -> None:
    with place(most=3) as made:
        for offset in range(0, CACHED_BLOCK_BYTES, PIECE):
            made.read(offset, 10)
            made.read(CACHED_BLOCK_BYTES + offset, 10)
            made.read(5 * CACHED_BLOCK_BYTES + offset, 10)
        assert sorted(settled(made, 4)) == [0, 1, 2, 5]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_in_turns_fetch_little_twice_and_keep_within_the_room(threads: int) -> None:
    most = 2 * threads + 2
    with place(most=most) as made, ThreadPoolExecutor(threads) as pool:

        def read(offset: int) -> bool:
            assert len(made.cache._blocks) <= most
            count = min(PIECE, SIZE - offset)
            return made.read(offset, count) == content_at("a", offset, count)

        assert all(pool.map(read, range(0, SIZE, PIECE)))
        assert len(made.fetched) <= BLOCKS_IN_FILE + threads
    assert made.cache.memory_bytes <= (most + 4) * CACHED_BLOCK_BYTES


def test_an_error_comes_to_whoever_needs_the_block() -> None:
    with place(most=6, broken=3) as made:
        made.read(0, 10)
        made.read(CACHED_BLOCK_BYTES, 10)
        settled(made, 4)
        made.read(2 * CACHED_BLOCK_BYTES, 10)
        with pytest.raises(WorkerError, match="broken"):
            made.read(3 * CACHED_BLOCK_BYTES, 10)


def test_a_block_that_must_go_still_reaches_who_waits_for_it() -> None:
    with place(most=2) as made, ThreadPoolExecutor(BLOCKS_IN_FILE) as pool:
        made.gate.clear()
        waiting = [pool.submit(made.read, number * CACHED_BLOCK_BYTES, 10) for number in range(BLOCKS_IN_FILE)]
        time.sleep(0.1)
        kept = len(made.cache._blocks)
        made.gate.set()
        assert kept == 2
        for number, found in enumerate(waiting):
            assert found.result(10) == content_at("a", number * CACHED_BLOCK_BYTES, 10)
