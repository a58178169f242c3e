"""The centre frequency of a Digital RF channel, from the Digital Metadata in its `metadata` folder.

Format: `metadata/<YYYY-MM-DDTHH-MM-SS>/<name>@<seconds>.h5`, one group per change, named by its sample index since
1970; `center_frequencies` holds one value or one per subchannel. A value holds until the next one.
"""

import re
from pathlib import PurePosixPath
from typing import Any

import h5py
import numpy as np

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf.folders import SUBDIRECTORY
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


def center_frequency(
    store: RecordingStore, channel: PurePosixPath, begin: int, stop: int, properties: Properties, subchannel: int
) -> float | None:
    """Centre frequency in Hz of the samples [begin, stop) since 1970, or None where the metadata does not say.

    Raises WorkerError 65 where it changes within them: one spectrogram has one frequency axis.
    """
    found: list[float] = []
    for path in reversed(_files_before(store, channel / "metadata", stop, properties)):
        name = store.shown(path)
        with hdf5_errors(name), open_hdf5(store, path) as file:
            samples = sorted((int(key) for key in file if key.isdecimal() and int(key) < stop), reverse=True)
            for sample in samples:
                value = _value(file, name, str(sample), subchannel)
                if value is not None and value not in found:
                    found.append(value)
                if value is not None and sample <= begin:
                    return _only(found, store.shown(channel))
    return _only(found, store.shown(channel)) if found else None


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
) -> list[PurePosixPath]:
    """The metadata files that begin before the sample `stop`, in the order of time."""
    found: list[tuple[int, PurePosixPath]] = []
    if not store.is_folder(folder):
        return []
    for subdirectory in store.names(folder):
        if SUBDIRECTORY.fullmatch(subdirectory):
            for name in store.names(folder / subdirectory):
                match = _METADATA_FILE.fullmatch(name)
                if match and int(match[1]) * properties.sample_rate < stop:
                    found.append((int(match[1]), folder / subdirectory / name))
    return [file for _, file in sorted(found)]


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
