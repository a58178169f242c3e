"""Digital RF recordings (MIT Haystack): folders of HDF5 files, with gaps, padding and metadata."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.digital_rf_files import (
    Properties,
    checked_dataset,
    hdf5_errors,
    open_hdf5,
    read_properties,
)
from spectrogram_worker.sources.digital_rf_folders import choose_channel, files_near, sample_files
from spectrogram_worker.sources.digital_rf_index import Index, build_index
from spectrogram_worker.sources.digital_rf_metadata import center_frequency
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.segments import SegmentReader, gaps_between
from spectrogram_worker.sources.selection import select
from spectrogram_worker.sources.volume import SampleFile, Volume

_SEARCH_SAMPLES = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def open_digital_rf(volume: Volume, selection: RecordingSelection) -> "DigitalRfRecording":
    """Open a channel of a Digital RF recording; `selection.path` is the recording's folder, or the channel's.

    Raises WorkerError: 64 for a channel or subchannel that is not there, 65 for files that cannot be used, 66.
    """
    channel = choose_channel(volume, PurePosixPath(selection.path), selection.channel)
    name = volume.shown(channel)
    properties = read_properties(volume, channel)
    if selection.subchannel >= properties.subchannels:
        raise invalid_spec(f"input.subchannel: {name} has {properties.subchannels} subchannels, counted from 0")
    index, first, stop = _find_samples(volume, channel, properties, selection)
    starts, stops = _within(index, first, stop)
    description = Description(
        format=InputFormat.DIGITAL_RF,
        name=name,
        sample_rate=properties.sample_rate,
        center_frequency=0.0,
        start_time=_time(first, properties.sample_rate),
        is_complex=index.sample_type.is_complex,
        length=stop - first,
        bytes_per_sample=index.sample_type.sample_bytes,
        sample_type=index.sample_type.name,
        gaps=gaps_between(starts, stops),
    )
    selected = select(description, selection.range)
    last = selected.start + selected.count
    gaps = tuple(gap for gap in description.gaps if gap[0] < last and gap[1] > selected.start)
    begin = first + selected.start
    center = center_frequency(volume, channel, begin, begin + selected.count, properties, selection.subchannel)
    if center is None and selection.raw is not None:
        center = selection.raw.center_frequency
    return DigitalRfRecording(volume, index, first, replace(description, center_frequency=center or 0.0, gaps=gaps))


def _find_samples(
    volume: Volume, channel: PurePosixPath, properties: Properties, selection: RecordingSelection
) -> tuple[Index, int, int]:
    """The index of the channel, its first recorded sample and one past its last, as indices since 1970.

    Where files must be copied, only those that the range needs are copied and in the index.
    """
    files = sample_files(volume, channel)
    paths = [path for _, path in files]
    if volume.is_remote and files and selection.range is not None and properties.file_milliseconds is not None:
        near = files_near(files, selection.range, properties.sample_rate, properties.file_milliseconds)
        index, first, stop = _index_of(volume, channel, near, properties, selection.subchannel)
        if near == paths or (index.file_of(first) == 0 and index.file_of(stop - 1) == len(near) - 1):
            return index, first, stop
    return _index_of(volume, channel, paths, properties, selection.subchannel)


def _index_of(
    volume: Volume, channel: PurePosixPath, paths: Sequence[PurePosixPath], properties: Properties, subchannel: int
) -> tuple[Index, int, int]:
    volume.fetch(paths)
    index = build_index(volume, channel, paths, properties, subchannel)
    if index.sample_type.padded:
        return index, *_without_padding(volume, index, volume.shown(channel))
    return index, int(index.starts[0]), int(index.stops[-1])


class DigitalRfRecording:
    """One subchannel of a channel; sample 0 is the one with index `first` since 1970."""

    def __init__(self, volume: Volume, index: Index, first: int, description: Description) -> None:
        self._volume = volume
        self._index = index
        self._first = first
        self._description = description

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "DigitalRfReader":
        """A new reader: each thread needs its own."""
        return DigitalRfReader(self._volume, self._index, self._first)

    def close(self) -> None:
        """Nothing stays open: each reader opens files for itself."""


class DigitalRfReader(SegmentReader):
    """Reads with preadv where a file holds its samples in one piece, else through h5py.

    h5py runs one call at a time in the whole process, so readers in several threads are safe, and chunked or compressed
    files do not get faster with threads. One file is open at a time.
    """

    def __init__(self, volume: Volume, index: Index, first: int) -> None:
        super().__init__(index.sample_type, index.starts - first, index.stops - first)
        self._volume = volume
        self._index = index
        self._open_number = -1
        self._plain: SampleFile | None = None
        self._hdf5: Any = None
        self._data: Any = None

    def _fetch(self, segment: int, first: int, content: NDArray[np.uint8]) -> None:
        number = int(self._index.files[segment])
        if number != self._open_number:
            self._open(number)
        row = int(self._index.rows[segment]) + first
        if self._plain is not None:
            self._plain.read(int(self._index.offsets[number]) + row * self._type.stride, content)
            return
        with hdf5_errors(self._volume.shown(self._index.paths[number])):
            rows = content.view(self._data.dtype).reshape(-1, *self._data.shape[1:])
            self._data.read_direct(rows, np.s_[row : row + len(rows)])

    def _open(self, number: int) -> None:
        self.close()
        path = self._index.paths[number]
        if self._index.offsets[number] >= 0:
            self._plain = self._volume.open(path)
        else:
            name = self._volume.shown(path)
            with hdf5_errors(name):
                self._hdf5 = open_hdf5(self._volume, path)
                self._data = checked_dataset(self._hdf5, name, "rf_data")
        self._open_number = number

    def close(self) -> None:
        """Close the file that is open."""
        if self._plain is not None:
            self._plain.close()
        if self._hdf5 is not None:
            self._hdf5.close()
        self._plain = self._hdf5 = self._data = None
        self._open_number = -1


def _without_padding(volume: Volume, index: Index, name: str) -> tuple[int, int]:
    """First recorded sample and one past the last, as indices since 1970: a continuous writer pads whole files."""
    base = int(index.starts[0])
    reader = DigitalRfReader(volume, index, base)
    try:
        first = next((present[0] for present in _present(reader, index, base)), None)
        if first is None:
            raise input_invalid(f"{name} holds no recorded sample: all of it is padding")
        last = next(present[-1] for present in _present(reader, index, base, backwards=True))
    finally:
        reader.close()
    return int(first), int(last) + 1


def _present(
    reader: DigitalRfReader, index: Index, base: int, *, backwards: bool = False
) -> Iterator[NDArray[np.int64]]:
    """Indices of recorded samples, piece by piece (each (n,), ascending, not empty), from either end."""
    buffer = np.empty(_SEARCH_SAMPLES, np.complex64 if index.sample_type.is_complex else np.float32)
    turn = -1 if backwards else 1
    for start, stop in zip(index.starts[::turn].tolist(), index.stops[::turn].tolist(), strict=True):
        for piece in range(start, stop, _SEARCH_SAMPLES)[::turn]:
            samples = buffer[: min(_SEARCH_SAMPLES, stop - piece)]
            missing = reader.read(piece - base, samples)
            if missing is None:
                yield np.arange(piece, piece + len(samples))
            elif not missing.all():
                yield piece + np.flatnonzero(~missing)


def _within(index: Index, first: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and stops of the stretches between `first` and `stop`, counted from `first`."""
    kept = (index.stops > first) & (index.starts < stop)
    return np.maximum(index.starts[kept], first) - first, np.minimum(index.stops[kept], stop) - first


def _time(sample: int, sample_rate: Fraction) -> datetime | None:
    """UTC of a sample index since 1970, to the microsecond, in integers: the index has 14 digits and more."""
    try:
        return _EPOCH + timedelta(microseconds=int(sample * 1_000_000 / sample_rate))
    except OverflowError:
        return None
