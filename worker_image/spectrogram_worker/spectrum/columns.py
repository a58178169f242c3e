"""From the blocks' power to columns in dB: combined in order, sums across blocks in float64, dB once per column."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.axes import Bins
from spectrogram_worker.spectrum.framing import Framing
from spectrogram_worker.spectrum.layout import Column
from spectrogram_worker.spectrum.power import OPERATIONS


class ColumnBuilder:
    """Takes blocks in order and gives columns in order. `frames` counts the frames with data so far."""

    def __init__(self, framing: Framing, bins: Bins, reductions: Sequence[Reduction]) -> None:
        self.frames = 0
        self._framing = framing
        self._bins = bins
        self._reductions = tuple(reductions)
        self._stretches = _stretches(bins.order)
        self._reduced: list[NDArray[Any]] = []
        self._reduced_frames = 0

    def add(self, first_block: int, power: NDArray[Any], frames: NDArray[np.int64]) -> Iterator[Column]:
        """The columns that are complete with these blocks.

        power: (blocks, reductions or 1, bins) as `PowerKernel.reduce` leaves it; frames: how many each has reduced.
        """
        self.frames += int(frames.sum())
        power = np.broadcast_to(power, (len(power), len(self._reductions), power.shape[2]))
        if self._framing.blocks_per_column == 1:
            values = [power[:, place] for place in range(len(self._reductions))]
        else:
            finished = list(self._finished(first_block, power, frames))
            if not finished:
                return
            values = [np.stack(columns) for columns in zip(*(reduced for reduced, _ in finished), strict=True)]
            frames = np.array([count for _, count in finished])
        first = first_block // self._framing.blocks_per_column
        for place, column in enumerate(self._decibels(values, frames, power.dtype)):
            yield Column(first + place, column)

    def _finished(
        self, first_block: int, power: NDArray[Any], counts: NDArray[np.int64]
    ) -> Iterator[tuple[list[NDArray[Any]], int]]:
        """Each finished column: its linear power, (bins,) for each reduction, and its frames."""
        per_column, stop_block = self._framing.blocks_per_column, first_block + len(counts)
        for column in range(first_block // per_column, -(-stop_block // per_column)):
            end = min((column + 1) * per_column, self._framing.blocks)
            part = slice(max(0, column * per_column - first_block), min(end, stop_block) - first_block)
            rows, with_data = power[part], counts[part] > 0
            self._combine(rows if with_data.all() else rows[with_data])
            self._reduced_frames += int(counts[part].sum())
            if end <= stop_block:
                yield self._reduced, self._reduced_frames
                self._reduced, self._reduced_frames = [], 0

    def _combine(self, power: NDArray[Any]) -> None:
        """Reduce the next blocks of a column, (blocks, reductions, bins), in order after those before them."""
        reduced = []
        for place, reduction in enumerate(self._reductions):
            rows = power[:, place]
            dtype = np.dtype(np.float64) if reduction is Reduction.MEAN else rows.dtype
            if self._reduced_frames:
                rows = np.concatenate((self._reduced[place][np.newaxis], rows), dtype=dtype)
            some = len(rows) > 0
            reduced.append(OPERATIONS[reduction].reduce(rows, 0, dtype) if some else np.zeros(power.shape[2], dtype))
        self._reduced = reduced

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
