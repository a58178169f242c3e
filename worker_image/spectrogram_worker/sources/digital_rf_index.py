"""Where the samples of a Digital RF channel lie: built once from the index of every file, shared by all readers.

It costs 40 bytes for each stretch of samples; no sample is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf_files import (
    Properties,
    checked_dataset,
    hdf5_errors,
    open_hdf5,
    stored_type,
)
from spectrogram_worker.sources.samples import SampleType
from spectrogram_worker.sources.volume import Volume

_MAXIMUM_INDEX_ROWS = 1_000_000
_MAXIMUM_SAMPLE = 2**62


@dataclass(frozen=True, kw_only=True)
class Index:
    """Stretches of samples without a gap, in order.

    starts, stops: (n,) sample indices since 1970, half-open. files: (n,) index into `paths`. rows: (n,) row of the
    stretch's first sample in its file. offsets: (files,) byte at which the samples lie in one piece, −1 where the
    library must fetch them (chunked, compressed).
    """

    paths: tuple[PurePosixPath, ...]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    files: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sample_type: SampleType

    def file_of(self, sample: int) -> int:
        """Index into `paths` of the file that holds a sample, or else the next one after it."""
        return int(self.files[np.searchsorted(self.stops, sample, side="right")])


def build_index(
    volume: Volume, channel: PurePosixPath, paths: Sequence[PurePosixPath], properties: Properties, subchannel: int
) -> Index:
    """Look at these sample files of the channel. Raises WorkerError 65 for one that is damaged or points elsewhere."""
    stretches: list[NDArray[np.int64]] = []
    offsets: list[int] = []
    sample_type: SampleType | None = None
    for number, path in enumerate(paths):
        name = volume.shown(path)
        with hdf5_errors(name), open_hdf5(volume, path) as file:
            data = checked_dataset(file, name, "rf_data")
            found = stored_type(data, name, properties, subchannel)
            if sample_type is not None and found != sample_type:
                raise input_invalid(f"{name} holds {found.name}, the files before it {sample_type.name}: separate them")
            sample_type = found
            stretches.append(_stretches(file, name, number, data.shape[0]))
            offsets.append(_contiguous_offset(file, data))
    if sample_type is None:
        raise input_invalid(f"{volume.shown(channel)} is empty: it has no rf@….h5 file")
    table = np.concatenate(stretches)
    if len(table) == 0:
        raise input_invalid(f"{volume.shown(channel)} is empty: its files hold no sample")
    overlaps = np.flatnonzero(table[1:, 0] < table[:-1, 1])
    if len(overlaps):
        name = volume.shown(paths[int(table[overlaps[0] + 1, 2])])
        raise input_invalid(f"{name} repeats samples of an earlier stretch: two recordings were mixed, separate them")
    starts, stops, files, rows = (np.ascontiguousarray(column) for column in table.T)
    return Index(
        paths=tuple(paths),
        starts=starts,
        stops=stops,
        files=files,
        rows=rows,
        offsets=np.array(offsets, np.int64),
        sample_type=sample_type,
    )


def _stretches(file: Any, name: str, number: int, length: int) -> NDArray[np.int64]:
    """The rows (start, stop, file, row) of one file, from rf_data_index: (n, 2), each a sample index and a row."""
    dataset = checked_dataset(file, name, "rf_data_index")
    if len(dataset.shape) != 2 or dataset.shape[1] != 2 or dataset.dtype.kind not in "iu":
        raise input_invalid(f"{name}: rf_data_index is not an index: record it again with digital_rf")
    if dataset.shape[0] > min(_MAXIMUM_INDEX_ROWS, max(length, 1)):
        raise input_invalid(f"{name}: rf_data_index has {dataset.shape[0]} entries for {length} samples")
    index = dataset[...]
    if len(index) == 0 or length == 0:
        return np.empty((0, 4), np.int64)
    if index[:, 0].max() > _MAXIMUM_SAMPLE or index[:, 1].max() >= length or index[0, 1] != 0:
        raise input_invalid(f"{name}: rf_data_index points outside the file: record it again with digital_rf")
    samples, rows = index[:, 0].astype(np.int64), index[:, 1].astype(np.int64)
    counts = np.diff(rows, append=length)
    if counts.min() <= 0:
        raise input_invalid(f"{name}: rf_data_index is not in order: record it again with digital_rf")
    return np.stack((samples, samples + counts, np.full(len(rows), number, np.int64), rows), axis=1)


def _contiguous_offset(file: Any, data: Any) -> int:
    plain = data.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS and file.userblock_size == 0
    offset = data.id.get_offset() if plain else None
    return -1 if offset is None else int(offset)
