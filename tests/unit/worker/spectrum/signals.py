"""Recordings in memory, and spectrograms of them: by the stream, and by SciPy in double precision."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import (
    FrequencyRange,
    InputFormat,
    Reduce,
    Reduction,
    Transform,
    Window,
    WindowName,
)
from spectrogram_worker.sources.recording import Description, Recording
from spectrogram_worker.sources.selection import Selection
from spectrogram_worker.spectrum.axes import Layout
from spectrogram_worker.spectrum.stream import ColumnStream

RATE = Fraction(1_000_000)
ALL = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)
LINEAR: dict[Reduction, Callable[..., Any]] = {Reduction.MAX: np.max, Reduction.MEAN: np.mean, Reduction.MIN: np.min}


class MemoryRecording:
    """A recording of samples in memory; NaN marks what is missing. `before_read` is called with each read's start."""

    def __init__(
        self,
        samples: NDArray[Any],
        *,
        center_frequency: float = 0.0,
        rate: Fraction = RATE,
        before_read: Callable[[int], None] = lambda start: None,
    ) -> None:
        self.samples = samples
        self.before_read = before_read
        self.open_readers = 0
        self.description = Description(
            format=InputFormat.RAW,
            name="memory",
            sample_rate=rate,
            center_frequency=center_frequency,
            start_time=datetime(2026, 11, 1, tzinfo=UTC),
            is_complex=np.iscomplexobj(samples),
            length=len(samples),
            bytes_per_sample=samples.itemsize,
            sample_type="cf32_le",
        )

    def reader(self) -> "MemoryReader":
        self.open_readers += 1
        return MemoryReader(self)

    def close(self) -> None:
        pass


class MemoryReader:
    def __init__(self, recording: MemoryRecording) -> None:
        self.recording = recording
        self.at_full_scale: int | None = None

    def read(self, start: int, samples: NDArray[Any], *, counted: int = 0) -> NDArray[np.bool_] | None:
        self.recording.before_read(start)
        wanted = self.recording.samples[start : start + len(samples)]
        assert len(wanted) == len(samples), "read past the end"
        missing = ~np.isfinite(wanted)
        samples[...] = np.where(missing, 0, wanted)
        return missing if missing.any() else None

    def in_files(self, start: int, count: int) -> None:
        pass

    def close(self) -> None:
        self.recording.open_readers -= 1


def hann(length: int | None = None) -> Window:
    return Window(name=WindowName.HANN, length=length)


def stream(
    recording: Recording,
    transform: Transform,
    reduce: Reduce | None = None,
    band: FrequencyRange | None = None,
    *,
    start: int = 0,
    count: int | None = None,
    **options: Any,
) -> ColumnStream:
    """A stream over a part of a recording."""
    count = recording.description.length - start if count is None else count
    selection = Selection(start=start, count=count)
    return ColumnStream(recording, selection, transform, reduce or Reduce(time=ALL), band, **options)


def taken(columns: ColumnStream) -> NDArray[np.float32]:
    """All columns of a stream, (reductions, F, T); they come in order, as the layout says."""
    found = list(columns.columns())
    layout: Layout = columns.layout
    assert [column.index for column in found] == list(range(len(layout.times)))
    values = np.stack([column.values for column in found], axis=-1)
    assert values.shape == (len(layout.reductions), len(layout.frequencies), len(layout.times))
    assert values.dtype == np.float32
    return values


def frame_powers(samples: NDArray[Any], transform: Transform, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """The density of every frame by scipy.signal.spectrogram in double precision, (F, frames), two-sided if complex."""
    length, hop = transform.window_length, transform.hop_size
    is_complex = np.iscomplexobj(samples)
    double = samples.astype(np.complex128 if is_complex else np.float64)
    if hop > length:  # what scipy cannot skip is cut out before
        frames = (len(double) - length) // hop + 1
        double = np.concatenate([double[frame * hop : frame * hop + length] for frame in range(frames)])
    power: NDArray[np.float64] = scipy.signal.spectrogram(
        double,
        float(RATE),
        window,
        noverlap=max(0, length - hop),
        nfft=transform.fft_size,
        detrend="constant" if transform.detrend == "constant" else False,
        return_onesided=not is_complex,
        mode="psd",
    )[2]
    return np.fft.fftshift(power, axes=0) if is_complex else power


def reduced(powers: NDArray[np.float64], per_column: int, reductions: Sequence[Reduction] = ALL) -> NDArray[np.float64]:
    """dB of the frames' powers (F, frames) reduced over columns; NaN frames are left out. (reductions, F, T)"""
    starts = range(0, powers.shape[1], per_column)
    result = np.full((len(reductions), powers.shape[0], len(starts)), np.nan)
    for place, reduction in enumerate(reductions):
        for column, start in enumerate(starts):
            part = powers[:, start : start + per_column]
            part = part[:, ~np.isnan(part[0])]
            if part.shape[1]:
                result[place, :, column] = 10 * np.log10(LINEAR[reduction](part, axis=1))
    return result


def tone_in_noise(count: int, *, is_complex: bool, noise: float = 3e-4, seed: int = 1) -> NDArray[Any]:
    """A tone of amplitude 0.9 over noise some 100 dB below its peak, in double precision."""
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * 0.1234 * np.arange(count)
    if is_complex:
        both: NDArray[Any] = 0.9 * np.exp(1j * phase) + noise * (random.normal(size=(count, 2)) @ [1, 1j])
        return both
    real: NDArray[Any] = 0.9 * np.cos(phase) + noise * random.normal(size=count)
    return real
