"""Digital RF recordings (MIT Haystack): folders of HDF5 files, with gaps, padding and metadata."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.digital_rf.folders import SampleFiles, choose_channel, files_near, sample_files
from spectrogram_worker.sources.digital_rf.hdf5 import Properties, read_properties
from spectrogram_worker.sources.digital_rf.index import Index, build_index
from spectrogram_worker.sources.digital_rf.metadata import center_frequency
from spectrogram_worker.sources.digital_rf.reader import DigitalRfReader
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.segments import gaps_between
from spectrogram_worker.sources.selection import select
from spectrogram_worker.sources.store import RecordingStore

_SEARCH_SAMPLES = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def open_digital_rf(store: RecordingStore, selection: RecordingSelection) -> "DigitalRfRecording":
    """Open a channel of a Digital RF recording; `selection.path` is the recording's folder, or the channel's.

    Raises WorkerError: 64 for a channel or subchannel that is not there, 65 for files that cannot be used, 66.
    """
    channel = choose_channel(store, PurePosixPath(selection.path), selection.channel)
    name = store.shown(channel)
    properties = read_properties(store, channel)
    if selection.subchannel >= properties.subchannels:
        raise invalid_spec(f"input.subchannel: {name} has {properties.subchannels} subchannels, counted from 0")
    index, first, stop = _find_samples(store, channel, properties, selection)
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
        is_compressed=bool((index.offsets < 0).any()),
        gaps=gaps_between(starts, stops),
    )
    selected = select(description, selection.range)
    last = selected.start + selected.count
    gaps = tuple(gap for gap in description.gaps if gap[0] < last and gap[1] > selected.start)
    begin = first + selected.start
    center = center_frequency(store, channel, begin, begin + selected.count, properties, selection.subchannel)
    if center is None and selection.raw is not None:
        center = selection.raw.center_frequency
    return DigitalRfRecording(store, index, first, replace(description, center_frequency=center or 0.0, gaps=gaps))


def _find_samples(
    store: RecordingStore, channel: PurePosixPath, properties: Properties, selection: RecordingSelection
) -> tuple[Index, int, int]:
    """The index of the channel, its first recorded sample and one past its last, as indices since 1970.

    Where files must be copied, only those that the range needs are copied and in the index.
    """
    files = sample_files(store, channel)
    if store.is_remote and len(files) and selection.range is not None and properties.file_milliseconds is not None:
        near = files_near(files, selection.range, properties.sample_rate, properties.file_milliseconds)
        index, first, stop = _index_of(store, near, properties, selection.subchannel)
        if len(near) == len(files) or (index.file_of(first) == 0 and index.file_of(stop - 1) == len(near) - 1):
            return index, first, stop
    return _index_of(store, files, properties, selection.subchannel)


def _index_of(
    store: RecordingStore, files: SampleFiles, properties: Properties, subchannel: int
) -> tuple[Index, int, int]:
    store.fetch(files.paths())
    index = build_index(store, files, properties, subchannel)
    if index.sample_type.padded:
        return index, *_without_padding(store, index, store.shown(files.channel))
    return index, int(index.starts[0]), int(index.stops[-1])


class DigitalRfRecording:
    """One subchannel of a channel; sample 0 is the one with index `first` since 1970."""

    def __init__(self, store: RecordingStore, index: Index, first: int, description: Description) -> None:
        self._store = store
        self._index = index
        self._first = first
        self._description = description

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "DigitalRfReader":
        """A new reader: each thread needs its own."""
        return DigitalRfReader(self._store, self._index, self._first)

    def close(self) -> None:
        """Nothing stays open: each reader opens files for itself."""


def _without_padding(store: RecordingStore, index: Index, name: str) -> tuple[int, int]:
    """First recorded sample and one past the last, as indices since 1970: a continuous writer pads whole files."""
    base = int(index.starts[0])
    reader = DigitalRfReader(store, index, base)
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
