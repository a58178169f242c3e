"""Reads the samples of a Digital RF channel, past the HDF5 library."""

from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.sources.digital_rf.chunks import ChunkReader, Chunks, find_chunks, plain_chunks
from spectrogram_worker.sources.digital_rf.hdf5 import checked_dataset, hdf5_errors, open_hdf5
from spectrogram_worker.sources.digital_rf.index import Index
from spectrogram_worker.sources.samples.segments import MOST_RANGES, SegmentReader
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_MOST_ROWS = 1 << 40


class DigitalRfReader(SegmentReader):
    """Reads one file at a time, past the HDF5 library, which would let one thread of the process read at a time."""

    def __init__(self, store: RecordingStore, index: Index) -> None:
        super().__init__(index.sample_type, index.starts, index.stops)
        self._store = store
        self._index = index
        self._open_number = -1
        self._file: SampleFile | None = None
        self._stored: ChunkReader
        self._plain: OrderedDict[int, SampleFile] = OrderedDict()

    def _fetch(self, segment: int, first: int, content: NDArray[np.uint8]) -> None:
        number = int(self._index.files[segment])
        if number != self._open_number:
            self._open(number)
        self._stored.read(int(self._index.rows[segment]) + first, content)

    def _place(self, segment: int, first: int) -> tuple[SampleFile, int] | None:
        number = int(self._index.files[segment])
        offset = int(self._index.offsets[number])
        if offset < 0:
            return None
        file = self._plain.pop(number, None) or self._store.open(self._index.sample_files.path(number))
        self._plain[number] = file
        if len(self._plain) > MOST_RANGES:
            self._plain.popitem(last=False)[1].close()
        return file, offset + (int(self._index.rows[segment]) + first) * self._type.stride

    def _open(self, number: int) -> None:
        self._close()
        path = self._index.sample_files.path(number)
        chunks = self._chunks(number, path)
        self._file = self._store.open(path)
        self._stored = ChunkReader(self._file, chunks)
        self._open_number = number

    def _chunks(self, number: int, path: PurePosixPath) -> Chunks:
        offset = int(self._index.offsets[number])
        if offset >= 0:
            return plain_chunks(offset, _MOST_ROWS, self._type.stride)
        name = self._store.shown(path)
        with hdf5_errors(name), open_hdf5(self._store, path) as file:
            return find_chunks(file, checked_dataset(file, name, "rf_data"), name)

    def close(self) -> None:
        """Close the files that are open."""
        self._close()
        while self._plain:
            self._plain.popitem()[1].close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._open_number = -1
