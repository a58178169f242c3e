"""From the blocks' power to columns in dB: combined in order, sums across blocks in float64, dB once per column."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import Framing
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.axes import Bins, Column
from spectrogram_worker.spectrum.compiled.levels import can_compute, levels
from spectrogram_worker.spectrum.power import OPERATIONS

_DECIBELS = 10 / math.log(10)
"""From a natural logarithm of power."""


class ColumnBuilder:
    """Takes blocks in order and gives columns in order. `frames` counts the frames with data so far.

    dtype: of the blocks' power: float32 or float64.
    """

    def __init__(self, framing: Framing, bins: Bins, reductions: Sequence[Reduction], dtype: np.dtype[Any]) -> None:
        self.frames = 0
        self._framing = framing
        self._offsets: NDArray[Any] = bins.offsets.astype(dtype)
        self._reductions = tuple(reductions)
        self._neutral = np.array([np.inf if one is Reduction.MIN else 0 for one in reductions])[:, np.newaxis]
        self._slices = _slices(bins.order)
        self._compiled = can_compute([source for _, source in self._slices])
        self._begun: list[NDArray[Any]] = []
        self._begun_frames = 0

    def add(self, first_block: int, power: NDArray[Any], frames: NDArray[np.int64]) -> Iterator[Column]:
        """The columns that are complete with these blocks.

        power: (blocks, reductions or 1, bins) as `PowerKernel.reduce` leaves it; frames: how many each has reduced.
        """
        self.frames += int(frames.sum())
        power = np.broadcast_to(power, (len(power), len(self._reductions), power.shape[2]))
        if not frames.all():
            power = np.where(frames[:, np.newaxis, np.newaxis] > 0, power, self._neutral.astype(power.dtype))
        per_column, start = self._framing.blocks_per_column, 0
        while start < len(frames):
            column, place = divmod(first_block + start, per_column)
            whole = (len(frames) - start) // per_column if place == 0 else 0
            stop = start + whole * per_column if whole else min(start + per_column - place, len(frames))
            is_complete = whole or place + stop - start == per_column or first_block + stop == self._framing.blocks
            counts = frames[start:stop].reshape(max(1, whole), -1).sum(axis=1) + self._begun_frames
            if is_complete:
                values = self._levels(power[start:stop], counts)
                self._begun, self._begun_frames = [], 0
                for levels, count in zip(values, counts.tolist(), strict=True):
                    yield Column(column, levels, count)
                    column += 1
            else:
                self._begun = self._reduce(power[start:stop], 1, is_complete=False)
                self._begun_frames = int(counts[0])
            start = stop

    def _levels(self, power: NDArray[Any], frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """dB of n whole columns, (n, reductions, F), the first of which `_begun` may have begun; NaN without frames.

        power: (blocks, reductions, bins) that are left of them.
        """
        dtype, columns = power.dtype, len(frames)
        if not self._compiled:
            return self._decibels(self._reduce(power, columns, is_complete=True), frames, dtype)
        shown = self._reductions[:1] if self._framing.frames_per_column == 1 else self._reductions
        if self._begun:
            # Rounded as the library rounds a column that comes whole; of that it then takes no mean any more.
            values = self._reduce(power, 1, is_complete=True)
            scales = [1 / max(1, int(frames[0])) if one is Reduction.MEAN else 1 for one in self._reductions]
            power = np.empty((1, len(values), power.shape[2]), dtype)
            for place, (rows, scale) in enumerate(zip(values, scales, strict=True)):
                np.multiply(rows, scale, out=power[:, place], casting="same_kind")
            operations: Sequence[Reduction] = len(shown) * [Reduction.MAX]
        else:
            operations = shown
        found = levels(power, columns, operations, frames, [source for _, source in self._slices], self._offsets)
        if len(shown) < len(self._reductions):
            found = np.repeat(found, len(self._reductions), axis=1)
        found[frames == 0] = np.nan
        return found

    def _reduce(self, power: NDArray[Any], columns: int, *, is_complete: bool) -> list[NDArray[Any]]:
        """Reduce the blocks of whole columns; or of one column the next blocks, together with what `_begun` holds.

        power: (blocks, reductions, bins). Returns (columns, bins) of linear power for each reduction. Complete columns
        may be views of `power`.
        """
        values = []
        for place, reduction in enumerate(self._reductions):
            rows = power[:, place].reshape(columns, -1, power.shape[2])
            if rows.shape[1] == 1 and is_complete and not self._begun:
                values.append(rows[:, 0])
                continue
            operation = OPERATIONS[reduction]
            if self._begun:
                for row in rows[0]:  # in place, for a column may have a million bins
                    operation(self._begun[place], row, out=self._begun[place])
                values.append(self._begun[place])
            else:
                dtype = np.float64 if reduction is Reduction.MEAN else rows.dtype
                values.append(operation.reduce(rows, axis=1, dtype=dtype))
        return values

    def _decibels(
        self, values: Sequence[NDArray[Any]], frames: NDArray[np.int64], dtype: np.dtype[Any]
    ) -> NDArray[np.float32]:
        """dB of n columns, (n, reductions, F), from one array (n, bins) of linear power per reduction.

        The logarithm is taken in the transform's precision: the natural one, which NumPy has for every processor's
        vectors. Zero power is −inf, a column without frames NaN.
        """
        result = np.empty((len(frames), len(values), len(self._offsets)), np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            for place, (power, reduction) in enumerate(zip(values, self._reductions, strict=True)):
                if place and self._framing.frames_per_column == 1:
                    result[:, place] = result[:, 0]  # of one frame all reductions are the same
                    continue
                levels: NDArray[Any] = result[:, place]
                if levels.dtype != dtype:
                    levels = np.empty(levels.shape, dtype)
                counts = frames[:, np.newaxis].astype(power.dtype)
                for target, source in self._slices:
                    if reduction is Reduction.MEAN:
                        np.divide(power[:, source], counts, out=levels[:, target], casting="same_kind")
                    else:
                        levels[:, target] = power[:, source]
                np.log(levels, out=levels)
                levels *= _DECIBELS
                levels += self._offsets
                if levels.dtype != result.dtype:
                    result[:, place] = levels
        if not frames.all():
            result[frames == 0] = np.nan
        return result


def _slices(order: NDArray[np.intp]) -> list[tuple[slice, slice]]:
    """`order` as slices (into the result, into the transform's output), of which there are one or two: far faster."""
    starts = [0, *(np.flatnonzero(np.diff(order) != 1) + 1).tolist()]
    stops = [*starts[1:], len(order)]
    return [
        (slice(start, stop), slice(int(order[start]), int(order[start]) + stop - start))
        for start, stop in zip(starts, stops, strict=True)
    ]
