"""The picture's cells: the spectrogram reduced on both axes to at most the pixels of the axes, column by column."""

import numpy as np
from numpy.typing import NDArray


class PictureCells:
    """Collects columns of F bins into cells of the maximum, never more cells than pixels.

    The maximum of decibels is that of linear power, because the logarithm rises. A cell with any data shows it; NaN
    remains where there is none at all. A column lies in the cells that its place in time falls on, so that cells
    and pixels stay in step over any length.
    """

    def __init__(self, *, bins: int, columns: int, width: int, height: int) -> None:
        self._columns = columns
        self._shape = (min(columns, width), min(bins, height))
        self._first_bins = np.arange(self._shape[1]) * bins // self._shape[1]
        self.values: NDArray[np.float32] = np.full(self._shape, np.nan, np.float32)
        """(columns of cells, rows of cells) float32 in dB, rows in ascending frequency."""

    def add(self, index: int, spectrum: NDArray[np.float32]) -> None:
        """Add column `index`, (F,) in dB."""
        cell = self.values[index * self._shape[0] // self._columns]
        np.fmax(cell, np.fmax.reduceat(spectrum, self._first_bins), out=cell)

    def reduced(self, *, width: int, height: int) -> "PictureCells":
        """The same cells for axes of fewer pixels."""
        columns, rows = self._shape
        if columns <= width and rows <= height:
            return self
        smaller = PictureCells(bins=rows, columns=columns, width=width, height=height)
        for index, cells in enumerate(self.values):
            smaller.add(index, cells)
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
