"""Where the samples of a Digital RF channel lie: built once from the index of every file, shared by all readers.

It costs 20 bytes for each file, and 32 for each stretch of samples; no sample is read.
"""

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf.chunks import find_chunks
from spectrogram_worker.sources.digital_rf.folders import SampleFiles
from spectrogram_worker.sources.digital_rf.hdf5 import (
    Properties,
    checked_dataset,
    hdf5_errors,
    open_hdf5,
    small_values,
    stored_type,
)
from spectrogram_worker.sources.samples import SampleType
from spectrogram_worker.sources.store import RecordingStore

_MAXIMUM_INDEX_ROWS = 1_000_000
_MAXIMUM_SAMPLE = 2**62


@dataclass(frozen=True, kw_only=True)
class Index:
    """Stretches of samples without a gap, in order.

    starts, stops: (n,) sample indices since 1970, half-open. files: (n,) which of the files holds it. rows: (n,) row of
    the stretch's first sample in its file. offsets: (files,) byte at which the samples lie in one piece, −1 where they
    do not (several chunks, compressed).
    """

    sample_files: SampleFiles
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    files: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sample_type: SampleType

    def file_of(self, sample: int) -> int:
        """Number of the file that holds a sample, or else of the next one after it."""
        return int(self.files[np.searchsorted(self.stops, sample, side="right")])


def build_index(store: RecordingStore, files: SampleFiles, properties: Properties, subchannel: int) -> Index:
    """Look at these sample files. Raises WorkerError 65 for one that is damaged or points elsewhere."""
    table = [array("q") for _ in range(4)]
    offsets = np.full(len(files), -1, np.int64)
    sample_type: SampleType | None = None
    for number, path in enumerate(files.paths()):
        name = store.shown(path)
        with hdf5_errors(name), open_hdf5(store, path) as file:
            data = checked_dataset(file, name, "rf_data")
            found = stored_type(data, name, properties, subchannel)
            if sample_type is not None and found != sample_type:
                raise input_invalid(f"{name} holds {found.name}, the files before it {sample_type.name}: separate them")
            sample_type = found
            chunks = find_chunks(file, data, name)
            offsets[number] = -1 if chunks.plain_offset is None else chunks.plain_offset
            for column, values in zip(table, _stretches(file, name, number, chunks.length), strict=True):
                column.frombytes(values.tobytes())
    if sample_type is None:
        raise input_invalid(f"{store.shown(files.channel)} is empty: it has no rf@….h5 file")
    starts, stops, numbers, rows = (np.frombuffer(column, np.int64) for column in table)
    if len(starts) == 0:
        raise input_invalid(f"{store.shown(files.channel)} is empty: its files hold no sample")
    overlaps = np.flatnonzero(starts[1:] < stops[:-1])
    if len(overlaps):
        name = store.shown(files.path(int(numbers[overlaps[0] + 1])))
        raise input_invalid(f"{name} repeats samples of an earlier stretch: two recordings were mixed, separate them")
    return Index(
        sample_files=files,
        starts=starts,
        stops=stops,
        files=numbers,
        rows=rows,
        offsets=offsets,
        sample_type=sample_type,
    )


def _stretches(file: Any, name: str, number: int, length: int) -> NDArray[np.int64]:
    """Start, stop, file and row of each stretch of one file, (4, n), from rf_data_index: a sample index and a row."""
    most = 2 * min(_MAXIMUM_INDEX_ROWS, max(length, 1))
    index = small_values(file, name, "rf_data_index", most=most)
    if index is None or index.ndim != 2 or index.shape[1] != 2 or index.dtype.kind not in "iu":
        raise input_invalid(f"{name}: rf_data_index is not an index: record it again with digital_rf")
    if len(index) == 0 or length == 0:
        return np.empty((4, 0), np.int64)
    if index[:, 0].max() > _MAXIMUM_SAMPLE or index[:, 1].max() >= length or index[0, 1] != 0:
        raise input_invalid(f"{name}: rf_data_index points outside the file: record it again with digital_rf")
    samples, rows = index.T.astype(np.int64)
    counts = np.diff(rows, append=length)
    if counts.min() <= 0:
        raise input_invalid(f"{name}: rf_data_index is not in order: record it again with digital_rf")
    return np.stack((samples, samples + counts, np.full(len(rows), number, np.int64), rows))
