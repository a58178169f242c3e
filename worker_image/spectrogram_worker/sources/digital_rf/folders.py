"""The folders of a Digital RF recording: its channels, and their sample files in order. No HDF5 is opened here.

Recognition looks here at every recording: the HDF5 library is loaded only for those that are Digital RF.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid, invalid_spec
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
    """The channels of a recording, sorted.

    What cannot be looked into, as a closed lost+found or a link that leads out, is no channel. Where there is no other,
    WorkerError 65 says of the first why it cannot.
    """
    found, failures = [], []
    for name in store.names(path):
        try:
            if properties_file(store, path / name) is not None:
                found.append(name)
        except WorkerError as error:
            if error.code is not ExitCode.INPUT_INVALID:
                raise
            failures.append(error)
    if failures and not found:
        raise failures[0]
    return sorted(found)


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
        properties_file(store, path / wanted)  # raises where it is there and cannot be looked into
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


class SampleFolders:
    """The folders of a channel's sample files, in the order of time. Each is listed when it is first asked for.

    A folder's name is the time at which its first file may begin: what a range needs is found by names alone.
    """

    def __init__(self, store: RecordingStore, channel: PurePosixPath) -> None:
        self._store, self.channel = store, channel
        self._names = tuple(sorted(filter(SUBDIRECTORY.fullmatch, store.names(channel))))
        self._times: dict[int, NDArray[np.int64]] = {}

    def from_end(self, *, backwards: bool) -> Iterator[SampleFiles]:
        """The files one by one, from the first on or from the last."""
        turn = -1 if backwards else 1
        for place in range(len(self._names))[::turn]:
            times = self._listed(place)
            for number in range(len(times))[::turn]:
                yield self._files(times[number : number + 1], np.array([place], np.int32))

    def between(self, begin: int, stop: int) -> SampleFiles:
        """The files that by their names hold the times `begin` to `stop`, both included, in milliseconds since 1970.

        The first of them is the last that begins no later than `begin`, if its folder has one.
        """
        first = max(0, bisect_right(self._names, time_name(begin)) - 1)
        places = range(first, bisect_right(self._names, time_name(stop)))
        listed = [self._listed(place) for place in places]
        times = np.concatenate([np.empty(0, np.int64), *listed])
        order = np.argsort(times, kind="stable")
        times, numbers = times[order], np.repeat(np.array(places, np.int32), [len(found) for found in listed])[order]
        kept = slice(max(0, np.searchsorted(times, begin, "right") - 1), np.searchsorted(times, stop, "right"))
        return self._files(times[kept], numbers[kept])

    def _files(self, times: NDArray[np.int64], places: NDArray[np.int32]) -> SampleFiles:
        return SampleFiles(self.channel, self._names, times, places)

    def _listed(self, place: int) -> NDArray[np.int64]:
        """What the names of a folder's files say, sorted; without those still being written (tmp.rf@…)."""
        if place not in self._times:
            found = array("q")
            for name in self._store.names(self.channel / self._names[place]):
                if match := _SAMPLE_FILE.fullmatch(name):
                    found.append(int(match[1]) * 1000 + int(match[2]))
            self._times[place] = np.sort(np.array(found, np.int64))
        return self._times[place]


def time_name(milliseconds: int) -> str:
    """How a folder is called that begins then; such names sort as their times do."""
    try:
        return (_EPOCH + timedelta(milliseconds=max(0, milliseconds))).strftime("%Y-%m-%dT%H-%M-%S")
    except OverflowError:
        return "9999-99-99T99-99-99"


def properties_file(store: RecordingStore, channel: PurePosixPath) -> PurePosixPath | None:
    """The file of the channel's properties, or None where `channel` is no channel's folder."""
    return next((channel / name for name in PROPERTIES_NAMES if store.is_file(channel / name)), None)
