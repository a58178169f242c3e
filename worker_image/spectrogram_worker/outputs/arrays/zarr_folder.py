"""spectrogram.zarr: a Zarr group, format 2 with consolidated metadata, which every Zarr library and xarray read.

Written here and not by the zarr library: that costs 20 MB and a thread pool, and reaches files by path, where
everything below the output folder is reached by descriptor and never through a link. An uncompressed chunk is a file of
its values, so little is left to write: noise hardly compresses.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.outputs.arrays.attributes import ARRAY_NAMES, FRAMES_NAME, Attributes, Texts
from spectrogram_worker.outputs.arrays.chunks import chunk_columns, chunk_count, chunked_bytes
from spectrogram_worker.outputs.manifest import describe_folder
from spectrogram_worker.spectrum.axes import Layout
from spectrogram_worker.storage.folders import Folder

ZARR_NAME = "spectrogram.zarr"
ZARR_MEDIA_TYPE = "application/vnd.zarr"
_FILE_BYTES = 4096
"""What a file takes on disk beyond its content, at most: the rest of its last block, its entry in the folder."""


class ZarrFolder:
    """A ChunkWriter. A chunk of reduction `max` is the file `max/0.<number>`."""

    def __init__(self, parent: Folder, layout: Layout, attributes: Attributes) -> None:
        self._layout, self._attributes = layout, attributes
        self._names = [ARRAY_NAMES[reduction] for reduction in layout.reductions]
        self._folder = parent.folder(ZARR_NAME, create=True)
        self._arrays: dict[str, Folder] = {}
        for name in (*self._names, FRAMES_NAME, "frequency", "time"):
            self._arrays[name] = self._folder.folder(name, create=True)

    @staticmethod
    def bytes_needed(layout: Layout) -> int:
        """Bytes on disk."""
        files = chunk_count(layout) * len(layout.reductions) + 32
        axes = 8 * len(layout.frequencies) + 12 * len(layout.times)
        return chunked_bytes(layout) + axes + _FILE_BYTES * files

    def write(self, reduction: int, number: int, values: NDArray[np.float32]) -> None:
        """Write a chunk."""
        self._write(self._arrays[self._names[reduction]], f"0.{number}", values.data)

    def finish(self, frames: NDArray[np.int32]) -> OutputFile:
        """Write axes, counts of frames and metadata."""
        layout, described, columns = self._layout, self._attributes, len(frames)
        frequencies, times = layout.frequencies, layout.times[:columns]
        parts = [
            self._whole("frequency", "frequency", frequencies, "<f8", described.frequency),
            self._whole("time", "time", times, "<f8", described.time),
            self._whole(FRAMES_NAME, "time", frames, "<i4", described.frames),
        ]
        shape, chunks = (len(frequencies), columns), (len(frequencies), chunk_columns(layout))
        for name, texts in zip(self._names, described.arrays, strict=True):
            parts.append(self._describe(name, ("frequency", "time"), shape, chunks, "<f4", "NaN", texts))
        group: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": described.whole}
        for name, content in group.items():
            self._write_json(self._folder, name, content)
        for part in parts:
            group |= part
        self._write_json(self._folder, ".zmetadata", {"metadata": group, "zarr_consolidated_format": 1})
        return describe_folder(ZARR_NAME, ZARR_MEDIA_TYPE, self._folder)

    def _whole(self, name: str, dimension: str, values: NDArray[Any], dtype: str, texts: Texts) -> dict[str, Any]:
        """Write an array of one dimension, in one chunk."""
        content = np.ascontiguousarray(values, dtype)
        self._write(self._arrays[name], "0", content.data)
        return self._describe(name, (dimension,), content.shape, content.shape, dtype, None, texts)

    def _describe(
        self,
        name: str,
        dimensions: tuple[str, ...],
        shape: tuple[int, ...],
        chunks: tuple[int, ...],
        dtype: str,
        fill_value: str | None,
        texts: Texts,
    ) -> dict[str, Any]:
        """Write an array's two metadata files; returns them as consolidated metadata has them."""
        array = {
            "zarr_format": 2,
            "shape": shape,
            "chunks": chunks,
            "dtype": dtype,
            "order": "C",
            "compressor": None,
            "filters": None,
            "fill_value": fill_value,
        }
        files = {".zarray": array, ".zattrs": {"_ARRAY_DIMENSIONS": dimensions, **texts}}
        for file, content in files.items():
            self._write_json(self._arrays[name], file, content)
        return {f"{name}/{file}": content for file, content in files.items()}

    def _write_json(self, folder: Folder, name: str, content: object) -> None:
        self._write(folder, name, json.dumps(content, indent=1, ensure_ascii=False).encode())

    def _write(self, folder: Folder, name: str, content: bytes | memoryview) -> None:
        with folder.create(name) as file:
            file.write(content)

    def close(self) -> None:
        """Release the folders."""
        for folder in (*self._arrays.values(), self._folder):
            folder.close()
        self._arrays = {}
