"""spectrogram.npz: arrays of F bins by T columns that never stand in memory.

Each reduction is a member of the zip, and a zip can have only one member open at a time. So the columns of each
reduction first go to a file of their own, one after the other: the order of a Fortran-ordered array. At the end each
file is copied into the zip behind a .npy header (numpy.lib.format, version 1.0), and deleted before the next is copied.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from io import BufferedRandom
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.outputs.arrays.attributes import ARRAY_NAMES, FRAMES_NAME
from spectrogram_worker.spectrum.axes import Column, Layout
from spectrogram_worker.storage.folders import Folder

ARRAYS_NAME = "spectrogram.npz"
ARRAYS_MEDIA_TYPE = "application/x-npz"
_BLOCK = 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same arrays give the same file, byte for byte


class ColumnFiles:
    """One temporary file per reduction, in `folder`, that grows by a column at a time."""

    def __init__(self, folder: Folder, layout: Layout) -> None:
        self._folder, self._layout = folder, layout
        self._names = [f"{ARRAY_NAMES[reduction]}.columns" for reduction in layout.reductions]
        self._files: list[BufferedRandom] = [folder.create(name) for name in self._names]
        self.columns = 0

    @staticmethod
    def bytes_needed(layout: Layout) -> int:
        """Bytes on disk at the worst moment: every reduction, and one of them once more while it is copied."""
        array = 4 * len(layout.frequencies) * len(layout.times)
        return array * (len(layout.reductions) + 1) + 8 * len(layout.frequencies) + 12 * len(layout.times) + _BLOCK

    def append(self, column: Column) -> None:
        """Write the next column."""
        for file, values in zip(self._files, column.values, strict=True):
            file.write(np.ascontiguousarray(values, "<f4").data)
        self.columns += 1

    def move_into(self, archive: zipfile.ZipFile) -> None:
        """Copy every file into the zip as an array, (F, columns so far), and delete it."""
        header = self._header()
        for reduction, name, file in zip(self._layout.reductions, self._names, self._files, strict=True):
            file.seek(0)
            with _member(archive, ARRAY_NAMES[reduction]) as member:
                member.write(header)
                for block in _blocks(file):
                    member.write(block)
            file.close()
            self._folder.remove(name)

    def _header(self) -> bytes:
        header = io.BytesIO()
        shape = (len(self._layout.frequencies), self.columns)
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": True, "shape": shape})
        return header.getvalue()

    def close(self) -> None:
        """Release the files."""
        for file in self._files:
            file.close()


def write_arrays(
    file: BinaryIO,
    layout: Layout,
    columns: ColumnFiles,
    frames: NDArray[np.int32],
    metadata: Mapping[str, Any],
) -> None:
    """Write the whole .npz to `file`: axes, one array per reduction, and `metadata` as a JSON string.

    frames: (columns so far,) how many frames of each column have data.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_array(archive, "frequency", layout.frequencies.astype("<f8", copy=False))
        _write_array(archive, "time", layout.times[: columns.columns].astype("<f8", copy=False))
        _write_array(archive, FRAMES_NAME, frames.astype("<i4", copy=False))
        _write_array(archive, "metadata", np.array(json.dumps(metadata, ensure_ascii=False)))
        columns.move_into(archive)


def _write_array(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with _member(archive, name) as member:
        np.lib.format.write_array(member, values, allow_pickle=False)


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True)


def _blocks(file: BufferedRandom) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(_BLOCK))
    while count := file.readinto(buffer):
        yield buffer[:count]
