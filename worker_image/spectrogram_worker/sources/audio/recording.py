"""Audio files: WAV, RF64, W64 and FLAC through libsndfile. One channel is real; two are I and Q when the job says so.

libsndfile reads many more formats. It sees only files whose first bytes are of these four, through a descriptor that
was opened here: some of the others make it look for further files.
"""

from contextlib import closing
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import READER_BUFFER_BYTES
from spectrogram_worker.contract.parameters import Audio, InputFormat, RecordingSelection
from spectrogram_worker.errors import WorkerError, input_invalid, invalid_spec
from spectrogram_worker.sources.audio.header import HEAD_BYTES, container, require_whole
from spectrogram_worker.sources.audio.library import LibraryFile
from spectrogram_worker.sources.file_names import parameters_in_name
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_SAMPLE_BYTES = {
    "PCM_U8": 1,
    "PCM_S8": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
    "ULAW": 1,
    "ALAW": 1,
}
"""Sample types whose samples can be reached by their index, with the bytes of each, decompressed."""
_MAXIMUM_SAMPLES = 2**62


def open_audio(store: RecordingStore, selection: RecordingSelection) -> "AudioRecording":
    """Open an audio file.

    Raises WorkerError: 64 for a channel that is not there, or I/Q that is not two channels; 65 for a file that is
    damaged, cut off, empty or of another kind; 66 where there is none.
    """
    path = PurePosixPath(selection.path)
    with closing(store.open(path)) as file:
        kind = _require_known(file)
    if kind == "FLAC":
        store.fetch([path])  # to reach a sample takes many reads, here and there in the file
    with closing(store.open(path)) as file, closing(LibraryFile(file)) as opened:
        sound = opened.sound
        subtype, rate, channels, length = sound.subtype, sound.samplerate, sound.channels, sound.frames
    if subtype not in _SAMPLE_BYTES:
        raise input_invalid(f"{file.name} holds {subtype} samples, which are not read: convert it to PCM or FLAC")
    if rate <= 0:
        raise input_invalid(f"{file.name} says that its sample rate is {rate} Hz: repair its header")
    if length > _MAXIMUM_SAMPLES:
        raise input_invalid(f"{file.name} does not say how many samples it holds: write it again with {kind} tools")
    if length <= 0:
        raise input_invalid(f"{file.name} is empty: its header says that it holds no sample")
    audio, named = selection.audio or Audio(), parameters_in_name(path.name)
    channel = _channel(file.name, selection.channel, channels, is_iq=audio.iq)
    center = audio.center_frequency if audio.center_frequency is not None else named.center_frequency
    description = Description(
        format=InputFormat.AUDIO,
        name=file.name,
        sample_rate=Fraction(rate),
        center_frequency=(center or 0.0) if audio.iq else 0.0,
        start_time=named.start_time,
        is_complex=audio.iq,
        length=length,
        bytes_per_sample=_SAMPLE_BYTES[subtype] * (2 if audio.iq else 1),
        sample_type=f"{subtype} I/Q" if audio.iq else subtype,
    )
    return AudioRecording(store, path, description, channels, channel)


def _require_known(file: SampleFile) -> str:
    head = np.zeros(HEAD_BYTES, np.uint8)
    if file.size >= HEAD_BYTES:
        file.read(0, head)
    kind = container(head.tobytes())
    if kind is None:
        raise input_invalid(f"{file.name} is not a WAV, RF64, W64 or FLAC file: set input.format to what it is")
    if kind != "FLAC":
        require_whole(file, kind)
    return kind


def _channel(name: str, wanted: str | None, channels: int, *, is_iq: bool) -> int:
    """The index of the channel to read. Raises WorkerError 64 where the job names none, or one that is not there."""
    if is_iq:
        if channels != 2:
            raise invalid_spec(f"input.audio.iq: {name} has {channels} channels, but I and Q are two: remove iq")
        return 0
    if wanted is None and channels > 1:
        also = ", or write audio: {iq: true} if they are I and Q" if channels == 2 else ""
        raise invalid_spec(
            f"input.channel is missing: {name} has channels 0 to {channels - 1}: name one, from 0 on{also}"
        )
    if wanted is not None and (not wanted.isdecimal() or int(wanted) >= channels):
        raise invalid_spec(f"input.channel: {name} has no channel {wanted}, but 0 to {channels - 1}")
    return int(wanted or 0)


class AudioRecording:
    """One channel of an audio file, or two as I and Q."""

    def __init__(
        self, store: RecordingStore, path: PurePosixPath, description: Description, channels: int, channel: int
    ) -> None:
        self._store = store
        self._path = path
        self._description = description
        self._channels = channels
        self._channel = channel

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "AudioReader":
        """A new reader: each thread needs its own."""
        return AudioReader(self._store.open(self._path), self._description, self._channels, self._channel)

    def close(self) -> None:
        """Nothing stays open: each reader opens the file for itself."""


class AudioReader:
    """Reads through one handle of libsndfile, which scales integers so that full scale is 1."""

    def __init__(self, file: SampleFile, description: Description, channels: int, channel: int) -> None:
        self._file = file
        self._length = description.length
        self._channels = channels
        self._chosen = slice(0, 2) if description.is_complex else slice(channel, channel + 1)
        self._all_chosen = description.is_complex or channels == 1
        self._is_double = description.sample_type.startswith("DOUBLE")
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
        # A double that single precision cannot hold is large, not missing: so it is looked at before it is converted.
        dtype = np.dtype(np.float64) if self._is_double else target.dtype
        is_direct = self._all_chosen and dtype == target.dtype
        stored = self._buffer.view(dtype)[: len(piece) * self._channels].reshape(len(piece), self._channels)
        frames = target if is_direct else stored
        self._fetch(start, frames)
        chosen = frames[:, self._chosen]
        if not is_direct:
            with np.errstate(over="ignore"):
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
