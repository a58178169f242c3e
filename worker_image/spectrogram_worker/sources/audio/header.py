"""The header of a WAV, RF64 or W64 file, as far as it says how many bytes of samples there should be.

The audio library reads a file that was cut off as a shorter one, without a word, and of one that is too long for its
header only as much as that says; here the two lengths are compared.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.store import SampleFile

HEAD_BYTES = 16
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"
_MAXIMUM_CHUNKS = 1000
_UNKNOWN_LENGTHS = (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""What recorders that write into a pipe put in place of the length (sox, arecord, ffmpeg)."""


_LONGEST_WAV = 2**32 + 8
"""Bytes. A recorder that goes on writing leaves a length that has begun again at 0."""


class _Chunk(NamedTuple):
    """A chunk of the file: its content lies in `size` bytes from `offset` on."""

    name: bytes
    offset: int
    size: int


def container(head: bytes) -> str | None:
    """What a file is whose first 16 bytes are `head`: WAV, RF64, W64, FLAC, or None for anything else."""
    if head.startswith((b"RIFF", b"RIFX")) and head[8:12] == b"WAVE":
        return "WAV"
    if head.startswith(b"RF64") and head[8:12] == b"WAVE":
        return "RF64"
    if head.startswith(_W64_RIFF):
        return "W64"
    return "FLAC" if head.startswith(b"fLaC") else None


def require_whole(file: SampleFile, kind: str) -> None:
    """Raise WorkerError 65 where the header does not say how many samples there are. `kind`: WAV, RF64 or W64."""
    chunks = _w64_chunks(file) if kind == "W64" else _riff_chunks(file)
    wide: int | None = None
    for chunk in chunks:
        if chunk.name == b"ds64" and kind == "RF64":
            wide = int.from_bytes(_bytes(file, chunk.offset + 8, 8), "little")
        if chunk.name == b"data":
            declared = wide if wide is not None and chunk.size == 0xFFFFFFFF else chunk.size
            there = file.size - chunk.offset
            if declared > there and not (kind == "WAV" and declared in _UNKNOWN_LENGTHS):
                raise input_invalid(
                    f"{file.name} was cut off: its header says {declared} bytes of samples, {max(there, 0)} are there:"
                    " copy it again, or repair its header"
                )
            if kind == "WAV" and there > declared and (declared in _UNKNOWN_LENGTHS or file.size > _LONGEST_WAV):
                raise input_invalid(
                    f"{file.name} is longer than its header can say ({declared} of {there} bytes of samples): convert"
                    " it to RF64 or W64, or set input.format: Raw to read it from its first byte on"
                )
            return
    raise input_invalid(f"{file.name} is a {kind} file without samples (no data chunk): record or copy it again")


def _riff_chunks(file: SampleFile) -> Iterator[_Chunk]:
    order = ">I" if _bytes(file, 0, 4) == b"RIFX" else "<I"
    position = 12
    for _ in range(_MAXIMUM_CHUNKS):
        if position + 8 > file.size:
            return
        head = _bytes(file, position, 8)
        (size,) = struct.unpack(order, head[4:])
        yield _Chunk(head[:4], position + 8, size)
        position += 8 + size + size % 2


def _w64_chunks(file: SampleFile) -> Iterator[_Chunk]:
    position = 40
    for _ in range(_MAXIMUM_CHUNKS):
        if position + 24 > file.size:
            return
        head = _bytes(file, position, 24)
        size = int.from_bytes(head[16:], "little")
        if size < 24:  # it counts its own head
            return
        yield _Chunk(head[:4], position + 24, size - 24)
        position += -(-size // 8) * 8


def _bytes(file: SampleFile, offset: int, count: int) -> bytes:
    content = np.empty(count, np.uint8)
    file.read(offset, content)
    return content.tobytes()
