"""Shape, axes and units of a spectrogram, known before the first sample is read: which bins, at which frequencies and
times, in decibels relative to what; and the column that it is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import Framing
from spectrogram_worker.contract.parameters import FrequencyRange, Reduce, Reduction, Transform
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.windows import window_values

_ROUNDING = 1e-6
"""Share of a bin's width by which the end of a band may miss a centre."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Axes and bookkeeping of the result, F bins by T columns for each reduction.

    frequencies: (F,) Hz, absolute, ascending. times: (T,) seconds after the range's start, middle of each column.
    unit: of the values, as written on the colour bar.
    """

    frequencies: NDArray[np.float64]
    times: NDArray[np.float64]
    reductions: tuple[Reduction, ...]
    frames: int
    frames_per_column: int
    samples: int
    unit: str


@dataclass(frozen=True)
class Column:
    """One finished column: `values` is (reductions, F) float32 in dB; NaN is no data, −inf is zero power.

    frames: how many of its frames have data.
    """

    index: int
    values: NDArray[np.float32]
    frames: int


@dataclass(frozen=True)
class Bins:
    """The bins that are kept, ascending in frequency.

    order: (F,) their places in the transform's output. frequencies: (F,) Hz, absolute. offsets: (F,) dB to add to the
    transform's |X|².
    """

    order: NDArray[np.intp]
    frequencies: NDArray[np.float64]
    offsets: NDArray[np.float64]


def plan_layout(
    description: Description, samples: int, transform: Transform, reduce: Reduce, band: FrequencyRange | None = None
) -> Layout:
    """The shape and axes of the spectrogram of a range of `samples` samples.

    Raises WorkerError 65 where the range is shorter than the window, or the band holds no bin.
    """
    framing = frame(samples, transform, reduce)
    return layout_of(description, framing, choose_bins(description, transform, band), transform, reduce)


def layout_of(description: Description, framing: Framing, bins: Bins, transform: Transform, reduce: Reduce) -> Layout:
    """The layout of bins and frames that are chosen already."""
    return Layout(
        frequencies=bins.frequencies,
        times=column_times(description, framing),
        reductions=reduce.time,
        frames=framing.frames,
        frames_per_column=framing.frames_per_column,
        samples=framing.samples,
        unit=transform.unit,
    )


def transform_warnings(transform: Transform) -> tuple[str, ...]:
    """What a user should know about the transform, as lines."""
    if transform.hop_size <= transform.window_length:
        return ()
    skipped = transform.hop_size - transform.window_length
    return (
        f"transform.hopSize {transform.hop_size} is larger than the window ({transform.window_length} samples):"
        f" {skipped} samples between two frames are not looked at",
    )


def column_times(description: Description, framing: Framing) -> NDArray[np.float64]:
    """Seconds from the range's first sample to the middle of each column, (T,): the mean of its frames' middles."""
    # In half samples and integers: a day at 100 MHz has 9e12 samples, and half of a hop must not be lost.
    halves = np.arange(framing.columns, dtype=np.int64) * (2 * framing.frames_per_column)
    halves += framing.frames_per_column - 1
    halves[-1] = (framing.columns - 1) * framing.frames_per_column + framing.frames - 1
    halves *= framing.hop
    halves += framing.window_length
    times: NDArray[np.float64] = halves / (2 * float(description.sample_rate))
    return times


def choose_bins(description: Description, transform: Transform, band: FrequencyRange | None = None) -> Bins:
    """The bins whose centre lies in the band, both ends included, or all of them.

    Complex samples have a two-sided axis, −fs/2 … fs/2 − Δf for even sizes; real ones a one-sided axis, 0 … fs/2. The
    centre frequency is added. Raises WorkerError 65 where no bin is in the band.
    """
    size, rate = transform.fft_size, float(description.sample_rate)
    steps = np.arange(size) - size // 2 if description.is_complex else np.arange(size // 2 + 1)
    frequencies = np.asarray(steps * (rate / size) + description.center_frequency, np.float64)
    kept = np.ones(len(steps), np.bool_)
    if band is not None:
        # An end that is a bin's centre, 250 Hz for 15 · 8000/480, may have been rounded otherwise than the bin.
        rounding = _ROUNDING * rate / size + 2 * np.spacing(np.abs(frequencies).max())
        kept = (frequencies >= band.lower - rounding) & (frequencies <= band.upper + rounding)
        if not kept.any():
            raise input_invalid(
                f"frequencyRange {band.lower:.12g} to {band.upper:.12g} Hz holds no bin: the recording covers"
                f" {frequencies[0]:.12g} to {frequencies[-1]:.12g} Hz, in steps of {rate / size:.6g} Hz"
            )
    offsets = np.full(len(steps), _scale_db(transform, rate) + transform.offset_db)
    if not description.is_complex:
        # The negative frequencies' half: twice the power, or twice the amplitude, but DC and Nyquist have no twin.
        twins = (steps > 0) & (2 * steps != size)
        offsets[twins] += 10 * np.log10(2.0 if transform.scaling == "density" else 4.0)
    return Bins(order=(steps % size)[kept], frequencies=frequencies[kept], offsets=offsets[kept])


def _scale_db(transform: Transform, rate: float) -> float:
    """dB of the factor that makes |X|² a density, 1 / (fs·Σw²), or a spectrum, 1 / (Σw)²."""
    window = window_values(transform.window, transform.window_length)
    divisor = rate * np.sum(window**2) if transform.scaling == "density" else np.sum(window) ** 2
    return float(-10 * np.log10(divisor))
