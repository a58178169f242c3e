"""The picture's cells: the spectrogram reduced on both axes to at most the pixels of the axes, column by column."""

import math

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Image, Reduction

_NATURAL = math.log(10) / 10
"""From decibels to a natural logarithm of power."""
_KEEPING = {Reduction.MAX: np.fmax, Reduction.MIN: np.fmin}


def cell_reduction(image: Image, reduction: Reduction) -> Reduction:
    """What a cell shows of several bins and columns: max, mean or min.

    Unless the job chooses, what the frames of a column were reduced by; of unreduced frames the maximum.
    """
    if image.cells != "auto":
        return Reduction(image.cells)
    return Reduction.MAX if reduction is Reduction.NONE else reduction


class PictureCells:
    """Collects columns of F bins into cells, never more cells than pixels.

    A cell has the maximum, the mean or the minimum, in linear power, of all bins and frames in it; NaN remains where no
    frame has data. A column lies in the cells that its place in time falls on, so that cells and pixels stay in step
    over any length.

    bin_weights: how many bins each of `bins` stands for, where these are cells themselves.
    """

    def __init__(
        self,
        *,
        bins: int,
        columns: int,
        width: int,
        height: int,
        reduction: Reduction,
        bin_weights: NDArray[np.int64] | None = None,
    ) -> None:
        self._columns, self._reduction = columns, reduction
        self._shape = (min(columns, width), min(bins, height))
        self._first_bins = np.arange(self._shape[1]) * bins // self._shape[1]
        self._bin_weights = np.ones(bins, np.int64) if bin_weights is None else bin_weights
        self._row_weights = np.add.reduceat(self._bin_weights, self._first_bins)
        self._frames = np.zeros(self._shape[0], np.int64)
        self._sums = np.zeros(self._shape[1])
        self.values: NDArray[np.float32] = np.full(self._shape, np.nan, np.float32)
        """(columns of cells, rows of cells) float32 in dB, rows in ascending frequency."""

    @property
    def are_shared(self) -> bool:
        """True where a cell stands for several bins or columns."""
        return self._shape != (self._columns, len(self._bin_weights))

    def add(self, index: int, spectrum: NDArray[np.float32], frames: int) -> None:
        """Add column `index`, (F,) in dB, in which so many frames have data. Columns come in order."""
        if frames == 0:
            return
        number = index * self._shape[0] // self._columns
        if self._reduction is Reduction.MEAN and self.are_shared:
            self._add_power(number, spectrum, frames)
        else:
            # The largest and smallest of decibels are those of linear power, because the logarithm rises.
            keep = _KEEPING.get(self._reduction, np.fmax)
            keep(self.values[number], keep.reduceat(spectrum, self._first_bins), out=self.values[number])
        self._frames[number] += frames

    def _add_power(self, number: int, spectrum: NDArray[np.float32], frames: int) -> None:
        if self._frames[number] == 0:
            self._sums[:] = 0
        power = np.multiply(spectrum, _NATURAL, dtype=np.float64)
        np.exp(power, out=power)
        power *= self._bin_weights
        self._sums += np.add.reduceat(power, self._first_bins) * frames
        with np.errstate(divide="ignore"):  # zero power
            levels = np.log(self._sums / (self._row_weights * (self._frames[number] + frames)))
        self.values[number] = levels / _NATURAL

    def reduced(self, *, width: int, height: int) -> "PictureCells":
        """The same cells for axes of fewer pixels."""
        columns, rows = self._shape
        if columns <= width and rows <= height:
            return self
        smaller = PictureCells(
            bins=rows,
            columns=columns,
            width=width,
            height=height,
            reduction=self._reduction,
            bin_weights=self._row_weights,
        )
        for index, (cells, frames) in enumerate(zip(self.values, self._frames.tolist(), strict=True)):
            smaller.add(index, cells, frames)
        return smaller


def color_limits(
    cells: NDArray[np.float32], given: tuple[float, float] | None, least_span: float = 10.0
) -> tuple[float, float]:
    """Values in dB at the two ends of the colour scale.

    The 1st and the 99.8th percentile of the finite cells, at least `least_span` dB apart, unless they are given.
    """
    if given is not None:
        return given
    finite = cells[np.isfinite(cells)]
    if finite.size == 0:
        return -least_span, 0.0
    low, high = (float(value) for value in np.percentile(finite, (1.0, 99.8), overwrite_input=True))
    missing = max(0.0, least_span - (high - low)) / 2
    return low - missing, high + missing
