"""How the stream stops, fails, shares its work and stays small; no thread outlives a test."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.waiting import wait_until
from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel
from spectrogram_worker.spectrum.items import ItemWorker
from unit.worker.spectrum.signals import MemoryRecording, stream, taken

EVERY_FRAME = Reduce(time=(Reduction.NONE,))


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not transform_threads()


def transform_threads() -> list[str]:
    """Names of the threads that transform now."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("transform")]


@pytest.mark.parametrize("threads", [1, 3])
def test_should_stop_ends_the_stream(threads: int) -> None:
    asked = threading.Event()
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    found = stream(
        recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads, should_stop=asked.is_set
    )
    columns = found.columns()
    next(columns)
    asked.set()
    rest = sum(1 for _ in columns)
    assert found.stopped
    assert rest < 99_000
    assert recording.open_readers == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_a_read_that_does_not_come_back_holds_up_no_stop(threads: int) -> None:
    stalled, asked, released = threading.Event(), threading.Event(), threading.Event()

    def stall(start: int) -> None:
        if start >= 500_000:
            stalled.set()
            released.wait()

    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=stall)
    transform, reduce = Transform(fft_size=100, hop_size=100), Reduce(time=(Reduction.MAX,), columns=50)
    found = stream(recording, transform, reduce, threads=threads, read_bytes=1, should_stop=asked.is_set)
    done = 0
    try:
        for _ in found.columns():
            done += 1
            if done == 25:
                assert stalled.wait(60)
                asked.set()
        assert (found.stopped, done) == (True, 25)
    finally:
        released.set()
    wait_until(lambda: recording.open_readers == 0)
    wait_until(lambda: not transform_threads())


def test_samples_advance_within_a_column() -> None:
    told: list[int] = []
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    reduce = Reduce(time=(Reduction.MAX,), columns=1)
    found = stream(recording, Transform(fft_size=64, hop_size=64), reduce, read_bytes=1, advanced=told.append)
    assert len(list(found.columns())) == 1
    assert len(told) > 10
    assert told == sorted(set(told))
    assert (told[0] > 0, told[-1]) == (True, 1_000_000)


@pytest.mark.parametrize("threads", [1, 3])
def test_closing_the_columns_ends_the_threads(threads: int) -> None:
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    columns: Any = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads).columns()
    next(columns)
    columns.close()
    assert recording.open_readers == 0


def test_work_under_way_is_given_up_when_the_columns_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is reading when the consumer leaves transforms nothing any more."""
    closed = threading.Event()
    transformed: list[bool] = []
    original = CompiledKernel.reduce

    def count(*arguments: Any) -> NDArray[np.int64]:
        transformed.append(closed.is_set())
        return original(*arguments)

    def linger(start: int) -> None:
        if start:
            closed.wait(60)

    monkeypatch.setattr(CompiledKernel, "reduce", count)
    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=linger)
    found = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=2)
    columns: Any = found.columns()
    next(columns)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", _announcing(closed))
    columns.close()
    assert transformed
    assert not any(transformed)


def _announcing(closed: threading.Event) -> Any:
    original = ThreadPoolExecutor.shutdown

    def shutdown(pool: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        closed.set()
        original(pool, *arguments, **options)

    return shutdown


@pytest.mark.parametrize("error", [input_invalid("noise.raw was cut off"), MemoryError("no room"), OSError(5, "disk")])
@pytest.mark.parametrize("threads", [1, 3])
def test_errors_in_threads_reach_the_consumer(threads: int, error: Exception) -> None:
    def fail(start: int) -> None:
        if start > 500_000:
            raise error

    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=fail)
    found = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads)
    seen: list[int] = []
    with pytest.raises(type(error)) as caught:
        seen.extend(column.index for column in found.columns())
    assert caught.value is error
    assert len(seen) > 40_000
    assert recording.open_readers == 0


@pytest.mark.parametrize("columns", [None, 1])
def test_threads_run_only_a_little_ahead(columns: int | None) -> None:
    """However slow the consumer: at most two items per thread, so memory does not grow with the recording."""
    reads: list[int] = []
    recording = MemoryRecording(np.zeros(2_000_000, np.float32), before_read=reads.append)
    reduce = EVERY_FRAME if columns is None else Reduce(columns=columns)
    found = stream(recording, Transform(fft_size=64, hop_size=32), reduce, threads=2, read_bytes=8000)
    ahead = 0
    for column in found.columns():
        if columns is None:
            ahead = max(ahead, max(reads) - column.index * 32)
    assert len(reads) >= 2_000_000 // found.read_samples
    assert ahead <= 5 * 16 * found.read_samples, "an item has 16 reads"


def test_a_huge_column_is_shared_by_all_threads() -> None:
    """Two threads must be at work in the one column before either may go on."""
    together = threading.Barrier(2, timeout=60)
    first: list[int] = []

    def meet(start: int) -> None:
        if len(first) < 2:
            first.append(start)
            together.wait()

    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=meet)
    found = stream(recording, Transform(fft_size=64, hop_size=10), Reduce(columns=1), threads=2, read_bytes=2**17)
    taken(found)
    assert len(set(first)) == 2


@pytest.mark.parametrize("ending", ["all taken", "closed"])
def test_the_buffers_are_released_with_the_columns(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """The stream lives on, for its gaps, while the picture is drawn in the memory that the transform had."""
    made: list[weakref.ref[ItemWorker]] = []

    class Watched(ItemWorker):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(weakref.ref(self))

    monkeypatch.setattr("spectrogram_worker.spectrum.stream.ItemWorker", Watched)
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    found = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=3)
    columns: Any = found.columns()
    next(columns)
    if ending == "closed":
        columns.close()
    assert sum(1 for _ in columns) == (0 if ending == "closed" else len(found.layout.times) - 1)
    gc.collect()
    assert [worker() for worker in made] == [None, None, None]


@pytest.mark.parametrize("read_bytes", [1, 512 * 1024, 16 * 2**20, 2**40])
def test_reads_stay_below_16_mib(read_bytes: int) -> None:
    recording = MemoryRecording(np.zeros(1, np.complex64))
    for fft_size, hop in ((8, 1), (1024, 500), (65_536, 100), (1_048_576, 1_000_000), (64, 2**30)):
        transform = Transform(fft_size=fft_size, hop_size=hop)
        found = stream(recording, transform, count=2**40, read_bytes=read_bytes)
        assert found.read_samples * 8 <= max(16 * 2**20, (fft_size + hop) * 8 if hop <= fft_size else 0)
