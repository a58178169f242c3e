"""SigMF recordings: a .sigmf-meta file (JSON) and a file of samples beside it, or both in an archive (SigMF 1.2)."""

from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.file_recording import FileRecording, Segment, Stored
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.samples import SampleType
from spectrogram_worker.sources.segments import gaps_between
from spectrogram_worker.sources.selection import select
from spectrogram_worker.sources.sigmf.metadata import (
    ARCHIVE_EXTENSION,
    DATA_EXTENSION,
    METADATA_EXTENSION,
    Capture,
    Metadata,
    load_metadata,
    metadata_path,
)
from spectrogram_worker.sources.store import RecordingStore

_LISTED_FREQUENCIES = 5


def open_sigmf(store: RecordingStore, selection: RecordingSelection) -> FileRecording:
    """Open a SigMF recording, named by either file, by their common name, or by its archive.

    Raises WorkerError: 64 for a channel or capture that is not there, 65 for metadata or data that cannot be used
    (among them several centre frequencies in the range), 66 where a file is missing.
    """
    path = PurePosixPath(selection.path)
    metadata, stored, name = _find(store, path)
    sample_type = metadata.sample_type(selection.channel)
    captures, segments = _layout(metadata, sample_type, stored)
    if selection.capture is not None:
        if selection.capture >= len(captures):
            raise invalid_spec(f"input.capture: {metadata.name} has {len(captures)} captures, counted from 0")
        captures = [captures[selection.capture]]
        segments = [replace(segments[selection.capture], start=0)]
    held = [segment for segment in segments if segment.count > 0]
    if not held:
        raise input_invalid(f"{stored.name} is empty: it holds no {sample_type.name} sample here")
    starts = np.array([segment.start for segment in held], np.int64)
    stops = starts + np.array([segment.count for segment in held], np.int64)
    raw = selection.raw or Raw()
    description = Description(
        format=InputFormat.SIGMF,
        name=name,
        sample_rate=metadata.sample_rate(raw.sample_rate),
        center_frequency=raw.center_frequency or 0.0,
        start_time=captures[segments.index(held[0])].time,
        is_complex=sample_type.is_complex,
        length=int(stops[-1]),
        bytes_per_sample=sample_type.sample_bytes,
        sample_type=sample_type.name,
        gaps=gaps_between(starts, stops),
    )
    selected = select(description, selection.range)
    frequencies: list[float] = []
    for capture, segment in zip(captures, segments, strict=True):
        overlaps = segment.start < selected.start + selected.count and selected.start < segment.start + segment.count
        if overlaps and capture.frequency is not None and capture.frequency not in frequencies:
            frequencies.append(capture.frequency)
    if len(frequencies) > 1:
        listed = ", ".join(f"{frequency:.12g}" for frequency in frequencies[:_LISTED_FREQUENCIES])
        more = " …" if len(frequencies) > _LISTED_FREQUENCIES else ""
        raise input_invalid(
            f"{metadata.name} has captures at several centre frequencies in this range ({listed}{more} Hz):"
            " choose one with input.capture, or a range within one"
        )
    if frequencies:
        description = replace(description, center_frequency=frequencies[0])
    return FileRecording(store, stored.path, description, sample_type, held)


def _find(store: RecordingStore, path: PurePosixPath) -> tuple[Metadata, Stored, str]:
    """The metadata of the recording at `path`, where its samples lie, and the recording's name."""
    beside = metadata_path(path)
    is_half = path.name.endswith((METADATA_EXTENSION, DATA_EXTENSION))
    if not store.is_file(beside) and not is_half and (store.is_file(path) or path.name.endswith(ARCHIVE_EXTENSION)):
        from spectrogram_worker.sources.sigmf.archive import open_archive  # tarfile is loaded for archives only

        return *open_archive(store, path), store.shown(path)
    metadata = load_metadata(store, beside)
    data = beside.with_name(metadata.dataset_name)
    with closing(store.open(data)) as file:
        return metadata, Stored(data, file.name, 0, file.size), metadata.name.removesuffix(METADATA_EXTENSION)


def _layout(metadata: Metadata, sample_type: SampleType, stored: Stored) -> tuple[list[Capture], list[Segment]]:
    """Where the samples of each capture lie, in the file and in time.

    Each capture may have header bytes before its samples (core:header_bytes). Where two neighbours know their place in
    the original stream (core:global_index), what was not recorded between them is a gap.
    """
    captures = metadata.captures()
    end = stored.size - metadata.trailing_bytes
    segments: list[Segment] = []
    headers, position = 0, 0
    for number, capture in enumerate(captures):
        headers += capture.header_bytes
        offset = headers + capture.sample_start * sample_type.stride
        if offset > max(end, 0):
            raise input_invalid(
                f"{stored.name} has {stored.size} bytes, but capture {number} of {metadata.name} starts at byte"
                f" {offset}: the file was cut off, copy it again"
            )
        if number:
            before = captures[number - 1]
            if capture.global_index is not None and before.global_index is not None:
                position = max(position, segments[-1].start + capture.global_index - before.global_index)
        last = number + 1 == len(captures)
        count = (
            (end - offset) // sample_type.stride if last else captures[number + 1].sample_start - capture.sample_start
        )
        segments.append(Segment(position, count, stored.offset + offset))
        position += count
    return captures, segments
