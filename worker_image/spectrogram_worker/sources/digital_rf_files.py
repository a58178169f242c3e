"""The files of a Digital RF recording: channels, properties, sample files in order; each looked at before it is read.

Format: Digital RF 2.x, `<channel>/drf_properties.h5` and `<channel>/<YYYY-MM-DDTHH-MM-SS>/rf@<seconds>.<millis>.h5`.
The files are read with h5py itself, not through `digital_rf.DigitalRFReader`: that one opens files before they can be
checked, follows links, external storage and virtual datasets out of the folder, builds a path for every file that could
exist between first and last sample (a year between two campaigns is 31 million), and removes metadata files that it
fails to read. The tests compare what is read here with what it reads.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.files import inside, regular_file, shown, unreadable
from spectrogram_worker.sources.samples import SampleType

PROPERTIES_NAMES = ("drf_properties.h5", "metadata.h5")  # the second before version 2.5
SUBDIRECTORY = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}")
_SAMPLE_FILE = re.compile(r"rf@(\d{1,12})\.(\d{3})\.h5")
_LISTED_CHANNELS = 10


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What drf_properties.h5 says of a channel. is_continuous: the writer pads what it did not record."""

    sample_rate: Fraction
    is_continuous: bool
    subchannels: int


def is_digital_rf(root: Path, path: Path) -> bool:
    """True for the folder of a Digital RF recording, or of one of its channels."""
    return _properties_file(path) is not None or bool(channel_names(root, path))


def channel_names(root: Path, path: Path) -> list[str]:
    """The channels of a recording, sorted."""
    try:
        return sorted(entry.name for entry in inside(root, path).iterdir() if _properties_file(entry) is not None)
    except OSError as error:
        raise unreadable(shown(root, path), error) from None


def choose_channel(root: Path, path: Path, wanted: str | None) -> Path:
    """The folder of the channel `wanted`, or of the only one; `path` may also be a channel's folder itself.

    Raises WorkerError: 64 where the choice is open, with the channels listed; 65 where `path` is no Digital RF folder.
    """
    if _properties_file(inside(root, path)) is not None and wanted in (None, path.name):
        return path
    if not inside(root, path).is_dir() or not (names := channel_names(root, path)):
        raise input_invalid(
            f"{shown(root, path)} is not a Digital RF recording: it has no <channel>/drf_properties.h5 (if that file"
            " was lost, digital_rf.recreate_properties_file makes it again)"
        )
    listed = ", ".join(names[:_LISTED_CHANNELS]) + (" …" if len(names) > _LISTED_CHANNELS else "")
    if wanted is None and len(names) > 1:
        raise invalid_spec(f"input.channel is missing: {shown(root, path)} has the channels {listed}, name one")
    if wanted is not None and wanted not in names:
        raise invalid_spec(f"input.channel: {shown(root, path)} has no channel {wanted}, but {listed}")
    return path / (wanted or names[0])


def read_properties(root: Path, channel: Path) -> Properties:
    """Read the channel's properties. Raises WorkerError 65 where they are incomplete."""
    file = _properties_file(channel)
    assert file is not None
    name = shown(root, file)
    with hdf5_errors(name), open_hdf5(root, file) as content:
        attributes = {key: _scalar(content.attrs[key]) for key in content.attrs}
    try:
        if "sample_rate_numerator" in attributes:
            numerator = int(attributes["sample_rate_numerator"])
            sample_rate = Fraction(numerator, int(attributes["sample_rate_denominator"]))
        else:  # before version 2.3
            sample_rate = Fraction(float(attributes["samples_per_second"])).limit_denominator()
        properties = Properties(
            sample_rate=sample_rate,
            is_continuous=bool(attributes["is_continuous"]),
            subchannels=int(attributes["num_subchannels"]),
        )
    except (KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise input_invalid(f"{name} lacks a usable property ({error}): recreate it with digital_rf") from None
    if not 0 < properties.sample_rate <= 10**15 or not 1 <= properties.subchannels <= 4096:
        raise input_invalid(f"{name} has an impossible rate or number of subchannels: recreate it with digital_rf")
    return properties


def sample_files(root: Path, channel: Path) -> list[Path]:
    """The channel's sample files in the order of time, without those still being written (tmp.rf@…)."""
    found: list[tuple[int, Path]] = []
    try:
        for folder in inside(root, channel).iterdir():
            if SUBDIRECTORY.fullmatch(folder.name):
                for file in inside(root, folder).iterdir():
                    if match := _SAMPLE_FILE.fullmatch(file.name):
                        found.append((int(match[1]) * 1000 + int(match[2]), channel / folder.name / file.name))
    except OSError as error:
        raise unreadable(shown(root, channel), error) from None
    return [file for _, file in sorted(found)]


def open_hdf5(root: Path, path: Path) -> Any:
    """An HDF5 file below the root, opened for reading; to be used within `hdf5_errors`."""
    # No file locking: recordings lie on read-only volumes and network file systems.
    return h5py.File(regular_file(root, path), "r", locking=False)


@contextmanager
def hdf5_errors(name: str) -> Iterator[None]:
    """What h5py raises about a damaged file becomes WorkerError 65 with the file's name."""
    try:
        yield
    except PermissionError as error:
        raise unreadable(name, error) from None
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise input_invalid(
            f"{name} is damaged or cut off ({reason}): copy it again, or remove it to leave a gap"
        ) from None


def checked_dataset(file: Any, name: str, dataset_name: str) -> Any:
    """The dataset, certain to lie in this very file.

    HDF5 can point out of a file in four ways (soft and external links, external storage, virtual datasets): a recording
    that does would let its author read files of the worker. Raises WorkerError 65.
    """
    link = file.get(dataset_name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise input_invalid(f"{name}: {dataset_name} is a link to somewhere else: store the samples in the file itself")
    dataset = file[dataset_name]
    if not isinstance(dataset, h5py.Dataset):
        raise input_invalid(f"{name}: {dataset_name} is not a dataset: record it again with digital_rf")
    if dataset.is_virtual or dataset.external or dataset.id.get_create_plist().get_external_count():
        raise input_invalid(f"{name}: {dataset_name} is stored in other files: store the samples in the file itself")
    return dataset


def stored_type(dataset: Any, name: str, properties: Properties, subchannel: int) -> SampleType:
    """The type of the samples in rf_data, shape (samples, subchannels). Raises WorkerError 65."""
    dtype: np.dtype[Any] = dataset.dtype
    is_complex = dtype.names is not None or dtype.kind == "c"
    if dtype.kind == "c":
        component = np.dtype(f"{dtype.str[0]}f{dtype.itemsize // 2}")
    elif dtype.names == ("r", "i") and dtype["r"] == dtype["i"] and dtype.itemsize == 2 * dtype["r"].itemsize:
        component = dtype["r"]
    else:
        component = dtype
    if component.kind not in "fiu" or component.itemsize > 8 or len(dataset.shape) not in (1, 2):
        raise input_invalid(f"{name}: samples of type {dtype} are not Digital RF: record it again with digital_rf")
    channels = dataset.shape[1] if len(dataset.shape) == 2 else 1
    if channels != properties.subchannels:
        raise input_invalid(
            f"{name} has {channels} subchannels, not {properties.subchannels} as its channel: separate them"
        )
    return SampleType(
        component=component,
        is_complex=is_complex,
        channels=channels,
        channel=subchannel,
        padded=properties.is_continuous,
    )


def _properties_file(channel: Path) -> Path | None:
    return next((channel / name for name in PROPERTIES_NAMES if (channel / name).is_file()), None)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.size == 1 else value
