"""Audio files: WAV, RF64, BW64, W64 and FLAC. One channel is real; two are I and Q when the job says so.

Integers and floating-point samples behind a header are read as raw files are. FLAC, µ-law and A-law are libsndfile's.
It reads many more formats, but sees only files that were looked at here: some others make it look for further files.
"""

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import READER_BUFFER_BYTES
from spectrogram_worker.contract.parameters import Audio, InputFormat, RecordingSelection
from spectrogram_worker.errors import WorkerError, input_invalid, invalid_spec
from spectrogram_worker.sources.audio.auxi import Tuning
from spectrogram_worker.sources.audio.chunks import container
from spectrogram_worker.sources.audio.header import FLOAT, PCM, read_header
from spectrogram_worker.sources.audio.library import LibraryFile
from spectrogram_worker.sources.audio.wave import checked, read_wave, wave_segments, wave_type
from spectrogram_worker.sources.channels import channel_index, iq_pair
from spectrogram_worker.sources.file_names import parameters_in_name
from spectrogram_worker.sources.file_recording import FileRecording
from spectrogram_worker.sources.recording import Description, Recording
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_HEAD_BYTES = 16
_LIBRARY_BYTES = {"PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "ULAW": 1, "ALAW": 1}
"""Sample types that are left to libsndfile, with the bytes of each, decompressed."""
_MAXIMUM_SAMPLES = 2**62
_MAXIMUM_RATE = 2**31 - 1


def open_audio(store: RecordingStore, selection: RecordingSelection) -> Recording:
    """Open an audio file.

    Raises WorkerError: 64 for a channel that is not there, or I/Q that is not two channels; 65 for a file that is
    damaged, cut off, empty or of another kind; 66 where there is none.
    """
    path = PurePosixPath(selection.path)
    with closing(store.open(path)) as file:
        kind = _require_known(file)
        if kind != "FLAC" and (header := read_header(file, kind)).encoding in (PCM, FLOAT):
            wave = read_wave(file, header)
            chosen = _chosen(file.name, selection, header.channels)
            sample_type = wave_type(wave, header.channels, chosen)
            described = _description(file.name, selection, header.rate, chosen, header.tuning)
            name = f"{wave.name} I/Q" if sample_type.is_complex else wave.name
            warnings = tuple(f"{file.name}: {warning}" for warning in wave.warnings)
            described = replace(
                described, bytes_per_sample=sample_type.sample_bytes, sample_type=name, warnings=warnings
            )
            described = checked(file, described, selection, header.data, sample_type.stride)
            segments = wave_segments(header.data, sample_type.stride)
            return FileRecording(store, path, described, sample_type, segments)
        if kind != "FLAC" and [interval.kind for interval in header.data] != ["exact"]:
            raise input_invalid(
                f"{file.name} holds compressed samples, and its header does not say how many: repair its header, or"
                " convert it to PCM"
            )
    if kind == "FLAC":
        store.fetch([path])  # to reach a sample takes many reads, here and there in the file
    said = header.tuning if kind != "FLAC" else Tuning()
    return _open_in_library(store, path, selection, said)


def _open_in_library(
    store: RecordingStore, path: PurePosixPath, selection: RecordingSelection, said: Tuning
) -> "AudioRecording":
    with closing(store.open(path)) as file, closing(LibraryFile(file)) as opened:
        sound = opened.sound
        subtype, rate, channels, length = sound.subtype, sound.samplerate, sound.channels, sound.frames
    if subtype not in _LIBRARY_BYTES:
        raise input_invalid(f"{file.name} holds {subtype} samples, which are not read: convert it to PCM or FLAC")
    if length > _MAXIMUM_SAMPLES:
        raise input_invalid(f"{file.name} does not say how many samples it holds: write it again")
    if length <= 0:
        raise input_invalid(f"{file.name} is empty: its header says that it holds no sample")
    chosen = _chosen(file.name, selection, channels)
    described = replace(
        _description(file.name, selection, rate, chosen, said),
        length=length,
        bytes_per_sample=_LIBRARY_BYTES[subtype] * len(chosen),
        sample_type=f"{subtype} I/Q" if len(chosen) == 2 else subtype,
    )
    return AudioRecording(store, path, described, channels, chosen)


def _require_known(file: SampleFile) -> str:
    head = np.zeros(_HEAD_BYTES, np.uint8)
    if file.size >= _HEAD_BYTES:
        file.read(0, head)
    kind = container(head.tobytes())
    if kind is None:
        raise input_invalid(f"{file.name} is not a WAV, RF64, W64 or FLAC file: set input.format to what it is")
    return kind


def _description(
    name: str, selection: RecordingSelection, rate: int, chosen: tuple[int, ...], said: Tuning
) -> Description:
    """What is known before the samples are: the job says the centre, or the header, or the file's name."""
    if not 0 < rate <= _MAXIMUM_RATE:
        raise input_invalid(f"{name} says that its sample rate is {rate} Hz: repair its header")
    named = parameters_in_name(PurePosixPath(selection.path).name)
    wanted = (selection.audio or Audio()).center_frequency
    centers = (wanted, said.center_frequency, named.center_frequency)
    center = next((center for center in centers if center is not None), 0.0)
    return Description(
        format=InputFormat.AUDIO,
        name=name,
        sample_rate=Fraction(rate),
        center_frequency=center if len(chosen) == 2 else 0.0,
        start_time=said.start_time or named.start_time,
        is_complex=len(chosen) == 2,
        length=0,
        bytes_per_sample=0,
        sample_type="",
    )


def _chosen(name: str, selection: RecordingSelection, channels: int) -> tuple[int, ...]:
    """The index of the channel to read, or of the two that are I and Q.

    Raises WorkerError 64 where the job names none, or one that is not there.
    """
    wanted, is_iq = selection.channel, (selection.audio or Audio()).iq
    if selection.iq_channels is not None:
        return iq_pair(name, selection.iq_channels, channels)
    if is_iq:
        if channels != 2:
            also = ", or say which two with input.iqChannels" if channels > 2 else ""
            raise invalid_spec(f"input.audio.iq: {name} has {channels} channels, but I and Q are two: remove iq{also}")
        return (0, 1)
    if wanted is None and channels > 1:
        also = ", or write audio: {iq: true} if they are I and Q" if channels == 2 else ""
        raise invalid_spec(
            f"input.channel is missing: {name} has channels 0 to {channels - 1}: name one, from 0 on{also}"
        )
    return (channel_index(name, wanted, channels),)


class AudioRecording:
    """One channel of an audio file, or two as I and Q."""

    def __init__(
        self,
        store: RecordingStore,
        path: PurePosixPath,
        description: Description,
        channels: int,
        chosen: tuple[int, ...],
    ) -> None:
        self._store = store
        self._path = path
        self._description = description
        self._channels = channels
        self._chosen = chosen

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "AudioReader":
        """A new reader: each thread needs its own."""
        return AudioReader(self._store.open(self._path), self._description, self._channels, self._chosen)

    def close(self) -> None:
        """Nothing stays open: each reader opens the file for itself."""


class AudioReader:
    """Reads through one handle of libsndfile, which scales integers so that full scale is 1."""

    def __init__(self, file: SampleFile, description: Description, channels: int, chosen: tuple[int, ...]) -> None:
        self._file = file
        self._length = description.length
        self._channels = channels
        self._chosen = list(chosen)
        self._all_chosen = chosen == tuple(range(channels))
        self._rows = max(1, READER_BUFFER_BYTES // (8 * channels))
        self._buffer = np.empty(self._rows * channels, np.float64)
        self._position = 0
        try:
            self._opened = LibraryFile(file)
        except WorkerError:
            file.close()
            raise

    def read(self, start: int, samples: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Fill `samples` from sample index `start` on; what is not finite, or past the end, is missing."""
        present = min(len(samples), max(0, self._length - start))
        missing = np.ones(len(samples), np.bool_)
        for first in range(0, present, self._rows):
            piece = slice(first, min(first + self._rows, present))
            missing[piece] = self._fill(start + first, samples[piece])
        if not missing.any():
            return None
        samples[missing] = 0
        return missing

    def _fill(self, start: int, piece: NDArray[Any]) -> NDArray[np.bool_]:
        """Fill `piece` (n,); returns (n,), True where a sample is not finite."""
        target = piece.view(piece.real.dtype).reshape(len(piece), -1)
        dtype = target.dtype
        is_direct = self._all_chosen
        stored = self._buffer.view(dtype)[: len(piece) * self._channels].reshape(len(piece), self._channels)
        frames = target if is_direct else stored
        self._fetch(start, frames)
        chosen = frames[:, self._chosen]
        if not is_direct:
            target[...] = chosen
        missing: NDArray[np.bool_] = ~np.isfinite(chosen).all(axis=1)
        return missing

    def _fetch(self, start: int, frames: NDArray[Any]) -> None:
        """Fill `frames` (n, channels), contiguous."""
        with self._opened.errors():
            if start != self._position:
                self._position = -1  # until it is known where the seek ended
                if self._opened.sound.seek(start) != start:
                    raise ValueError(f"sample {start} cannot be reached")
            count = self._opened.sound.buffer_read_into(frames, "float32" if frames.dtype == np.float32 else "float64")
        self._file.require_unchanged()
        if count < len(frames):
            raise input_invalid(
                f"{self._file.name} ends at sample {start + count} of {self._length}: it was cut off, copy it again"
            )
        self._position = start + count

    def close(self) -> None:
        """Close the file."""
        self._opened.close()
        self._file.close()
