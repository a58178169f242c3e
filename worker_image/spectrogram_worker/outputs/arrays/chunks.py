"""Columns are collected into chunks, which is what Zarr and HDF5 store, in memory that does not grow.

A chunk has all bins of some neighbouring columns of one reduction, and at most 4 MiB: a single column of the longest
transform has as much. One chunk of each reduction is in memory, for every transform and any number of columns.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import memory
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.spectrum.axes import Column, Layout


class ChunkWriter(Protocol):
    """A file, or a folder of files, that grows by whole chunks."""

    def write(self, reduction: int, number: int, values: NDArray[np.float32]) -> None:
        """Write chunk `number` of the reduction in that place of the layout: (F, columns of a chunk), C order, dB."""

    def finish(self, frames: NDArray[np.int32]) -> OutputFile:
        """Write axes and attributes for as many columns as `frames` has, and have everything on disk.

        frames: (columns so far,) how many frames of each column have data.
        """

    def close(self) -> None:
        """Release everything; what is not finished is lost."""


def chunk_columns(layout: Layout) -> int:
    """Columns of a chunk."""
    return memory.chunk_columns(len(layout.frequencies), len(layout.times))


def chunk_count(layout: Layout) -> int:
    """Chunks of each reduction."""
    return -(-len(layout.times) // chunk_columns(layout))


def chunked_bytes(layout: Layout) -> int:
    """Bytes on disk of all reductions in whole chunks."""
    chunk = 4 * len(layout.frequencies) * chunk_columns(layout)
    return chunk * chunk_count(layout) * len(layout.reductions)


class ChunkedColumns:
    """Takes columns in order and gives each writer whole chunks; holds one chunk per reduction."""

    def __init__(self, layout: Layout, writers: Sequence[ChunkWriter]) -> None:
        self._writers = tuple(writers)
        shape = (len(layout.reductions), len(layout.frequencies), chunk_columns(layout))
        self._values: NDArray[np.float32] = np.empty(shape, "<f4")
        self._columns = 0

    def append(self, column: Column) -> None:
        """Take the next column."""
        place = self._columns % self._values.shape[2]
        self._values[:, :, place] = column.values
        self._columns += 1
        if place + 1 == self._values.shape[2]:
            self._write()

    def finish(self, frames: NDArray[np.int32]) -> tuple[OutputFile, ...]:
        """Write the last chunk, filled up with NaN, and finish the files with the columns so far; see `ChunkWriter`."""
        place = self._columns % self._values.shape[2]
        if place:
            self._values[:, :, place:] = np.nan
            self._write()
        return tuple(writer.finish(frames) for writer in self._writers)

    def _write(self) -> None:
        number = (self._columns - 1) // self._values.shape[2]
        for reduction, values in enumerate(self._values):
            for writer in self._writers:
                writer.write(reduction, number, values)

    def close(self) -> None:
        """Release the files."""
        for writer in self._writers:
            writer.close()
