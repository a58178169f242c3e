"""spectrogram.h5: an HDF5 file with dimension scales, which is a netCDF-4 file to xarray, netCDF and their kin.

h5py is imported when such a file is asked for and not before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.outputs.arrays.attributes import ARRAY_NAMES, FRAMES_NAME, Attributes, Texts
from spectrogram_worker.outputs.arrays.chunks import chunk_columns, chunk_count, chunked_bytes
from spectrogram_worker.outputs.manifest import describe_file
from spectrogram_worker.spectrum.axes import Layout
from spectrogram_worker.storage.folders import Folder, synchronize

HDF5_NAME = "spectrogram.h5"
HDF5_MEDIA_TYPE = "application/x-hdf5"
_CHUNK_INDEX_BYTES = 128
_REST_BYTES = 64 * 1024
"""Headers, attributes and empty space of the file."""


def load_hdf5_library() -> None:
    """Import h5py: 12 MB, wanted before memory is estimated, because the estimate starts from what is resident."""
    import h5py  # noqa: F401


class _File:
    """The file as the HDF5 library sees it: by descriptor, unbuffered, and always writable.

    If a callback raised an error, the library could not close its objects, and would fail at the process's end.
    So it is told that all went well, nothing more is written, and `require` raises the error.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self._abandoned = False
        self.seek, self.tell, self.read, self.readinto = file.seek, file.tell, file.read, file.readinto

    def require(self) -> None:
        """Raise the first error there was."""
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Write nothing any more."""
        self._abandoned = True

    def write(self, content: memoryview) -> int:
        """Write all of `content`; what the system takes at once may be less."""

        def write() -> None:
            done = 0
            while done < len(content):
                done += self._file.write(content[done:])

        self._try(write)
        return len(content)

    def truncate(self, size: int) -> int:
        """Set the file's size."""
        self._try(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Nothing is held back."""

    def _try(self, operation: Callable[[], object]) -> None:
        if self._error is None and not self._abandoned:
            try:
                operation()
            except OSError as error:
                self._error = error


class Hdf5File:
    """A ChunkWriter. Chunks are written past the library's chunk cache, which would double the memory."""

    def __init__(self, parent: Folder, layout: Layout, attributes: Attributes) -> None:
        import h5py

        self._parent, self._layout, self._attributes = parent, layout, attributes
        self._file = cast(FileIO, parent.create(HDF5_NAME).detach())
        self._seen = _File(self._file)
        self._library: Any = h5py.File(self._seen, "w", rdcc_nbytes=0)
        bins, columns = len(layout.frequencies), len(layout.times)
        self._arrays: list[Any] = [
            self._library.create_dataset(
                ARRAY_NAMES[reduction],
                shape=(bins, 0),
                maxshape=(bins, columns),
                chunks=(bins, chunk_columns(layout)),
                dtype="<f4",
                fillvalue=np.nan,
            )
            for reduction in layout.reductions
        ]

    @staticmethod
    def bytes_needed(layout: Layout) -> int:
        """Bytes on disk."""
        index = _CHUNK_INDEX_BYTES * chunk_count(layout) * len(layout.reductions)
        return chunked_bytes(layout) + 8 * len(layout.frequencies) + 12 * len(layout.times) + index + _REST_BYTES

    def write(self, reduction: int, number: int, values: NDArray[np.float32]) -> None:
        """Write a chunk."""
        array, width = self._arrays[reduction], values.shape[1]
        with self._written():
            array.resize(
                number * width + 1, axis=1
            )  # `finish` sets the exact number: shrinking would make the library read the chunk
            array.id.write_direct_chunk((0, number * width), values)

    def finish(self, frames: NDArray[np.int32]) -> OutputFile:
        """Write axes, counts of frames and attributes."""
        with self._written():
            self._describe(frames)
            self._library.close()
        synchronize(self._file.fileno())
        with self._parent.open(HDF5_NAME) as file:
            return describe_file(HDF5_NAME, HDF5_MEDIA_TYPE, file)

    def _describe(self, frames: NDArray[np.int32]) -> None:
        described, columns = self._attributes, len(frames)
        _annotate(self._library, described.whole)
        axes = [
            self._axis("frequency", self._layout.frequencies, described.frequency),
            self._axis("time", self._layout.times[:columns], described.time),
        ]
        for array, texts in zip(self._arrays, described.arrays, strict=True):
            array.resize(columns, axis=1)
            _annotate(array, texts)
            array.attrs["_FillValue"] = np.array([np.nan], "<f4")
            for dimension, axis in zip(array.dims, axes, strict=True):
                dimension.attach_scale(axis)
        counts = self._library.create_dataset(FRAMES_NAME, data=frames, dtype="<i4")
        _annotate(counts, described.frames)
        counts.dims[0].attach_scale(axes[1])

    def _axis(self, name: str, values: NDArray[np.float64], texts: Texts) -> Any:
        axis = self._library.create_dataset(name, data=values, dtype="<f8")
        axis.make_scale(name)
        _annotate(axis, texts)
        return axis

    def close(self) -> None:
        """Release the file."""
        self._seen.abandon()
        self._library.close()
        self._file.close()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Raise the system's error, where there was one, instead of what the library makes of it."""
        try:
            yield
        finally:
            self._seen.require()


def _annotate(target: Any, texts: Texts) -> None:
    for name, text in texts.items():
        target.attrs[name] = text
