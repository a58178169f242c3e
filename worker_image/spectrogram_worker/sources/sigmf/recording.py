"""SigMF recordings: a .sigmf-meta file (JSON) and a file of samples beside it, or both in an archive (SigMF 1.2)."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.plain.file_recording import FileRecording, Segment, Stored
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.said import Corrections
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.samples.segments import gaps_between
from spectrogram_worker.sources.selection import Selection, select
from spectrogram_worker.sources.sigmf.metadata import (
    ARCHIVE_EXTENSION,
    DATA_EXTENSION,
    METADATA_EXTENSION,
    Capture,
    Metadata,
    describing,
    load_metadata,
    metadata_path,
)
from spectrogram_worker.sources.sigmf.timeline import listed_captures, place
from spectrogram_worker.sources.store import RecordingStore

_LISTED_VALUES = 5


@dataclass(frozen=True)
class _Part:
    """The samples of one capture, which is entry `number` of the metadata: `count` of them from `offset` on.

    there: how many of them the file has; fewer where it was cut off.
    """

    number: int
    capture: Capture
    offset: int
    count: int
    there: int


def open_sigmf(store: RecordingStore, selection: RecordingSelection, fft_size: int | None = None) -> FileRecording:
    """Open a SigMF recording, named by either file, by their common name, or by its archive.

    Centre frequencies that differ by no more than half a bin of `fft_size` are one.

    Raises WorkerError: 64 for a channel or capture that is not there, 65 for metadata or data that cannot be used
    (among them several centre frequencies in the range, or several sample rates), 66 where a file is missing.
    """
    metadata, stored, name = _find(store, PurePosixPath(selection.path))
    said, corrections = selection.raw or Raw(), Corrections(metadata.name)
    datatype = corrections.take("raw.datatype", said.datatype, metadata.datatype)
    sample_type = metadata.sample_type(datatype, selection.channel)
    parts = _parts(metadata, sample_type, stored)
    warnings: tuple[str, ...] = ()
    if selection.capture is not None:
        if selection.capture >= len(parts):
            raise invalid_spec(f"input.capture: {metadata.name} has {len(parts)} captures, counted from 0")
        parts = [parts[selection.capture]]
    elif (unused := parts[0].capture.sample_start) > 0:
        warnings = (f"{metadata.name}: no capture describes the {unused} samples before the first: they are left out",)
    parts = [part for part in parts if part.count > 0]
    if not parts:
        raise input_invalid(f"{stored.name} is empty: it holds no {sample_type.name} sample here")
    stated_rate: float | None = None
    with corrections.where_said("sample rate", said.sample_rate):
        stated_rate = metadata.sample_rate
    rate = corrections.take("raw.sampleRate", said.sample_rate, _sample_rate(metadata, stated_rate, parts))
    if rate is None:
        raise invalid_spec(f"{metadata.name} does not say core:sample_rate: write it in Hz as input.raw.sampleRate")
    timeline = place(
        [part.capture for part in parts],
        [part.count for part in parts],
        Fraction(rate),
        metadata.name,
        [part.number for part in parts],
    )
    starts = np.array(timeline.starts, np.int64)
    stops = starts + np.array([part.count for part in parts], np.int64)
    description = Description(
        format=InputFormat.SIGMF,
        name=name,
        sample_rate=Fraction(rate),
        center_frequency=0.0,
        start_time=timeline.began,
        is_complex=sample_type.is_complex,
        length=int(stops[-1]),
        bytes_per_sample=sample_type.sample_bytes,
        sample_type=sample_type.name,
        gaps=gaps_between(starts, stops),
    )
    selected = select(description, selection.range)
    warnings += _cut_off(metadata, stored, zip(timeline.starts, parts, strict=True), selected, sample_type)
    held = (starts < selected.start + selected.count) & (stops > selected.start)
    chosen = [part for part, is_held in zip(parts, held, strict=True) if is_held]
    stated: float | None = None
    untold: str | None = None
    with corrections.where_said("centre frequency", said.center_frequency):
        stated, untold = _center_frequency(metadata, chosen, rate / fft_size / 2 if fft_size else 0.0)
    center = corrections.center(said.center_frequency, stated, is_complex=sample_type.is_complex)
    warnings += timeline.warnings + corrections.notes
    if untold is not None and said.center_frequency is None:
        warnings += (untold,)
    segments = [
        Segment(start, part.there, stored.offset + part.offset)
        for start, part in zip(timeline.starts, parts, strict=True)
        if part.there
    ]
    description = replace(description, center_frequency=center, warnings=warnings)
    return FileRecording(store, stored.path, description, sample_type, segments)


def _sample_rate(metadata: Metadata, stated: float | None, parts: Sequence[_Part]) -> float | None:
    """Samples per second of these captures, `stated` for those that have none of their own; None where nothing says it.

    Raises WorkerError 65 where they differ, whatever the job says: their samples cannot lie on one axis.
    """
    rates = [part.capture.sample_rate or stated for part in parts]
    different = list(dict.fromkeys(rate for rate in rates if rate is not None))
    if len(different) > 1:
        raise input_invalid(
            f"{metadata.name} has captures of several sample rates ({_in_hertz(different)}):"
            " choose one with input.capture"
        )
    return different[0] if different else None


def _center_frequency(metadata: Metadata, parts: Sequence[_Part], tolerance: float) -> tuple[float | None, str | None]:
    """Centre frequency of these captures in Hz, and a warning where not all of them say it.

    Raises WorkerError 65 where they differ by more than `tolerance`.
    """
    said: list[float] = []
    for part in parts:
        found = part.capture.frequency
        if found is not None and all(abs(found - known) > tolerance for known in said[: _LISTED_VALUES + 1]):
            said.append(found)
    if len(said) > 1:
        raise input_invalid(
            f"{metadata.name} has captures at several centre frequencies in this range ({_in_hertz(said)}):"
            " choose one with input.capture, or a range within one"
        )
    silent = [part.number for part in parts if part.capture.frequency is None]
    if not said or not silent:
        return (said[0] if said else None), None
    return said[0], (
        f"{metadata.name}, {listed_captures(silent)}: core:frequency is not there: taken to be {_in_hertz(said)} as in"
        " the others"
    )


def _in_hertz(values: Sequence[float]) -> str:
    more = " …" if len(values) > _LISTED_VALUES else ""
    return ", ".join(f"{value:.12g}" for value in values[:_LISTED_VALUES]) + f"{more} Hz"


def _find(store: RecordingStore, path: PurePosixPath) -> tuple[Metadata, Stored, str]:
    """The metadata of the recording at `path`, where its samples lie, and the recording's name."""
    beside = metadata_path(path)
    is_half = path.name.endswith((METADATA_EXTENSION, DATA_EXTENSION))
    if not is_half and not store.is_file(beside) and (named := describing(store, path)) is not None:
        beside = named
    elif not store.is_file(beside) and not is_half and (store.is_file(path) or path.name.endswith(ARCHIVE_EXTENSION)):
        from spectrogram_worker.sources.sigmf.archive import open_archive  # tarfile is loaded for archives only

        return *open_archive(store, path), store.shown(path)
    metadata = load_metadata(store, beside)
    data = beside.with_name(metadata.dataset_name)
    with closing(store.open(data)) as file:
        return metadata, Stored(data, file.name, 0, file.size), metadata.name.removesuffix(METADATA_EXTENSION)


def _parts(metadata: Metadata, sample_type: SampleType, stored: Stored) -> list[_Part]:
    """Where the samples of each capture lie in the file; each may have bytes before them (core:header_bytes)."""
    captures = metadata.captures()
    end = stored.size - metadata.trailing_bytes
    parts: list[_Part] = []
    headers = 0
    for number, capture in enumerate(captures):
        headers += capture.header_bytes
        offset = headers + capture.sample_start * sample_type.stride
        there = max(0, end - offset) // sample_type.stride
        if number + 1 < len(captures):
            count = captures[number + 1].sample_start - capture.sample_start
        else:
            count = 1 if offset > max(end, 0) else there  # of a capture that the file does not reach one at least
        parts.append(_Part(number, capture, offset, count, min(there, count)))
    return parts


def _cut_off(
    metadata: Metadata,
    stored: Stored,
    parts: Iterable[tuple[int, _Part]],
    selected: Selection,
    sample_type: SampleType,
) -> tuple[str, ...]:
    """A warning where the file was cut off behind what is `selected`; each part with its first sample's index.

    Raises WorkerError 65 where something of that is missing.
    """
    for start, part in parts:
        if part.there < part.count:
            said = (
                f"{stored.name} was cut off: it has {stored.size} bytes, but capture {part.number} of {metadata.name}"
                f" reaches to byte {part.offset + part.count * sample_type.stride}"
            )
            if selected.start + selected.count > start + part.there:
                raise input_invalid(f"{said}: copy it again, or choose what is there with input.capture or input.range")
            return (said,)
    return ()
