"""Digital RF recordings (MIT Haystack): folders of HDF5 files, with gaps, padding and metadata."""

from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import invalid_spec
from spectrogram_worker.sources.digital_rf.bounds import files_of, find_bounds, time_of
from spectrogram_worker.sources.digital_rf.folders import SampleFolders, choose_channel
from spectrogram_worker.sources.digital_rf.hdf5 import read_properties
from spectrogram_worker.sources.digital_rf.index import Index, build_index
from spectrogram_worker.sources.digital_rf.metadata import center_frequency
from spectrogram_worker.sources.digital_rf.reader import DigitalRfReader
from spectrogram_worker.sources.recording import Description, Extent
from spectrogram_worker.sources.said import Corrections
from spectrogram_worker.sources.samples.segments import gaps_between
from spectrogram_worker.sources.selection import select
from spectrogram_worker.sources.store import RecordingStore


def open_digital_rf(
    store: RecordingStore, selection: RecordingSelection, fft_size: int | None = None
) -> "DigitalRfRecording":
    """Open a channel of a Digital RF recording; `selection.path` is the recording's folder, or the channel's.

    Of its files only the first, the last and those of the range are looked at: gaps are known within the range only.
    Centre frequencies that differ by no more than half a bin of `fft_size` are one.

    Raises WorkerError: 64 for a channel or subchannel that is not there, 65 for files that cannot be used, 66.
    """
    channel = choose_channel(store, PurePosixPath(selection.path), selection.channel)
    name = store.shown(channel)
    properties = read_properties(store, channel)
    subchannel = selection.subchannel or 0
    if subchannel >= properties.subchannels:
        raise invalid_spec(f"input.subchannel: {name} has {properties.subchannels} subchannels, counted from 0")
    said, corrections = selection.raw or Raw(), Corrections(name)
    stated = float(properties.sample_rate)
    rate = corrections.take("raw.sampleRate", said.sample_rate, stated)
    folders = SampleFolders(store, channel)
    bounds = find_bounds(store, folders, properties, subchannel)
    extent = Extent(
        sample_rate=properties.sample_rate if rate is None or rate == stated else Fraction(rate),
        length=bounds.stop - bounds.first,
        start_time=time_of(bounds.first, properties.sample_rate),
    )
    selected = select(extent, selection.range)
    begin, stop = bounds.first + selected.start, bounds.first + selected.start + selected.count
    files, spare = files_of(folders, begin, stop, properties)
    store.fetch(files.paths())
    index = build_index(store, files, properties, subchannel, spare=spare, otherwise=bounds.sample_type)
    index = index.counted_from(bounds.first)
    tolerance = 0.0 if fft_size is None else float(properties.sample_rate / fft_size / 2)
    center = None
    with corrections.where_said("centre frequency", said.center_frequency):
        center = center_frequency(store, channel, begin, stop, properties, subchannel, tolerance)
    center = corrections.center(said.center_frequency, center, is_complex=index.sample_type.is_complex)
    description = Description(
        format=InputFormat.DIGITAL_RF,
        name=name,
        sample_rate=extent.sample_rate,
        center_frequency=center,
        start_time=extent.start_time,
        is_complex=index.sample_type.is_complex,
        length=extent.length,
        bytes_per_sample=index.sample_type.sample_bytes,
        sample_type=index.sample_type.name,
        is_compressed=index.is_compressed,
        gaps=_within(index, selected.start, selected.start + selected.count),
        warnings=(*bounds.warnings, *corrections.notes),
    )
    return DigitalRfRecording(store, index, description)


class DigitalRfRecording:
    """One subchannel of a channel."""

    def __init__(self, store: RecordingStore, index: Index, description: Description) -> None:
        self._store = store
        self._index = index
        self._description = description

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "DigitalRfReader":
        """A new reader: each thread needs its own."""
        return DigitalRfReader(self._store, self._index)

    def close(self) -> None:
        """Nothing stays open: each reader opens files for itself."""


def _within(index: Index, begin: int, stop: int) -> tuple[tuple[int, int], ...]:
    """The gaps between the samples `begin` and `stop`."""
    inside = slice(np.searchsorted(index.stops, begin, side="right"), np.searchsorted(index.starts, stop))
    starts, stops = index.starts[inside], index.stops[inside]
    if not len(starts):
        return ((begin, stop),)
    around = (begin, int(starts[0])), *gaps_between(starts, stops), (int(stops[-1]), stop)
    return tuple(gap for gap in around if gap[0] < gap[1])
