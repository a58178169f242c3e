"""Not one bit depends on how much is read at a time or on the number of threads: property tests."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform, Window, WindowName
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.spectrum.framing import frame, frames_of
from spectrogram_worker.spectrum.items import cut
from unit.worker.spectrum.signals import MemoryRecording, stream, taken

READ_BYTES = [1, 1000, 10_000, 65_536, 512 * 1024, 8 * 2**20]
REDUCTIONS = [
    (Reduction.MAX, Reduction.MEAN),
    (Reduction.MEAN,),
    (Reduction.MIN, Reduction.MEAN, Reduction.MAX),
    (Reduction.NONE,),
]


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], Transform, Reduce]:
    """Samples with gaps, and a transform of them: columns of many blocks, and blocks of many columns."""
    fft_size = draw(st.sampled_from([8, 9, 16, 60, 64, 128, 255, 256, 1000, 1024, 4096, 40_000]))
    length = draw(st.sampled_from([8, fft_size // 2, fft_size]).filter(lambda n: n >= 8))
    hop = draw(
        st.sampled_from([1, 3, length // 4, length // 2, length - 1, length, length + 1, 3 * length]).filter(bool)
    )
    frames = draw(st.integers(1, max(1, min(3000, 400_000 // fft_size))))
    count = (frames - 1) * hop + length + draw(st.integers(0, hop - 1))
    transform = Transform(
        fft_size=fft_size,
        hop_size=hop,
        window=Window(name=draw(st.sampled_from(list(WindowName))), length=length),
        precision=draw(st.sampled_from(["single", "double"])),
        detrend=draw(st.sampled_from(["none", "constant"])),
    )
    reduce = Reduce(time=draw(st.sampled_from(REDUCTIONS)), columns=draw(st.sampled_from([1, 2, 7, 50, 4096])))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    samples = random.normal(size=count).astype(np.float32)
    if draw(st.booleans()):
        samples = (samples + 1j * random.normal(size=count)).astype(np.complex64)
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, count - 1))
        samples[first : first + draw(st.sampled_from([1, 20, length, 5 * length, 70 * hop]))] = np.nan
    return samples, transform, reduce


def outcome(job: tuple[NDArray[Any], Transform, Reduce], threads: int, read_bytes: int) -> Any:
    """Everything that a stream says: columns, gaps, counts, or why there are none."""
    samples, transform, reduce = job
    found = stream(MemoryRecording(samples), transform, reduce, threads=threads, read_bytes=read_bytes)
    try:
        values = taken(found).tobytes()
    except WorkerError as error:
        values = str(error).encode()
    gaps = found.gaps
    return values, gaps.count, gaps.missing_samples, gaps.listed, found.frames_without_data


@settings(max_examples=150, deadline=None)
@given(job=jobs(), threads=st.integers(1, 4), read_bytes=st.sampled_from(READ_BYTES))
def test_any_read_size_and_thread_count_gives_the_same_bits(
    job: tuple[NDArray[Any], Transform, Reduce], threads: int, read_bytes: int
) -> None:
    assert outcome(job, threads, read_bytes) == outcome(job, 1, 1)


def long_job(columns: int, fft_size: int = 1024, hop: int = 300) -> tuple[NDArray[Any], Transform, Reduce]:
    samples = np.random.default_rng(1).normal(size=(700_001, 2)).astype(np.float32).view(np.complex64)[:, 0]
    samples[[5, 300_000]] = np.nan
    return samples, Transform(fft_size=fft_size, hop_size=hop), Reduce(time=REDUCTIONS[2], columns=columns)


@pytest.mark.parametrize("columns", [1, 3, 71, 4096])
def test_a_long_recording_gives_the_same_bits(columns: int) -> None:
    """One column for all, columns of one block and a bit (r = 33 frames), and one column for each frame."""
    job = long_job(columns)
    expected = outcome(job, 1, 1)
    for threads, read_bytes in ((1, 8 * 2**20), (2, 512 * 1024), (3, 300_000), (4, 1)):
        assert outcome(job, threads, read_bytes) == expected


@given(job=jobs(), read_bytes=st.sampled_from(READ_BYTES))
def test_items_are_whole_batches(job: tuple[NDArray[Any], Transform, Reduce], read_bytes: int) -> None:
    """So the frames that are transformed together are the same for every read size: an FFT may round by company."""
    samples, transform, reduce = job
    framing = frame(len(samples), transform, reduce)
    items = cut(framing, transform, is_complex=True, reductions=len(reduce.time), read_bytes=read_bytes)
    blocks = [items.blocks_of(item) for item in range(items.count)]
    assert blocks[0][0] == 0
    assert blocks[-1][1] == framing.blocks
    assert all(stop == start for (_, stop), (start, _) in pairwise(blocks))
    assert all(start % framing.batch_blocks == 0 for start, _ in blocks)
    frames = frames_of(framing, 0, framing.blocks).tolist()
    assert frames[0][0] == 0
    assert frames[-1][1] == framing.frames
    assert all(stop == start for (_, stop), (start, _) in pairwise(frames))
    assert all(start // framing.frames_per_column == (stop - 1) // framing.frames_per_column for start, stop in frames)


def test_chunks_leave_no_seams() -> None:
    """Each chunk is read with the window's overlap and never padded: 403 columns, not 412, and none darker."""
    job = long_job(403, hop=1024)
    samples, transform, _ = job
    constant = np.ones_like(samples)
    reduce = Reduce(time=(Reduction.MIN,), columns=403)
    found = stream(MemoryRecording(constant), transform, reduce, threads=2, read_bytes=50_000)
    values = taken(found)[0]
    assert values.shape[1] == found.layout.times.size == -(-683 // 2)
    assert np.ptp(values[512]) == 0


@example(first=3, second=2)
@example(first=40, second=40)
@given(first=st.integers(1, 40), second=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_a_column_does_not_depend_on_what_follows_it(first: int, second: int) -> None:
    """A recording that is cut later has the same first column, bit for bit: frames are counted from it."""
    samples = np.random.default_rng(1).normal(size=52_000).astype(np.float32)
    transform = Transform(fft_size=64, hop_size=16)
    counts = [(first + more - 1) * 40 * 16 + 39 * 16 + 64 for more in (0, second)]
    columns = [
        taken(stream(MemoryRecording(samples), transform, Reduce(columns=first + more), count=count))
        for more, count in zip((0, second), counts, strict=True)
    ]
    np.testing.assert_array_equal(columns[0], columns[1][:, :, :first])
