"""The streaming transform: columns in order, from a recording of any length, in memory that does not grow with it.

Threads read and reduce items (contract/framing.py draws them), each with a reader and buffers of its own; whoever asks
for columns combines the items' results in order. So all threads share even a column that is one hour long. At most two
items per thread are under way.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event
from typing import Any

from numpy.typing import NDArray

from spectrogram_worker.contract.memory import ITEMS_PER_THREAD, READ_BYTES
from spectrogram_worker.contract.parameters import FrequencyRange, Reduce, Transform
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.recording import Recording
from spectrogram_worker.sources.selection import Selection
from spectrogram_worker.spectrum.axes import Column, choose_bins, layout_of
from spectrogram_worker.spectrum.columns import ColumnBuilder
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.gaps import Gaps
from spectrogram_worker.spectrum.items import ItemWorker, Result, Stopped, cut
from spectrogram_worker.spectrum.power import PowerPlan

PATIENCE_SECONDS = 2.0
"""How long the end of the transform waits for threads that read. One that waits longer for a store or a file system is
left behind: nothing can interrupt it, and what is done must be published before somebody ends the process."""
_LOOK_SECONDS = 0.1


class ColumnStream:
    """The spectrogram of a selection, column by column.

    layout: known at once. gaps, frames_without_data, at_full_scale: what was found among the `samples` that were looked
    at. Once all columns have been taken these are all of the selection's, but for samples between frames that lie far
    apart. at_full_scale is None for floating-point samples. stopped: True when `should_stop` ended it.

    read_bytes is how much a thread reads at a time, in bytes of converted samples: at most 2 MiB, at least one batch.
    Neither it nor `threads` changes a bit of the result. should_stop is asked often, from several threads. advanced is
    told after every item how many samples are done.
    """

    def __init__(
        self,
        recording: Recording,
        selection: Selection,
        transform: Transform,
        reduce: Reduce,
        band: FrequencyRange | None = None,
        *,
        threads: int = 1,
        read_bytes: int = READ_BYTES,
        should_stop: Callable[[], bool] = lambda: False,
        advanced: Callable[[int], None] = lambda samples: None,
    ) -> None:
        description = recording.description
        self._framing = frame(selection.count, transform, reduce)
        bins = choose_bins(description, transform, band)
        self.layout = layout_of(description, self._framing, bins, transform, reduce)
        self.gaps = Gaps()
        self.frames_without_data = self.samples = 0
        self.at_full_scale: int | None = 0
        self.stopped = False
        self._recording = recording
        self._selection = selection
        self._reductions = reduce.time
        self._items = cut(
            self._framing,
            transform,
            is_complex=description.is_complex,
            reductions=len(reduce.time),
            read_bytes=min(read_bytes, READ_BYTES),
        )
        self._builder = ColumnBuilder(self._framing, bins, reduce.time, self.plan.power_dtype)
        self._threads = min(threads, self._items.count)
        self._should_stop, self._advanced = should_stop, advanced
        self._closed = Event()
        self._idle: SimpleQueue[ItemWorker] = SimpleQueue()
        self._under_way: deque[Future[Result]] = deque()

    @property
    def plan(self) -> PowerPlan:
        """What is computed of each frame."""
        return self._items.plan

    @property
    def read_samples(self) -> int:
        """Samples that a thread reads at a time, at most."""
        return self._items.read_samples

    def columns(self) -> Iterator[Column]:
        """All columns in order, once. Closing the iterator ends the threads; so does `should_stop`.

        Raises WorkerError: what reading raises; 65 where no frame at all has data, or the precision overflows.
        """
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="transform")
        try:
            for _ in range(self._threads):
                reader = self._recording.reader()
                start = self._selection.start
                self._idle.put(ItemWorker(reader, start, self._items, self._reductions))
            for result in self._results(pool):
                self.gaps.add(result.missing)
                self.frames_without_data += result.frames_without_data
                self.samples += result.samples
                self._count(result.at_full_scale)
                yield from self._builder.add(result.first_block, result.power, result.frames)
                blocks = result.first_block + len(result.power)
                self._advanced(self._framing.samples * blocks // self._framing.blocks)
            if self._builder.frames == 0:
                raise input_invalid(
                    f"no frame has data: {self.gaps.missing_samples} of {self._selection.count} samples are missing,"
                    " choose another range or a shorter window"
                )
        except Stopped:
            self.stopped = True
        finally:
            self._close(pool)

    def _count(self, at_full_scale: int | None) -> None:
        is_known = self.at_full_scale is not None and at_full_scale is not None
        self.at_full_scale = (self.at_full_scale or 0) + (at_full_scale or 0) if is_known else None

    def _close(self, pool: ThreadPoolExecutor) -> None:
        """End the threads, but for those that do not come back from a read, and release what the others used."""
        self._closed.set()
        pool.shutdown(wait=False, cancel_futures=True)
        running = [future for future in self._under_way if not future.cancelled()]
        if not wait(running, PATIENCE_SECONDS).not_done:
            pool.shutdown()
        while not self._idle.empty():
            self._idle.get().close()
        self._under_way.clear()  # with their results, this makes room for what comes after the transform

    def _results(self, pool: ThreadPoolExecutor) -> Iterator[Result]:
        """The items' results in order; `room` is used again once the next result is asked for."""
        rooms = [self._items.new_result() for _ in range(ITEMS_PER_THREAD * self._threads)]
        item = 0
        while item < self._items.count or self._under_way:
            while item < self._items.count and rooms:
                self._under_way.append(pool.submit(self._process, item, rooms.pop()))
                item += 1
            next_one = self._under_way[0]
            while not next_one.done() and not wait([next_one], _LOOK_SECONDS).done:
                if self._should_stop():
                    raise Stopped
            result = self._under_way.popleft().result()
            yield result
            rooms.append(result.room)

    def _process(self, item: int, room: NDArray[Any]) -> Result:
        worker = self._idle.get()
        try:
            return worker.process(item, room, self._give_up)
        finally:
            if self._closed.is_set():
                worker.close()
            else:
                self._idle.put(worker)

    def _give_up(self) -> bool:
        return self._closed.is_set() or self._should_stop()
