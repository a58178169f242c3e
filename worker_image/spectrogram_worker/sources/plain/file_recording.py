"""A recording whose samples lie in one file: raw files and SigMF."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.samples.segments import SegmentReader
from spectrogram_worker.sources.store import RecordingStore, SampleFile


@dataclass(frozen=True)
class Segment:
    """`count` samples that lie together from `byte_offset` on; `start` is the first one's index in the recording."""

    start: int
    count: int
    byte_offset: int


@dataclass(frozen=True)
class Stored:
    """Where samples lie: `size` bytes of the file at `path` from `offset` on; `name` is what people call them."""

    path: PurePosixPath
    name: str
    offset: int
    size: int


class FileRecording:
    """Samples of one file, in one or more segments in ascending order."""

    def __init__(
        self,
        store: RecordingStore,
        path: PurePosixPath,
        description: Description,
        sample_type: SampleType,
        segments: Sequence[Segment],
    ) -> None:
        self._store = store
        self._path = path
        self._description = description
        self._type = sample_type
        self._segments = tuple(segments)

    @property
    def description(self) -> Description:
        """What the recording is."""
        return self._description

    def reader(self) -> "FileReader":
        """A new reader: each thread needs its own."""
        return FileReader(self._store.open(self._path), self._type, self._segments)

    def close(self) -> None:
        """Nothing stays open: each reader opens the file for itself."""


class FileReader(SegmentReader):
    """Reads the segments of one file."""

    def __init__(self, file: SampleFile, sample_type: SampleType, segments: Sequence[Segment]) -> None:
        starts = np.array([segment.start for segment in segments], np.int64)
        counts = np.array([segment.count for segment in segments], np.int64)
        super().__init__(sample_type, starts, starts + counts)
        self._file = file
        self._offsets = [segment.byte_offset for segment in segments]

    def _fetch(self, segment: int, first: int, content: NDArray[np.uint8]) -> None:
        self._file.read(self._offset(segment, first), content)

    def _place(self, segment: int, first: int) -> tuple[SampleFile, int]:
        return self._file, self._offset(segment, first)

    def _offset(self, segment: int, first: int) -> int:
        return self._offsets[segment] + first * self._type.stride

    def close(self) -> None:
        """Close the file."""
        self._file.close()
