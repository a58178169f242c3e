"""From the blocks' power to columns in dB: combined in order, sums across blocks in float64, dB once per column."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.axes import Bins
from spectrogram_worker.spectrum.framing import Framing
from spectrogram_worker.spectrum.layout import Column


class ColumnBuilder:
    """Takes blocks in order and gives columns in order. `frames` counts the frames with data so far."""

    def __init__(self, framing: Framing, bins: Bins, reductions: Sequence[Reduction]) -> None:
        self.frames = 0
        self._framing = framing
        self._bins = bins
        self._reductions = tuple(reductions)
        self._stretches = _stretches(bins.order)
        self._sums: list[NDArray[Any]] = []
        self._sum_frames = 0

    def add(self, first_block: int, power: NDArray[Any], frames: Sequence[int]) -> Iterator[Column]:
        """The columns that are complete with these blocks.

        power: (blocks, reductions or 1, bins) as `PowerKernel.reduce` leaves it; frames: how many each has reduced.
        """
        self.frames += sum(frames)
        per_column = self._framing.blocks_per_column
        if per_column == 1:
            values = [power[:, place if power.shape[1] > 1 else 0] for place in range(len(self._reductions))]
            columns = self._decibels(values, np.array(frames), power.dtype)
            for place, column in enumerate(columns):
                yield Column(first_block + place, column)
            return
        for place, count in enumerate(frames):
            number = first_block + place
            if count:
                self._accumulate(power[place], count)
            if (number + 1) % per_column == 0 or number + 1 == self._framing.blocks:
                yield Column(number // per_column, self._finish(power))

    def _accumulate(self, power: NDArray[Any], count: int) -> None:
        rows = [power[place if len(power) > 1 else 0] for place in range(len(self._reductions))]
        if not self._sum_frames:
            self._sums = [
                row.astype(np.float64 if reduction is Reduction.MEAN else row.dtype)
                for row, reduction in zip(rows, self._reductions, strict=True)
            ]
        else:
            for total, row, reduction in zip(self._sums, rows, self._reductions, strict=True):
                if reduction is Reduction.MAX:
                    np.maximum(total, row, out=total)
                elif reduction is Reduction.MIN:
                    np.minimum(total, row, out=total)
                else:
                    total += row
        self._sum_frames += count

    def _finish(self, power: NDArray[Any]) -> NDArray[np.float32]:
        count, self._sum_frames = self._sum_frames, 0
        if count == 0:
            return np.full((len(self._reductions), len(self._bins.order)), np.nan, np.float32)
        values = [total[np.newaxis] for total in self._sums]
        column: NDArray[np.float32] = self._decibels(values, np.array([count]), power.dtype)[0]
        return column

    def _decibels(
        self, values: Sequence[NDArray[Any]], frames: NDArray[np.int64], dtype: np.dtype[Any]
    ) -> NDArray[np.float32]:
        """dB of n columns, (n, reductions, F), from one array (n, bins) of linear power per reduction.

        The logarithm is taken in the transform's precision. Zero power is −inf, a column without frames NaN.
        """
        result = np.empty((len(frames), len(values), len(self._bins.order)), np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            for place, (power, reduction) in enumerate(zip(values, self._reductions, strict=True)):
                if reduction is Reduction.MEAN:
                    power = np.divide(power, frames[:, np.newaxis], dtype=np.float64)
                levels = result[:, place] if dtype == np.float32 else np.empty(result[:, place].shape, dtype)
                for target, source in self._stretches:
                    np.log10(power[:, source], out=levels[:, target], dtype=dtype, casting="same_kind")
                levels *= 10
                levels += self._bins.offsets.astype(dtype)
                if levels.dtype != result.dtype:
                    result[:, place] = levels
        if not frames.all():
            result[frames == 0] = np.nan
        return result


def _stretches(order: NDArray[np.intp]) -> list[tuple[slice, slice]]:
    """`order` as pairs of slices (into the result, into the transform's output): one or two, and far faster."""
    starts = [0, *(np.flatnonzero(np.diff(order) != 1) + 1).tolist()]
    stops = [*starts[1:], len(order)]
    return [
        (slice(start, stop), slice(int(order[start]), int(order[start]) + stop - start))
        for start, stop in zip(starts, stops, strict=True)
    ]
