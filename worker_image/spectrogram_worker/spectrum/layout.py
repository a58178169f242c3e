"""The shape and the axes of a spectrogram, known before the first sample is read, and the column it is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction


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
    """One finished column: `values` is (reductions, F) float32 in dB; NaN is no data, −inf is zero power."""

    index: int
    values: NDArray[np.float32]
