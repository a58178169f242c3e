"""What the example's arrays must be, from scipy in double precision and the samples as digital_rf reads them."""

from pathlib import Path
from typing import Any

import digital_rf
import numpy as np
import scipy.signal
from numpy.typing import NDArray

Array = NDArray[np.float64]


def read_samples(recording: Path, channel: str) -> NDArray[np.complex128]:
    """All samples, full scale 1, NaN where there are none."""
    reader = digital_rf.DigitalRFReader(str(recording))
    first, last = reader.get_bounds(channel)
    samples = np.full(last - first + 1, np.nan, np.complex128)
    for start, length in reader.get_continuous_blocks(first, last, channel).items():
        samples[start - first : start - first + length] = reader.read_vector(start, length, channel) / 2**15
    return samples


def reduced_spectrogram(
    samples: NDArray[np.complex128], rate: float, *, window: str, fft: int, hop: int, columns: int
) -> tuple[Array, Array, Array]:
    """Times of the columns in s; in dB their maximum and mean power density, (fft, columns), lowest frequency first.

    A frame with a missing sample is left out; a column without any other frame is NaN.
    """
    frames = (len(samples) - fft) // hop + 1
    per_column = -(-frames // columns)
    times, maxima, means = [], [], []
    for first in range(0, frames, per_column):
        count = min(per_column, frames - first)
        part = samples[first * hop : (first + count - 1) * hop + fft]
        settings: dict[str, Any] = {"nperseg": fft, "noverlap": fft - hop, "detrend": False, "return_onesided": False}
        _, middles, power = scipy.signal.spectrogram(part, rate, window, mode="psd", **settings)
        times.append(middles.mean() + first * hop / rate)
        whole = power[:, np.isfinite(power).all(axis=0)]
        nothing = np.full(fft, np.nan)
        maxima.append(whole.max(axis=1) if whole.size else nothing)
        means.append(whole.mean(axis=1) if whole.size else nothing)
    in_order = (np.fft.fftshift(np.transpose(part), axes=0) for part in (maxima, means))
    most, average = (10 * np.log10(part) for part in in_order)
    return np.array(times), most, average
