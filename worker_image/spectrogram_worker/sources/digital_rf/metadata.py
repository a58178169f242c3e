"""The centre frequency of a Digital RF channel, from the Digital Metadata in its `metadata` folder.

Format: `metadata/<YYYY-MM-DDTHH-MM-SS>/<name>@<seconds>.h5`, one group per change, named by its sample index since
1970; `center_frequencies` holds one value or one per subchannel. A value holds until the next one.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf.folders import SUBDIRECTORY, time_name
from spectrogram_worker.sources.digital_rf.hdf5 import (
    Properties,
    hdf5_errors,
    open_hdf5,
    small_values,
)
from spectrogram_worker.sources.store import RecordingStore

_METADATA_FILE = re.compile(r"(?!tmp\.).+@(\d{1,12})\.h5")
_FIELD = "center_frequencies"
_LISTED_FREQUENCIES = 5
_MAXIMUM_VALUES = 4096
_MAXIMUM_CHANGES = 250_000
_MAXIMUM_DIGITS = 18


def center_frequency(
    store: RecordingStore,
    channel: PurePosixPath,
    begin: int,
    stop: int,
    properties: Properties,
    subchannel: int,
    tolerance: float,
) -> float | None:
    """Centre frequency in Hz of the samples [begin, stop) since 1970, or None where the metadata does not say.

    Raises WorkerError 65 where it changes within them by more than `tolerance` (Hz): one spectrogram has one frequency
    axis. Some recorders write the same frequency again and again, rounded each time.
    """
    found: list[float] = []
    for path in _files_before(store, channel / "metadata", stop, properties):
        name = store.shown(path)
        with hdf5_errors(name), open_hdf5(store, path) as file:
            for sample in map(int, _samples_before(file, name, stop)[::-1]):
                value = _value(file, name, str(sample), subchannel)
                if value is not None and all(abs(value - known) > tolerance for known in found):
                    found.append(value)
                if len(found) > _LISTED_FREQUENCIES or (value is not None and sample <= begin):
                    return _only(found, store.shown(channel))
    return _only(found, store.shown(channel)) if found else None


def _samples_before(file: Any, name: str, stop: int) -> NDArray[np.int64]:
    """The sample indices before `stop` that groups of the file are named by, ascending."""
    found = array("q")

    def note(key: bytes) -> bool:
        """Keep one name; True ends the iteration."""
        if key.isdigit() and len(key) <= _MAXIMUM_DIGITS and int(key) < stop:
            found.append(int(key))
        return len(found) > _MAXIMUM_CHANGES

    # The names pass by one at a time, in the order in which they lie in the file; h5py's own list of them is long.
    is_too_much, _ = file.id.links.iterate(note, order=h5py.h5.ITER_NATIVE)
    if is_too_much:
        raise input_invalid(
            f"{name} holds more than {_MAXIMUM_CHANGES} entries of metadata: write fewer into one file, or remove the"
            " folder and say input.raw.centerFrequency"
        )
    return np.sort(np.frombuffer(found, np.int64))


def _only(frequencies: list[float], name: str) -> float:
    if len(frequencies) > 1:
        listed = ", ".join(f"{frequency:.12g}" for frequency in frequencies[::-1][:_LISTED_FREQUENCIES])
        more = " …" if len(frequencies) > _LISTED_FREQUENCIES else ""
        raise input_invalid(
            f"{name} was tuned to several centre frequencies in this range ({listed}{more} Hz):"
            " choose an input.range within one"
        )
    return frequencies[0]


def _files_before(
    store: RecordingStore, folder: PurePosixPath, stop: int, properties: Properties
) -> Iterator[PurePosixPath]:
    """The metadata files that begin before the sample `stop`, the last first; folders are listed one by one."""
    if not store.is_folder(folder):
        return
    last = (stop - 1) // properties.sample_rate
    names = filter(SUBDIRECTORY.fullmatch, store.names(folder))
    for subdirectory in sorted((name for name in names if name <= time_name(1000 * last)), reverse=True):
        matches = filter(None, map(_METADATA_FILE.fullmatch, store.names(folder / subdirectory)))
        found = [(int(match[1]), match[0]) for match in matches if int(match[1]) <= last]
        yield from (folder / subdirectory / name for _, name in sorted(found, reverse=True))


def _value(file: Any, name: str, sample: str, subchannel: int) -> float | None:
    if file.id.links.get_info(sample.encode()).type != h5py.h5l.TYPE_HARD:
        raise input_invalid(f"{name}: {sample} is a link to somewhere else: store the metadata in the file itself")
    group = file[sample]
    if not isinstance(group, h5py.Group) or not group.id.links.exists(_FIELD.encode()):
        return None
    found = small_values(group, name, _FIELD, most=_MAXIMUM_VALUES)
    if found is None or found.size == 0:
        return None
    values = found.reshape(-1).astype(np.float64)
    value = float(values[subchannel] if subchannel < len(values) else values[0])
    return value if np.isfinite(value) else None
