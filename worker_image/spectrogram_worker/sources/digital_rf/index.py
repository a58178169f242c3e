"""Where the samples of a Digital RF channel lie: built once from the index of each file, shared by all readers.

It costs 20 bytes for each file, and 32 for each segment of samples without a gap, of which there are a million at most;
no sample is read.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.digital_rf.alike import Contents, KnownFiles, NotedFile
from spectrogram_worker.sources.digital_rf.chunks import find_chunks
from spectrogram_worker.sources.digital_rf.folders import SampleFiles
from spectrogram_worker.sources.digital_rf.hdf5 import (
    Properties,
    checked_dataset,
    hdf5_errors,
    header_offset,
    numeric_dataset,
    open_file,
    read_hdf5,
    rows_of,
    stored_offset,
    stored_type,
)
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_MAXIMUM_SEGMENTS = 1_000_000
_ROWS_AT_ONCE = 1 << 15
MAXIMUM_SAMPLE = 2**62


@dataclass(frozen=True, kw_only=True)
class Index:
    """Segments of samples without a gap, in order.

    starts, stops: (n,) sample indices since 1970, or see `counted_from`, half-open. files: (n,) which of the files
    holds it. rows: (n,) row of the segment's first sample in its file. offsets: (files,) byte at which the samples lie
    in one piece, −1 where they do not (several chunks, compressed).
    """

    sample_files: SampleFiles
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    files: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sample_type: SampleType

    def counted_from(self, first: int) -> "Index":
        """The same, with the sample of index `first` as sample 0."""
        return replace(self, starts=self.starts - first, stops=self.stops - first)

    @property
    def is_compressed(self) -> bool:
        """Whether samples lie in several pieces, or compressed."""
        return bool((self.offsets < 0)[self.files].any())


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

    spare: (files,) True for a file that is not needed, and so is left out where it cannot be used. otherwise: the
    samples' type where there is no file.
    """
    known, table = KnownFiles(), _Table()
    offsets = np.full(len(files), -1, np.int64)
    sample_type: SampleType | None = None
    beside = [] if spare is None else np.flatnonzero(spare).tolist()
    for number in range(len(files)):
        if number not in beside:
            found = _look(store, files, number, properties, subchannel, known, sample_type, table)
            sample_type, offsets[number] = found.sample_type, found.offset
    columns = table.columns()
    repeating = _repeating(columns)
    if len(repeating):
        name = store.shown(files.path(int(columns[2][repeating[0] + 1])))
        raise input_invalid(f"{name} repeats samples of an earlier segment: two recordings were mixed, separate them")
    for number in beside if len(columns[0]) else ():
        one = _Table(before=len(columns[0]))
        try:
            found = _look(store, files, number, properties, subchannel, known, sample_type, one)
        except WorkerError as error:
            if error.code is not ExitCode.INPUT_INVALID:
                raise
            continue
        both = (one.columns(), columns) if number < columns[2][0] else (columns, one.columns())
        joined = [np.concatenate(pair) for pair in zip(*both, strict=True)]
        if not len(_repeating(joined)):
            columns, offsets[number] = joined, found.offset
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


class _Table:
    """Segments as they are found, after `before` others: start, stop, file and row of each, 8 bytes each."""

    def __init__(self, before: int = 0) -> None:
        self._before = before
        self._columns = [array("q") for _ in range(4)]

    def require_room(self, name: str, count: int) -> None:
        """Raise WorkerError 65 where a file says that it has more segments than there is room for."""
        if self._before + len(self._columns[0]) + count > _MAXIMUM_SEGMENTS:
            raise input_invalid(
                f"{name} says that it has {count} segments of samples without a gap, with the files before it more than"
                f" {_MAXIMUM_SEGMENTS}: choose a shorter input.range"
            )

    def add(self, *columns: NDArray[np.int64]) -> None:
        """Add n segments, a column (n,) each."""
        for column, values in zip(self._columns, columns, strict=True):
            column.frombytes(values.tobytes())

    def columns(self) -> list[NDArray[np.int64]]:
        """All that were added; nothing can be added any more."""
        return [np.frombuffer(column, np.int64) for column in self._columns]


def _look(
    store: RecordingStore,
    files: SampleFiles,
    number: int,
    properties: Properties,
    subchannel: int,
    known: KnownFiles,
    before: SampleType | None,
    table: _Table,
) -> Contents:
    """Look at a file, and add its segments to the table.

    Raises WorkerError 65, also where its samples are not of the type of those `before`.
    """
    path = files.path(number)
    name = store.shown(path)
    with hdf5_errors(name), open_file(store, path) as file:
        contents = known.contents_of(file)
        if contents is not None:
            _add_segments(name, number, contents, partial(_stored_rows, file, contents), table)
            return contents
        noted = NotedFile(file)
        with read_hdf5(noted if known.wanted else file) as content:
            data = checked_dataset(content, name, "rf_data")
            found = stored_type(data, name, properties, subchannel)
            if before is not None and found != before:
                raise input_invalid(f"{name} holds {found.name}, the files before it {before.name}: separate them")
            chunks = find_chunks(content, data, name)
            index = _index_of(content, name, chunks.length)
            known.wanted = known.wanted and not chunks.deflated.any()
            contents = Contents(
                sample_type=found,
                length=chunks.length,
                offset=-1 if chunks.plain_offset is None else chunks.plain_offset,
                segments=index.shape[0] if chunks.length else 0,
                index_type=index.dtype,
                index_offset=stored_offset(index) if known.wanted else -1,
            )
            if contents.index_offset >= 0:
                known.add(noted, contents, [header_offset(content, "rf_data"), header_offset(content, "rf_data_index")])
            _add_segments(name, number, contents, partial(rows_of, index), table)
    return contents


def _repeating(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.intp]:
    """Which segments are followed by one that begins before they end."""
    return np.flatnonzero(columns[0][1:] < columns[1][:-1])


def _index_of(file: Any, name: str, length: int) -> Any:
    """The dataset of a file's index, whose rows are a sample index and a row of rf_data each."""
    index = numeric_dataset(file, name, "rf_data_index", most=2 * max(length, 1))
    if index is None or len(index.shape) != 2 or index.shape[1] != 2 or index.dtype.kind not in "iu":
        raise input_invalid(f"{name}: rf_data_index is not an index: record it again with digital_rf")
    return index


def _stored_rows(file: SampleFile, contents: Contents, first: int, stop: int) -> NDArray[Any]:
    """Rows of an index that lies in one piece."""
    rows = np.empty((stop - first, 2), contents.index_type)
    file.read(contents.index_offset + first * rows.strides[0], rows)
    return rows


def _add_segments(
    name: str, number: int, contents: Contents, rows_between: Callable[[int, int], NDArray[Any]], table: _Table
) -> None:
    """Add the segments of one file, from the rows of its index."""
    length, count = contents.length, contents.segments
    table.require_room(name, count)
    for first in range(0, count, _ROWS_AT_ONCE):
        stop = min(first + _ROWS_AT_ONCE, count)
        values = rows_between(first, min(stop + 1, count))  # the next one's row is where the last one ends
        if values[:, 0].max() > MAXIMUM_SAMPLE or values[:, 1].max() >= length or (first == 0 and values[0, 1] != 0):
            raise input_invalid(f"{name}: rf_data_index points outside the file: record it again with digital_rf")
        samples, rows = values.T.astype(np.int64)
        counts = (np.append(rows[1:], length) - rows)[: stop - first]
        if counts.min() <= 0:
            raise input_invalid(f"{name}: rf_data_index is not in order: record it again with digital_rf")
        samples, rows = samples[: stop - first], rows[: stop - first]
        table.add(samples, samples + counts, np.full(len(rows), number, np.int64), rows)
