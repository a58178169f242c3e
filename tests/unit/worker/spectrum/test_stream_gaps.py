"""Gaps in the stream: frames that touch one are left out, what is missing is counted once and listed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Reduce, Transform, Window, WindowName
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import says
from unit.worker.spectrum.signals import ALL, MemoryRecording, frame_powers, hann, reduced, stream, taken


def gapped() -> tuple[NDArray[Any], Transform]:
    """20,000 samples: one missing alone, a few columns' worth, one missing, and the last ones."""
    samples = np.random.default_rng(1).normal(size=20_000)
    samples[[100, 15_000]] = np.nan
    samples[5_000:9_000] = np.nan
    samples[19_990:] = np.nan
    return samples, Transform(fft_size=256, hop_size=100, window=hann())


@pytest.mark.parametrize("columns", [1, 3, 20, 4096])
def test_frames_that_touch_a_gap_are_left_out(columns: int) -> None:
    """One NaN would poison every frame over it; painted as floor it would look like silence."""
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=columns), threads=2)
    powers = frame_powers(np.nan_to_num(samples), transform, np.hanning(257)[:256])
    touched = np.array([np.isnan(samples[k * 100 : k * 100 + 256]).any() for k in range(powers.shape[1])])
    powers[:, touched] = np.nan
    values = taken(found)
    np.testing.assert_allclose(values, reduced(powers, found.layout.frames_per_column), atol=0.02)
    assert found.frames_without_data == touched.sum()
    assert np.isnan(values).any() == (columns > 3)


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(8, 64),
    hop=st.integers(1, 100),
    frames=st.integers(2, 200),
    gaps=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 300)), min_size=1, max_size=6),
)
def test_each_frame_that_touches_a_gap_is_counted(
    length: int, hop: int, frames: int, gaps: list[tuple[float, int]]
) -> None:
    samples = np.ones((frames - 1) * hop + length)
    for place, size in gaps:
        first = int(place * (len(samples) - 1))
        samples[first : first + size] = np.nan
    samples[:length] = 1  # one frame has data
    window = Window(name=WindowName.HANN, length=length)
    transform = Transform(fft_size=64, hop_size=hop, window=window)
    found = stream(MemoryRecording(samples), transform, read_bytes=1)
    taken(found)
    touched = [np.isnan(samples[k * hop : k * hop + length]).any() for k in range(frames)]
    assert found.frames_without_data == sum(touched)


def test_gaps_are_counted_once_and_listed() -> None:
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, threads=3, read_bytes=1)
    taken(found)
    assert found.gaps.listed == [(100, 101), (5000, 9000), (15_000, 15_001), (19_990, 20_000)]
    assert (found.gaps.count, found.gaps.missing_samples) == (4, 4012)


def test_gaps_where_two_reads_overlap_are_counted_once() -> None:
    samples = np.random.default_rng(1).normal(size=50_000)
    samples[::777] = np.nan
    samples[20_000:30_000] = np.nan
    found = stream(MemoryRecording(samples), Transform(fft_size=64, hop_size=3), threads=2, read_bytes=1)
    taken(found)
    assert (found.gaps.count, found.gaps.missing_samples) == (53, 10_052)


def test_gaps_count_from_the_recordings_first_sample() -> None:
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, start=8_000, count=7_001)
    taken(found)
    assert found.gaps.listed == [(8000, 9000), (15_000, 15_001)]


def test_the_list_of_gaps_does_not_grow_without_end() -> None:
    samples = np.ones(200_000)
    samples[::100] = np.nan
    found = stream(MemoryRecording(samples), Transform(fft_size=64, hop_size=10), Reduce(columns=10))
    taken(found)
    assert (found.gaps.count, found.gaps.missing_samples, len(found.gaps.listed)) == (2000, 2000, 1000)
    assert found.gaps.listed[-1] == (99_900, 99_901)


def test_no_frame_with_data_is_invalid() -> None:
    samples = np.ones(5000)
    samples[::50] = np.nan
    with pytest.raises(WorkerError) as caught:
        taken(stream(MemoryRecording(samples), Transform(fft_size=64)))
    assert says(caught.value, ExitCode.INPUT_INVALID, "no frame has data", "100 of 5000 samples")
