"""Sample files whose headers are those of one before them: the HDF5 library is not asked again.

What the library finds in a file follows from the file's size and from the bytes that it reads: in a file of the same
size with the same bytes at these places it would find the same, samples and an index of the same types at the same
places. Recorders write such files one after another. The library skips attributes and times of change unless it is
asked for them, as nobody does here: there files may differ, since digital_rf numbers them in an attribute.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.store import SampleFile

_MOST_BYTES = 1 << 16
"""Of the headers of a file that is remembered; digital_rf's are 10 KB."""
_MOST_KNOWN = 8
"""A writer's blocks and a file's time are seldom of one length: files differ in samples, and in rows of their index."""
_ATTRIBUTE, _CONTINUATION, _CHANGED = 0x0C, 0x10, 0x12


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a sample file holds: samples in `length` rows, and an index of `segments` rows.

    offset, index_offset: byte from which these rows lie in one piece, −1 where they do not, or nobody asked.
    """

    sample_type: SampleType
    length: int
    offset: int
    segments: int
    index_type: np.dtype[Any]
    index_offset: int


class NotedFile:
    """A file of which is noted what was read; see `SampleFile`."""

    descriptor = None

    def __init__(self, file: SampleFile) -> None:
        self.name, self.size = file.name, file.size
        self.noted: list[tuple[int, bytes]] = []
        self._file = file

    def read(self, offset: int, content: NDArray[Any]) -> None:
        """Read, and note it."""
        self._file.read(offset, content)
        self.noted.append((offset, content.tobytes()))

    def require_unchanged(self) -> None:
        """See `SampleFile`."""
        self._file.require_unchanged()

    def close(self) -> None:
        """See `SampleFile`."""
        self._file.close()


class KnownFiles:
    """What a few of the latest files hold, no two of which are alike."""

    def __init__(self) -> None:
        self.wanted = True
        """False once a file was compressed: of such files no two are alike, and noting them costs time."""
        self._known: list[tuple[int, list[_Piece], Contents]] = []

    def contents_of(self, file: SampleFile) -> Contents | None:
        """What the file holds, or None where the library must be asked."""

        @cache
        def bytes_at(offset: int, count: int) -> NDArray[np.uint8]:
            content = np.empty(count, np.uint8)
            file.read(offset, content)
            return content

        for place, (size, pieces, contents) in enumerate(self._known):
            if size == file.size and all(piece.is_found(bytes_at) for piece in pieces):
                self._known.insert(0, self._known.pop(place))
                return contents
        return None

    def add(self, file: NotedFile, contents: Contents, headers: Sequence[int]) -> None:
        """Remember a file whose index lies in one piece, and of which nothing but headers was read.

        headers: bytes at which those of its datasets are.
        """
        if sum(len(content) for _, content in file.noted) > _MOST_BYTES:
            return
        pieces = [_Piece(offset, content) for offset, content in _joined(file.noted)]
        for start, stop in (skipped for header in headers for skipped in _skipped(file, header)):
            for piece in pieces:
                piece.skip(start, stop)
        self._known.insert(0, (file.size, pieces, contents))
        del self._known[_MOST_KNOWN:]


class _Piece:
    """Bytes of a file from `offset` on, and which of them count."""

    def __init__(self, offset: int, content: bytes) -> None:
        self._offset = offset
        self._content = np.frombuffer(content, np.uint8)
        self._counts = np.ones(len(content), np.bool_)

    def skip(self, start: int, stop: int) -> None:
        """Bytes `start` to `stop` of the file do not count."""
        self._counts[max(0, start - self._offset) : max(0, stop - self._offset)] = False

    def is_found(self, bytes_at: Callable[[int, int], NDArray[np.uint8]]) -> bool:
        """Whether another file has these bytes, which tells those from an offset on."""
        found = bytes_at(self._offset, len(self._content))
        return not ((found != self._content) & self._counts).any()


def _joined(noted: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The bytes that were read, each once, in their order."""
    begin, content = 0, b""
    for offset, read in sorted(noted):
        if offset > begin + len(content):
            yield begin, content
            begin, content = offset, b""
        content += read[begin + len(content) - offset :]
    yield begin, content


def _skipped(file: NotedFile, header: int) -> Iterator[tuple[int, int]]:
    """Where in the header of a dataset are bytes that the library skips: attributes, and when it was changed.

    See the HDF5 File Format Specification, "Version 1 Data Object Header Prefix"; headers of the second version have a
    checksum, of all their bytes.
    """
    version, _, left, _, size = struct.unpack("<BBHII", _bytes_of(file, header, 12).ljust(12, b"\0"))
    blocks = [(header + 16, size)] if version == 1 else []
    for offset, length in blocks:
        block, place = _bytes_of(file, offset, length), 0
        while left and place + 8 <= len(block):
            kind, size = struct.unpack_from("<HH", block, place)
            place, left = place + 8, left - 1
            if kind == _ATTRIBUTE:
                yield offset + place, offset + place + size
            elif kind == _CHANGED and size >= 8:  # of which the library looks at the version
                yield offset + place + 4, offset + place + 8
            elif kind == _CONTINUATION and place + 16 <= len(block):
                blocks.append(struct.unpack_from("<QQ", block, place))
            place += size


def _bytes_of(file: NotedFile, offset: int, count: int) -> bytes:
    """Bytes of a file as far as they are there, but not too many."""
    content = np.empty(min(count, _MOST_BYTES, max(0, file.size - offset)), np.uint8)
    file.read(offset, content)
    return content.tobytes()
