"""The folders of a Digital RF recording: its channels, and their sample files in order. No HDF5 is opened here.

Recognition looks here at every recording: the HDF5 library is loaded only for those that are Digital RF.
"""

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Range, duration_seconds
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.store import RecordingStore

PROPERTIES_NAMES = ("drf_properties.h5", "metadata.h5")  # the second before version 2.5
SUBDIRECTORY = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}")
_SAMPLE_FILE = re.compile(r"rf@(0|[1-9]\d{0,11})\.(\d{3})\.h5", re.ASCII)
_LISTED_CHANNELS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_digital_rf(store: RecordingStore, path: PurePosixPath) -> bool:
    """True for the folder of a Digital RF recording, or of one of its channels."""
    return properties_file(store, path) is not None or bool(channel_names(store, path))


def channel_names(store: RecordingStore, path: PurePosixPath) -> list[str]:
    """The channels of a recording, sorted."""
    return sorted(name for name in store.names(path) if properties_file(store, path / name) is not None)


def choose_channel(store: RecordingStore, path: PurePosixPath, wanted: str | None) -> PurePosixPath:
    """The folder of the channel `wanted`, or of the only one; `path` may also be a channel's folder itself.

    Raises WorkerError: 64 where the choice is open, with the channels listed; 65 where `path` is no Digital RF folder.
    """
    store.require(path)
    if wanted in (None, path.name) and properties_file(store, path) is not None:
        return path
    name = store.shown(path)
    if not store.is_folder(path) or not (names := channel_names(store, path)):
        raise input_invalid(
            f"{name} is not a Digital RF recording: it has no <channel>/drf_properties.h5 (if that file was lost,"
            " digital_rf.recreate_properties_file makes it again)"
        )
    listed = ", ".join(names[:_LISTED_CHANNELS]) + (" …" if len(names) > _LISTED_CHANNELS else "")
    if wanted is None and len(names) > 1:
        raise invalid_spec(f"input.channel is missing: {name} has the channels {listed}, name one")
    if wanted is not None and wanted not in names:
        raise invalid_spec(f"input.channel: {name} has no channel {wanted}, but {listed}")
    return path / (wanted or names[0])


@dataclass(frozen=True)
class SampleFiles:
    """The sample files of a channel in the order of time; a few bytes each, as a day of a recording has 86 400.

    times: (files,) what their names say, in milliseconds since 1970: their samples are not earlier. places: (files,)
    index into `folders`.
    """

    channel: PurePosixPath
    folders: tuple[str, ...]
    times: NDArray[np.int64]
    places: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.times)

    def path(self, number: int) -> PurePosixPath:
        """The path of one of them."""
        seconds, milliseconds = divmod(int(self.times[number]), 1000)
        folder = self.folders[int(self.places[number])]
        return self.channel / folder / f"rf@{seconds}.{milliseconds:03}.h5"

    def paths(self) -> Iterator[PurePosixPath]:
        """The paths of all."""
        return map(self.path, range(len(self)))


def sample_files(store: RecordingStore, channel: PurePosixPath) -> SampleFiles:
    """The channel's sample files, without those still being written (tmp.rf@…)."""
    folders = tuple(sorted(filter(SUBDIRECTORY.fullmatch, store.names(channel))))
    times, places = array("q"), array("i")
    for place, folder in enumerate(folders):
        for name in store.names(channel / folder):
            if match := _SAMPLE_FILE.fullmatch(name):
                times.append(int(match[1]) * 1000 + int(match[2]))
                places.append(place)
    order = np.argsort(times, kind="stable")
    return SampleFiles(channel, folders, np.array(times, np.int64)[order], np.array(places, np.int32)[order])


def files_near(files: SampleFiles, wanted: Range, sample_rate: Fraction, file_milliseconds: int) -> SampleFiles:
    """Of `sample_files`, those that may hold samples of a range, with a file to spare on each side.

    The first and the last are always among them: they say where the recording begins and ends. The recording's first
    sample lies in the first file, anywhere; so a range that counts from it is known to the length of a file.
    """
    begin = int(files.times[0])
    if wanted.start_time is not None:
        start = wanted.start_time if wanted.start_time.tzinfo is not None else wanted.start_time.replace(tzinfo=UTC)
        begin = (start - _EPOCH) // timedelta(milliseconds=1)
    elif wanted.start is not None:
        begin += math.floor(1000 * Fraction(duration_seconds(wanted.start)))
    else:
        begin += math.floor(1000 * (wanted.start_sample or 0) / sample_rate)
    length: float = math.inf
    if wanted.samples is not None:
        length = math.ceil(1000 * wanted.samples / sample_rate)
    elif wanted.duration is not None:
        length = math.ceil(1000 * Fraction(duration_seconds(wanted.duration)))
    low, high = begin - 2 * file_milliseconds, begin + length + 2 * file_milliseconds
    near = (files.times > low) & (files.times < high)
    near[[0, -1]] = True
    return replace(files, times=files.times[near], places=files.places[near])


def properties_file(store: RecordingStore, channel: PurePosixPath) -> PurePosixPath | None:
    """The file of the channel's properties, or None where `channel` is no channel's folder."""
    return next((channel / name for name in PROPERTIES_NAMES if store.is_file(channel / name)), None)
