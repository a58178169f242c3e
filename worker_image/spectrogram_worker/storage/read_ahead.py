"""A cache of blocks of remote files that reads ahead; all threads that read a recording share it.

They read a file forwards, in turns, and what one thread asks for often ends in the block that the next one needs. So a
block is fetched once, by a thread of the cache; and where a file's blocks are asked for one after the other, the next
two are fetched before anyone asks.
"""

import mmap
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from spectrogram_worker.contract.memory import CACHED_BLOCK_BYTES, FETCHING_THREADS, cache_bytes

_AHEAD = 2
_PATIENCE_SECONDS = 1.0
_LOOK_SECONDS = 0.1

File = TypeVar("File")


def new_room(count: int) -> memoryview:
    """Memory for `count` bytes, more than 0, that goes back to the system at once when nobody needs it any more."""
    return memoryview(mmap.mmap(-1, count))


class ReadAheadCache(Generic[File]):
    """Holds at most `most` blocks of 4 MiB; safe for several threads. `fetch(file, start, content)` fills `content`.

    It takes the memory of four blocks more, at most: one that was dropped lives on while it is being fetched or read.
    When the cache is full, blocks that were read to their end are dropped first, then those that nobody has asked for
    yet, then the one that was not asked for the longest. Fetching ahead drops only blocks that were read to their end.
    `raise_if_stopped` is asked again and again by whoever waits for a block: a store that stalls holds up no stop.
    """

    def __init__(
        self,
        fetch: Callable[[File, int, memoryview], None],
        most: int,
        raise_if_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self._fetch, self._most, self._raise_if_stopped = fetch, most, raise_if_stopped
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[File, int], Future[memoryview]] = OrderedDict()
        self._finished: set[tuple[File, int]] = set()
        self._pool = ThreadPoolExecutor(FETCHING_THREADS, thread_name_prefix="fetch")

    @property
    def memory_bytes(self) -> int:
        """What the cache takes, at most."""
        return cache_bytes(self._most)

    def read(self, file: File, size: int, offset: int, content: memoryview) -> None:
        """Fill `content` with the bytes from `offset` on of a file of `size` bytes.

        Raises what `fetch` and `raise_if_stopped` raise.
        """
        while content:
            number, begin = divmod(offset, CACHED_BLOCK_BYTES)
            block = self._awaited(self._block(file, size, number))
            piece = block[begin : begin + len(content)]
            content[: len(piece)] = piece
            content, offset = content[len(piece) :], offset + len(piece)
            if begin + len(piece) == len(block):
                with self._lock:
                    self._finished.update({(file, number)} & self._blocks.keys())

    def _awaited(self, block: "Future[memoryview]") -> memoryview:
        while not block.done() and not wait([block], _LOOK_SECONDS).done:
            self._raise_if_stopped()
        return block.result()

    def _block(self, file: File, size: int, number: int) -> "Future[memoryview]":
        with self._lock:
            reads_on = (file, number - 1) in self._blocks
            wanted = self._blocks.get((file, number)) or self._begin(file, size, number)
            self._blocks.move_to_end((file, number))
            for ahead in range(number + 1, number + 1 + _AHEAD):
                if (
                    reads_on
                    and (file, ahead) not in self._blocks
                    and ahead * CACHED_BLOCK_BYTES < size
                    and self._has_room()
                ):
                    self._begin(file, size, ahead)
                    self._blocks.move_to_end((file, ahead), last=False)
        return wanted

    def _begin(self, file: File, size: int, number: int) -> "Future[memoryview]":
        if not self._has_room():
            self._drop(next(iter(self._blocks)))
        found = self._pool.submit(self._fetched, file, size, number)
        self._blocks[file, number] = found
        return found

    def _fetched(self, file: File, size: int, number: int) -> memoryview:
        start = number * CACHED_BLOCK_BYTES
        content = new_room(min(CACHED_BLOCK_BYTES, size - start))
        self._fetch(file, start, content)
        return content

    def _has_room(self) -> bool:
        """Whether there is a place for one more block, after those that nobody needs have made room."""
        while len(self._blocks) >= self._most and self._finished:
            self._drop(next(key for key in self._blocks if key in self._finished))
        return len(self._blocks) < self._most

    def _drop(self, key: tuple[File, int]) -> None:
        del self._blocks[key]  # not cancelled: a reader may be waiting for it
        self._finished.discard(key)

    def close(self) -> None:
        """Forget the blocks and end the threads, but for one that does not come back from a store that stalls."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            fetching = [block for block in self._blocks.values() if not block.cancelled()]
            self._blocks.clear()
            self._finished.clear()
        wait(fetching, _PATIENCE_SECONDS)
