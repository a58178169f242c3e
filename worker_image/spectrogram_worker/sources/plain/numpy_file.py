"""NumPy files (.npy): one-dimensional real or complex samples, or (N, 2) real ones that are I and Q.

NumPy parses the header only, which may be no longer than 16 KiB: it loads no array and unpickles nothing. The samples
are read as those of a raw file are.
"""

import io
import math
import warnings
from contextlib import closing
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.channels import channel_index, with_iq_channels
from spectrogram_worker.sources.file_names import parameters_in_name
from spectrogram_worker.sources.plain.file_recording import FileRecording, Segment
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.said import Corrections
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.store import RecordingStore

MAGIC = b"\x93NUMPY"
_HEADER_BYTES = 16 * 1024
_MAXIMUM_CHANNELS = 4096
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""By version. 3.0 is for names of fields, which samples do not have."""


def open_numpy(store: RecordingStore, selection: RecordingSelection) -> FileRecording:
    """Open a .npy file; rate and centre frequency come from `input.raw`, or else from the file's name.

    Raises WorkerError: 64 where the job lacks the rate, or says another datatype than the header; 65 for a file that is
    damaged, cut off, or holds something else than samples; 66 where there is none.
    """
    path = PurePosixPath(selection.path)
    with closing(store.open(path)) as file:
        content = np.empty(min(file.size, _HEADER_BYTES), np.uint8)
        file.read(0, content)
    shape, is_fortran, dtype, offset = _header(file.name, content.tobytes())
    sample_type = _sample_type(file.name, shape, dtype, selection, is_fortran=is_fortran)
    needed = offset + math.prod(shape) * dtype.itemsize
    if needed > file.size:
        raise input_invalid(
            f"{file.name} was cut off: its header says shape {_short(shape)}, more than its {file.size} bytes can hold:"
            " copy it again"
        )
    if shape[0] == 0:
        raise input_invalid(f"{file.name} is empty: its header says shape {_short(shape)}")
    said, named = selection.raw or Raw(), parameters_in_name(path.name)
    if said.datatype is not None and said.datatype != sample_type.name:
        raise invalid_spec(
            f"input.raw.datatype: the header of {file.name} says {sample_type.name}, not {said.datatype}: remove it"
        )
    sample_rate = said.sample_rate or named.sample_rate
    if sample_rate is None:
        raise invalid_spec(f"input.raw.sampleRate is missing: {file.name} does not say its sample rate, write it in Hz")
    corrections = Corrections(file.name)
    center = said.center_frequency if said.center_frequency is not None else named.center_frequency
    description = Description(
        format=InputFormat.NUMPY,
        name=file.name,
        sample_rate=Fraction(sample_rate),
        center_frequency=corrections.center(center, None, is_complex=sample_type.is_complex),
        start_time=corrections.time(named),
        is_complex=sample_type.is_complex,
        length=shape[0],
        bytes_per_sample=sample_type.sample_bytes,
        sample_type=sample_type.name,
        warnings=corrections.notes,
    )
    return FileRecording(store, path, description, sample_type, [Segment(0, shape[0], offset)])


def _header(name: str, content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether the order is Fortran's, type, and the byte at which the samples begin."""
    if not content.startswith(MAGIC):
        raise input_invalid(f"{name} is not a NumPy file: write it with numpy.save, or set input.format to what it is")
    # The file says how long its header is: NumPy gets these bytes and no more, so that it cannot allocate more.
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            shape, is_fortran, dtype = _READ_HEADER[version](stream)
    except Exception as error:  # the header is a Python expression: parsing it can fail in many ways
        reason = " ".join(str(error).split())[:80]
        raise input_invalid(f"{name} has a header that cannot be read ({reason}): write it with numpy.save") from None
    return shape, is_fortran, dtype, stream.tell()


def _sample_type(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], selection: RecordingSelection, *, is_fortran: bool
) -> SampleType:
    """The samples that the job wants of an array of this shape and type.

    Raises WorkerError 65 where it holds none, 64 for a channel that is not there.
    """
    if dtype.hasobject:
        raise input_invalid(f"{name} holds Python objects, which are not read: save an array of numbers")
    is_complex = dtype.kind == "c"
    if dtype.subdtype is not None or dtype.kind not in "fiuc" or dtype.itemsize // (2 if is_complex else 1) > 8:
        raise input_invalid(
            f"{name} holds {str(dtype)[:60]}: save an array of real or complex numbers, of up to 64 bit"
        )
    names_channels = selection.channel is not None or selection.iq_channels is not None
    channels = shape[1] if len(shape) == 2 else 1
    is_pair = channels == 2 and not is_complex
    if min(shape, default=0) < 0 or len(shape) not in (1, 2) or not (names_channels or len(shape) == 1 or is_pair):
        raise input_invalid(
            f"{name} has shape {_short(shape)} of {dtype}: save one dimension, or (N, 2) of real numbers for I and Q,"
            " or choose among the columns with input.channel or input.iqChannels"
        )
    if not 1 <= channels <= _MAXIMUM_CHANNELS:
        raise input_invalid(
            f"{name} has shape {_short(shape)}: save up to {_MAXIMUM_CHANNELS} channels beside each other"
        )
    if is_fortran and len(shape) == 2:
        raise input_invalid(f"{name} is in Fortran order, all of one channel first: save numpy.ascontiguousarray of it")
    component = np.dtype(f"{dtype.str[0]}f{dtype.itemsize // 2}") if is_complex else dtype
    found = SampleType(
        component=component,
        is_complex=is_complex,
        channels=channels,
        channel=channel_index(name, selection.channel, channels),
    )
    iq_channels = selection.iq_channels or ((0, 1) if is_pair and not names_channels else None)
    halves = f"save a.view('{component.str}').reshape(len(a), -1) of the array a"
    return with_iq_channels(name, found, iq_channels, halves)


def _short(shape: tuple[int, ...]) -> str:
    return (
        "(" + ", ".join(str(size) if size < 10**18 else f"{float(min(size, 10**300)):.0e}" for size in shape[:4]) + ")"
    )
