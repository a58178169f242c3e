"""The HDF5 files of a Digital RF recording: properties and samples; each file is looked at before it is read.

Format: Digital RF 2.x, `<channel>/drf_properties.h5` and `<channel>/<YYYY-MM-DDTHH-MM-SS>/rf@<seconds>.<millis>.h5`.
The files are read with h5py itself, not through `digital_rf.DigitalRFReader`: that one opens files before they can be
checked, follows links, external storage and virtual datasets out of the folder, builds a path for every file that could
exist between first and last sample (a year between two campaigns is 31 million), and removes metadata files that it
fails to read. The tests compare what is read here with what it reads.
"""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf.folders import properties_file
from spectrogram_worker.sources.samples.byte_stream import ByteStream
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.store import RecordingStore, SampleFile

HDF5_READ_BYTES = 16 * 2**20
"""The most that the library may read at once, and so has in memory: a small file with a hole may say that the names in
a group take gigabytes."""
_CACHE_BYTES = 8 * 2**20
"""What the library keeps at most of a file's own bookkeeping, as the names in a group; else it would be 32 MiB."""
_NUMBERS = "biuf"
_LONGEST_FILE = 10**12
"""Milliseconds, 32 years: what says more says nothing."""


_PROPERTIES = (
    "sample_rate_numerator",
    "sample_rate_denominator",
    "samples_per_second",
    "is_continuous",
    "num_subchannels",
    "file_cadence_millisecs",
)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What drf_properties.h5 says of a channel.

    is_continuous: the writer pads what it did not record. file_milliseconds: how long one sample file goes on, None
    where that is not said.
    """

    sample_rate: Fraction
    is_continuous: bool
    subchannels: int
    file_milliseconds: int | None = None


def read_properties(store: RecordingStore, channel: PurePosixPath) -> Properties:
    """Read the channel's properties. Raises WorkerError 65 where they are incomplete."""
    file = properties_file(store, channel)
    assert file is not None
    name = store.shown(file)
    with hdf5_errors(name), open_hdf5(store, file) as content:
        attributes = _numbers(content, _PROPERTIES)
    try:
        if "sample_rate_numerator" in attributes:
            numerator = int(attributes["sample_rate_numerator"])
            sample_rate = Fraction(numerator, int(attributes["sample_rate_denominator"]))
        else:  # before version 2.3
            sample_rate = Fraction(float(attributes["samples_per_second"])).limit_denominator()
        cadence = int(attributes.get("file_cadence_millisecs", 0))
        properties = Properties(
            sample_rate=sample_rate,
            is_continuous=bool(attributes["is_continuous"]),
            subchannels=int(attributes["num_subchannels"]),
            file_milliseconds=cadence if 0 < cadence <= _LONGEST_FILE else None,
        )
    except (KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise input_invalid(f"{name} lacks a usable property ({error}): recreate it with digital_rf") from None
    if not 0 < properties.sample_rate <= 10**15 or not 1 <= properties.subchannels <= 4096:
        raise input_invalid(f"{name} has an impossible rate or number of subchannels: recreate it with digital_rf")
    return properties


@contextmanager
def open_hdf5(store: RecordingStore, path: PurePosixPath) -> Iterator[Any]:
    """An HDF5 file of the store, opened for reading (h5py.File); to be used within `hdf5_errors`."""
    with open_file(store, path) as file, read_hdf5(file) as content:
        yield content


@contextmanager
def open_file(store: RecordingStore, path: PurePosixPath) -> Iterator[SampleFile]:
    """A file of the store, copied to this machine where it is elsewhere."""
    store.fetch([path])
    with closing(store.open(path)) as file:
        yield file


@contextmanager
def read_hdf5(file: SampleFile) -> Iterator[Any]:
    """The file as HDF5 (h5py.File); to be used within `hdf5_errors`."""
    stream = ByteStream(file, most=HDF5_READ_BYTES, pads=True)
    access = _ACCESS.copy()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, stream)
    try:
        # By h5py's lower level, which takes two thirds of the time: a day of a recording has 86 400 files.
        with closing(h5py.h5f.open(b"a recording's", h5py.h5f.ACC_RDONLY, access)) as content:
            yield h5py.File(content)
    except Exception:
        stream.raise_failure()
        raise


def _access() -> Any:
    """How files are opened: all of a file that is open is closed with it."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    cache = access.get_mdc_config()
    cache.max_size = _CACHE_BYTES
    access.set_mdc_config(cache)
    return access


_ACCESS = _access()


@contextmanager
def hdf5_errors(name: str) -> Iterator[None]:
    """What h5py raises about a damaged file becomes WorkerError 65 with the file's name."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise input_invalid(
            f"{name} is damaged or cut off ({reason}): copy it again, or remove it to leave a gap"
        ) from None


def checked_dataset(group: Any, name: str, dataset_name: str) -> Any:
    """A dataset of a file or group (h5py.h5d.DatasetID), certain to lie in this very file; see `hdf5_errors`.

    HDF5 can point out of a file in four ways (soft and external links, external storage, virtual datasets): a recording
    that does would let its author read files of the worker. Raises WorkerError 65.
    """
    # By h5py's lower level, a fifth faster: a day of a recording has 86 400 files.
    if group.id.links.get_info(dataset_name.encode()).type != h5py.h5l.TYPE_HARD:
        raise input_invalid(f"{name}: {dataset_name} is a link to somewhere else: store the samples in the file itself")
    dataset = h5py.h5o.open(group.id, dataset_name.encode())
    if not isinstance(dataset, h5py.h5d.DatasetID):
        raise input_invalid(f"{name}: {dataset_name} is not a dataset: record it again with digital_rf")
    properties = dataset.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise input_invalid(f"{name}: {dataset_name} is stored in other files: store the samples in the file itself")
    return dataset


def numeric_dataset(group: Any, name: str, dataset_name: str, *, most: int) -> Any:
    """A dataset that passes `checked_dataset`, has at most `most` values, and went through no filter.

    None where its values are no numbers: those of variable length may all point at one object, and make gigabytes of a
    megabyte. So may a filter, of which digital_rf uses none here.
    """
    dataset = checked_dataset(group, name, dataset_name)
    shape, dtype = dataset.shape, dataset.dtype
    if dtype.kind not in _NUMBERS:
        return None
    if math.prod(shape) > most:
        raise input_invalid(f"{name}: {dataset_name} has the shape {shape} of {dtype}, too large: record it again")
    if dataset.get_create_plist().get_nfilters():
        raise input_invalid(f"{name}: {dataset_name} is compressed: rewrite it, as with h5repack -f NONE")
    return dataset


def small_values(group: Any, name: str, dataset_name: str, *, most: int) -> NDArray[Any] | None:
    """All values of such a dataset, or None."""
    dataset = numeric_dataset(group, name, dataset_name, most=most)
    if dataset is None:
        return None
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def header_offset(group: Any, dataset_name: str) -> int:
    """Byte of the file at which the header of a dataset begins that is in a file or group."""
    offset: int = group.id.links.get_info(dataset_name.encode()).u
    return offset


def stored_offset(dataset: Any) -> int:
    """Byte of the file from which the rows of a dataset of numbers lie in one piece, as NumPy has them; −1 if nowhere.

    The dataset has two dimensions, and went through no filter.
    """
    if dataset.get_type() != h5py.h5t.py_create(dataset.dtype):  # as numbers of fewer bits than their bytes have
        return -1
    properties, (rows, columns) = dataset.get_create_plist(), dataset.shape
    offset = None
    if properties.get_layout() != h5py.h5d.CHUNKED:
        offset = dataset.get_offset()
    elif properties.get_chunk()[0] >= rows and properties.get_chunk()[1] == columns:
        offset = dataset.get_chunk_info_by_coord((0, 0)).byte_offset
    return -1 if offset is None else offset


def rows_of(dataset: Any, first: int, stop: int) -> NDArray[Any]:
    """Rows first … stop − 1 of a dataset of numbers that has at least one dimension."""
    rows = np.empty((stop - first, *dataset.shape[1:]), dataset.dtype)
    stored = dataset.get_space()
    stored.select_hyperslab((first, *[0] * (rows.ndim - 1)), rows.shape)
    dataset.read(h5py.h5s.create_simple(rows.shape), stored, rows)
    return rows


def stored_type(dataset: Any, name: str, properties: Properties, subchannel: int) -> SampleType:
    """The type of the samples in rf_data, shape (samples, subchannels). Raises WorkerError 65."""
    dtype: np.dtype[Any] = dataset.dtype
    shape = dataset.shape
    is_complex = dtype.names is not None or dtype.kind == "c"
    if dtype.kind == "c":
        component = np.dtype(f"{dtype.str[0]}f{dtype.itemsize // 2}")
    elif dtype.names == ("r", "i") and dtype["r"] == dtype["i"] and dtype.itemsize == 2 * dtype["r"].itemsize:
        component = dtype["r"]
    else:
        component = dtype
    if component.kind not in "fiu" or component.itemsize > 8 or len(shape) not in (1, 2):
        raise input_invalid(f"{name}: samples of type {dtype} are not Digital RF: record it again with digital_rf")
    channels = shape[1] if len(shape) == 2 else 1
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


def _numbers(file: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the attributes `names` that are there and are one number each; no other is read."""
    found = {}
    for name in names:
        if h5py.h5a.exists(file.id, name.encode()):
            attribute = h5py.h5a.open(file.id, name.encode())
            if attribute.dtype.kind not in _NUMBERS or math.prod(attribute.shape) != 1:
                raise ValueError(f"{name} is not a number")
            value = np.empty(attribute.shape, attribute.dtype)
            attribute.read(value)
            found[name] = value.item()
    return found
