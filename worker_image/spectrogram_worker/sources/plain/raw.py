"""Raw recordings: a file of samples without a header. The job says what they are, or else the file's name does."""

import re
from contextlib import closing
from dataclasses import replace
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
from spectrogram_worker.sources.samples.sample_type import parse_datatype
from spectrogram_worker.sources.store import RecordingStore

_WITH_NOTE = (".c16", ".c8")
_MAXIMUM_NOTE_BYTES = 4096
_NOTE_LINE = re.compile(r"^(sample_rate|center_frequency)=(\d{1,15})\s*$", re.MULTILINE)


def open_raw(store: RecordingStore, selection: RecordingSelection, warnings: tuple[str, ...] = ()) -> FileRecording:
    """Open a raw file; `warnings` are what was seen of its first bytes. An incomplete sample at its end is left out.

    Raises WorkerError: 64 where neither job nor name give datatype or rate, 65 for an empty or unreadable file.
    """
    path = PurePosixPath(selection.path)
    with closing(store.open(path)) as file:
        name, size = file.name, file.size
    said, named = selection.raw or Raw(), replace(parameters_in_name(path.name), **_in_note(store, path))
    datatype = said.datatype or named.datatype
    sample_rate = said.sample_rate or named.sample_rate
    if datatype is None:
        raise invalid_spec(f"input.raw.datatype is missing: {name} has no header, write its sample type, as in cf32_le")
    if sample_rate is None:
        raise invalid_spec(f"input.raw.sampleRate is missing: {name} has no header, write its sample rate in Hz")
    channels = said.channels or 1
    if selection.channel is None and selection.iq_channels is None and channels > 1:
        raise invalid_spec(
            f"input.channel is missing: input.raw.channels says {channels}: name one, from 0 on, or two with iqChannels"
        )
    channel = channel_index(name, selection.channel, channels)
    sample_type = parse_datatype(datatype, channels=channels, channel=channel)
    if sample_type is None:
        raise invalid_spec(f"input.raw.datatype: {datatype} is not a SigMF sample type: write one such as cf32_le")
    halves = f"set raw.datatype: {replace(sample_type, is_complex=False).name} and raw.channels: {2 * channels}"
    sample_type = with_iq_channels(name, sample_type, selection.iq_channels, halves)
    length = size // sample_type.stride
    if length == 0:
        raise input_invalid(f"{name} is empty: it holds {size} bytes, less than one {sample_type.name} sample")
    corrections = Corrections(name)
    center = said.center_frequency if said.center_frequency is not None else named.center_frequency
    description = Description(
        format=InputFormat.RAW,
        name=name,
        sample_rate=Fraction(sample_rate),
        center_frequency=corrections.center(center, None, is_complex=sample_type.is_complex),
        start_time=corrections.time(named),
        is_complex=sample_type.is_complex,
        length=length,
        bytes_per_sample=sample_type.sample_bytes,
        sample_type=sample_type.name,
        warnings=(*warnings, *corrections.notes),
    )
    return FileRecording(store, path, description, sample_type, [Segment(0, length, 0)])


def _in_note(store: RecordingStore, path: PurePosixPath) -> dict[str, Any]:
    """Rate and centre frequency from the text file that a PortaPack writes beside a recording (.C16, .C8)."""
    if path.suffix.lower() not in _WITH_NOTE:
        return {}
    note = next((note for end in (".TXT", ".txt") if store.is_file(note := path.with_suffix(end))), None)
    if note is None:
        return {}
    with closing(store.open(note)) as file:
        content = np.empty(min(file.size, _MAXIMUM_NOTE_BYTES), np.uint8)
        file.read(0, content)
    found = dict(_NOTE_LINE.findall(content.tobytes().decode(errors="replace")))
    return {field: float(value) for field, value in found.items() if float(value) > 0}
