"""The chunks of a WAV, RF64, BW64 or W64 file: where the samples lie, and whether the header tells the truth about it.

A recorder writes the lengths when it ends, or from time to time; one that was killed leaves what stood there before.
Lengths of 32 bits begin again at 0 after 4 GiB. So a length is believed only where it leads to the end of the file or
to another chunk. Else the samples are taken to go on to the end of the file, and a warning says so.
"""

import re
import string
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from spectrogram_worker.errors import input_invalid

ReadBytes = Callable[[int, int], bytes]
"""Bytes of a file: (offset, count) → as many as there are."""

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"
_W64_TAILS = (b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", _W64_RIFF[4:] + b"\x04\xc1\x00\x00")
"""What follows the four letters of a chunk's name in W64: of most chunks, and of lists."""
MAXIMUM_CHUNKS = 1 << 18
_MAXIMUM_AHEAD = 64
_SEEN_BEHIND_SAMPLES = re.compile(
    rb"LIST|list|data|kiwi|auxi|fact|PEAK|bext|iXML|axml|chna|cue |smpl|inst|id3 |ID3 |JUNK|junk|PAD |FLLR|DISP|levl"
    rb"|umid|_PMX|afsp|cart"
)
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"3DI")
_PRINTABLE = frozenset(string.printable[:95].encode())
_LARGEST_HEADER_BYTES = 4096
_UNKNOWN_64 = 1 << 62
_WIDE = 0xFFFFFFFF


class Chunk(NamedTuple):
    """A chunk of the file: its content lies in `size` bytes from `offset` on, as its head says."""

    name: bytes
    offset: int
    size: int


class Data(NamedTuple):
    """Samples: in `size` bytes from `offset` on, where the header says `declared`.

    kind: exact, the header tells the truth; unknown, it does not say how many there are; stale, more follow than it
    says; header, it counted its own bytes with them; short, fewer are there.
    """

    offset: int
    size: int
    declared: int
    kind: str = "exact"


def container(head: bytes) -> str | None:
    """What a file is whose first 16 bytes are `head`: WAV, RF64, BW64, W64, FLAC, or None for anything else."""
    if head.startswith((b"RIFF", b"RIFX")) and head[8:12] == b"WAVE":
        return "WAV"
    if head.startswith((b"RF64", b"BW64")) and head[8:12] == b"WAVE":
        return head[:4].decode()
    if head.startswith(_W64_RIFF):
        return "W64"
    return "FLAC" if head.startswith(b"fLaC") else None


class Layout:
    """How chunks lie in a file of `size` bytes of this kind."""

    def __init__(self, name: str, read: ReadBytes, size: int, kind: str) -> None:
        self._name = name
        self._read = read
        self._size = size
        self._kind = kind
        self._order = ">I" if read(0, 4) == b"RIFX" else "<I"
        self._wide: int | None = None

    @property
    def is_big_endian(self) -> bool:
        """Whether numbers have their highest byte first (RIFX)."""
        return self._order == ">I"

    def chunks(self) -> Iterator[tuple[Chunk, Data | None]]:
        """All chunks, and for data chunks where their samples are. Raises WorkerError 65 where there are too many."""
        position = 40 if self._kind == "W64" else 12
        for _ in range(MAXIMUM_CHUNKS):
            chunk = self._chunk(position)
            if chunk is None:
                return
            if chunk.name == b"ds64" and self._wide is None and self._kind in ("RF64", "BW64"):
                self._wide = int.from_bytes(self._read(chunk.offset + 8, 8), "little")
            data = self._data(chunk) if chunk.name == b"data" else None
            yield chunk, data
            position = self._next(chunk.offset + (chunk.size if data is None else data.size))
        raise input_invalid(f"{self._name} has {MAXIMUM_CHUNKS} chunks or more: write it again with fewer")

    def _chunk(self, position: int) -> Chunk | None:
        """The chunk that begins at this byte; None where the file has no room for its head."""
        if self._kind == "W64":
            head = self._read(position, 24)
            size = int.from_bytes(head[16:], "little")  # it counts its own head
            is_one = len(head) == 24 and (size >= 24 or head[:4] == b"data")
            return Chunk(head[:4], position + 24, max(0, size - 24)) if is_one else None
        head = self._read(position, 8)
        return Chunk(head[:4], position + 8, struct.unpack(self._order, head[4:])[0]) if len(head) == 8 else None

    def _data(self, chunk: Chunk) -> Data:
        """Where the samples of a data chunk are."""
        declared, there = chunk.size, self._size - chunk.offset
        if declared == _WIDE and self._wide is not None:
            declared, self._wide = self._wide, None
        if declared > there:
            if self._is_unknown(declared):
                return Data(chunk.offset, there, declared, "unknown")
            counts_header = declared - there <= min(chunk.offset, _LARGEST_HEADER_BYTES)
            return Data(chunk.offset, max(0, there), declared, "header" if counts_header else "short")
        if self._ends_at(chunk.offset + declared):
            return Data(chunk.offset, declared, declared)
        if self._kind == "WAV":
            wrapped = there - (there - declared) % 2**32
            if self._ends_at(chunk.offset + wrapped):
                return Data(chunk.offset, wrapped, declared)
        is_unknown = declared == 0 or self._is_unknown(declared)
        return Data(chunk.offset, there, declared, "unknown" if is_unknown else "stale")

    def _is_unknown(self, declared: int) -> bool:
        """Whether this is what recorders write in place of a length (into a pipe: sox, arecord, ffmpeg)."""
        if self._kind == "WAV":
            return 0x7FFF0000 <= declared <= 0x80000100 or declared >= 0xFFFF0000
        return declared >= _UNKNOWN_64 or declared == _WIDE

    def _ends_at(self, end: int) -> bool:
        """Whether samples can end at this byte: there the file ends, or a chunk or a tag begins."""
        if end + 8 > self._size or self._is_chain(self._aligned(end)) or (end % 2 and self._is_chain(end)):
            return True
        return self._read(end, 8).startswith(_TAGS)

    def _next(self, end: int) -> int:
        """Where the chunk begins that follows a content that ends at `end`; some writers do not fill up."""
        return end if end % 2 and self._is_chain(end) and not self._is_chain(end + 1) else self._aligned(end)

    def _aligned(self, position: int) -> int:
        return position + -position % (8 if self._kind == "W64" else 2)

    def _is_chain(self, position: int) -> bool:
        """Whether chunks lie from here to the end of the file; a name that is known is enough."""
        for _ in range(_MAXIMUM_AHEAD):
            chunk = self._chunk(position)
            if chunk is None or not _PRINTABLE.issuperset(chunk.name):
                return False
            is_named = self._kind != "W64" or self._read(position + 4, 12) in _W64_TAILS
            if is_named and _SEEN_BEHIND_SAMPLES.fullmatch(chunk.name):
                return True
            position = self._aligned(chunk.offset + chunk.size)
            if position >= self._size:
                return position - self._size < 8
        return False
