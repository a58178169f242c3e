"""FLAC, µ-law and A-law, through libsndfile.

It could read many more formats, some of which make it open other files: so it sees only files that were looked at.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import READER_BUFFER_BYTES
from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.audio.auxi import Tuning
from spectrogram_worker.sources.audio.described import chosen_channels, described
from spectrogram_worker.sources.audio.library import LibraryFile
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.samples.sample_type import count_at_ends
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_SAMPLE_BYTES = {"PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "ULAW": 1, "ALAW": 1}
"""Sample types, with the bytes of each, decompressed."""
_MAXIMUM_SAMPLES = 2**62


def open_compressed(
    store: RecordingStore, path: PurePosixPath, selection: RecordingSelection, said: Tuning
) -> "AudioRecording":
    """Open a file that was looked at; `said` is what its header says beside the samples.

    Raises WorkerError: 64 for a channel that is not there, 65 for a file that is damaged, empty or of another kind.
    """
    with closing(store.open(path)) as file, closing(LibraryFile(file)) as opened:
        sound = opened.sound
        subtype, rate, channels, length = sound.subtype, sound.samplerate, sound.channels, sound.frames
    if subtype not in _SAMPLE_BYTES:
        raise input_invalid(f"{file.name} holds {subtype} samples, which are not read: convert it to PCM or FLAC")
    if length > _MAXIMUM_SAMPLES:
        raise input_invalid(f"{file.name} does not say how many samples it holds: write it again")
    if length <= 0:
        raise input_invalid(f"{file.name} is empty: its header says that it holds no sample")
    chosen = chosen_channels(file.name, selection, channels)
    description = replace(
        described(file.name, selection, rate, chosen, said),
        length=length,
        bytes_per_sample=_SAMPLE_BYTES[subtype] * len(chosen),
        sample_type=f"{subtype} I/Q" if len(chosen) == 2 else subtype,
    )
    return AudioRecording(store, path, description, subtype, channels, chosen)


class AudioRecording:
    """One channel of an audio file, or two as I and Q."""

    def __init__(
        self,
        store: RecordingStore,
        path: PurePosixPath,
        description: Description,
        subtype: str,
        channels: int,
        chosen: tuple[int, ...],
    ) -> None:
        self._store = store
        self._path = path
        self._description = description
        self._subtype = subtype
        self._channels = channels
        self._chosen = chosen

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "AudioReader":
        """A new reader: each thread needs its own."""
        file = self._store.open(self._path)
        return AudioReader(file, self._description, self._subtype, self._channels, self._chosen)

    def close(self) -> None:
        """Nothing stays open: each reader opens the file for itself."""


class AudioReader:
    """Reads through one handle of libsndfile, which scales integers so that full scale is 1."""

    def __init__(
        self, file: SampleFile, description: Description, subtype: str, channels: int, chosen: tuple[int, ...]
    ) -> None:
        self._file = file
        self._length = description.length
        self._channels = channels
        self._chosen = list(chosen)
        self._all_chosen = chosen == tuple(range(channels))
        self._rows = max(1, READER_BUFFER_BYTES // (8 * channels))
        self._buffer = np.empty(self._rows * channels, np.float64)
        self._highest = 1 - 2.0 ** (1 - 8 * _SAMPLE_BYTES[subtype])
        self.at_full_scale = 0 if subtype.startswith("PCM") else None
        self._position = 0
        try:
            self._opened = LibraryFile(file)
        except WorkerError:
            file.close()
            raise

    def read(self, start: int, samples: NDArray[Any], *, counted: int = 0) -> NDArray[np.bool_] | None:
        """Fill `samples` from sample index `start` on; what is not finite, or past the end, is missing."""
        present = min(len(samples), max(0, self._length - start))
        missing = np.ones(len(samples), np.bool_)
        for first in range(0, present, self._rows):
            piece = slice(first, min(first + self._rows, present))
            missing[piece] = self._fill(start + first, samples[piece], max(0, counted - first))
        if not missing.any():
            return None
        samples[missing] = 0
        return missing

    def in_files(self, start: int, count: int) -> None:
        """See `Reader.in_files`: they are compressed."""

    def _fill(self, start: int, piece: NDArray[Any], counted: int) -> NDArray[np.bool_]:
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
        if self.at_full_scale is not None:
            self.at_full_scale += count_at_ends(chosen[:counted], -1.0, self._highest)
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
