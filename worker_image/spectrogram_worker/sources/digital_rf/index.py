"""Where the samples of a Digital RF channel lie: built once from the index of each file, shared by all readers.

It costs 20 bytes for each file, and 32 for each stretch of samples; no sample is read.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid
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

    @property
    def is_compressed(self) -> bool:
        """Whether samples lie in several pieces, or compressed."""
        return bool((self.offsets[self.files] < 0).any())


def build_index(
    store: RecordingStore,
    files: SampleFiles,
    properties: Properties,
    subchannel: int,
    *,
    spare: NDArray[np.bool_] | None = None,
    otherwise: SampleType | None = None,
) -> Index:
    """Look at these sample files. Raises WorkerError 65 for one that is damaged or points elsewhere.

    spare: (files,) True for a file beside those that are needed, which is left out where it cannot be used. The samples
    are of the type `otherwise` where there is no file.
    """
    table = [array("q") for _ in range(4)]
    offsets = np.full(len(files), -1, np.int64)
    sample_type: SampleType | None = None
    beside = [] if spare is None else np.flatnonzero(spare).tolist()
    for number in range(len(files)):
        if number not in beside:
            look = _look(store, files, number, properties, subchannel, sample_type)
            sample_type, offsets[number] = look.sample_type, look.offset
            for column, values in zip(table, look.stretches, strict=True):
                column.frombytes(values.tobytes())
    columns = [np.frombuffer(column, np.int64) for column in table]
    repeating = _repeating(columns)
    if len(repeating):
        name = store.shown(files.path(int(columns[2][repeating[0] + 1])))
        raise input_invalid(f"{name} repeats samples of an earlier stretch: two recordings were mixed, separate them")
    for number in beside if len(columns[0]) else ():
        try:
            look = _look(store, files, number, properties, subchannel, sample_type)
        except WorkerError as error:
            if error.code is not ExitCode.INPUT_INVALID:
                raise
            continue
        both = (look.stretches, columns) if number < columns[2][0] else (columns, look.stretches)
        joined = [np.concatenate(pair) for pair in zip(*both, strict=True)]
        if not len(_repeating(joined)):
            columns, offsets[number] = joined, look.offset
    sample_type = sample_type or otherwise
    if sample_type is None:
        raise input_invalid(f"{store.shown(files.channel)} has no rf@….h5 file here that can be read: copy it again")
    starts, stops, numbers, rows = columns
    return Index(
        sample_files=files,
        starts=starts,
        stops=stops,
        files=numbers,
        rows=rows,
        offsets=offsets,
        sample_type=sample_type,
    )


class _Look(NamedTuple):
    """What a file holds: its samples' type, the byte from which they lie in one piece or −1, its stretches (4, n)."""

    sample_type: SampleType
    offset: int
    stretches: NDArray[np.int64]


def _look(
    store: RecordingStore,
    files: SampleFiles,
    number: int,
    properties: Properties,
    subchannel: int,
    before: SampleType | None,
) -> _Look:
    """Look at a file. Raises WorkerError 65, also where its samples are not of the type of those `before`."""
    path = files.path(number)
    name = store.shown(path)
    with hdf5_errors(name), open_hdf5(store, path) as file:
        data = checked_dataset(file, name, "rf_data")
        found = stored_type(data, name, properties, subchannel)
        if before is not None and found != before:
            raise input_invalid(f"{name} holds {found.name}, the files before it {before.name}: separate them")
        chunks = find_chunks(file, data, name)
        offset = -1 if chunks.plain_offset is None else chunks.plain_offset
        return _Look(found, offset, _stretches(file, name, number, chunks.length))


def _repeating(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.intp]:
    """Which stretches are followed by one that begins before they end."""
    return np.flatnonzero(columns[0][1:] < columns[1][:-1])


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
