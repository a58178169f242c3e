"""The rows of a dataset as they lie in their file: found through the HDF5 library, read without it.

digital_rf writes a file's samples in one piece, or in chunks of up to a whole file that may be compressed and have
checksums. The HDF5 library inflates a chunk as a whole, anew for each read where it is larger than a small cache, for
one thread of the process at a time, and to whatever size its bytes grow: three megabytes became three gigabytes. Here a
chunk is inflated piece by piece as far as it is read, in as little memory whatever the chunk's size.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.volume import SampleFile

_PIECE_BYTES = 128 * 1024
_MAXIMUM_CHUNKS = 1_000_000
_CHECKSUM_BYTES, _CHECKSUM_MODULUS = 4, 65_535
_NEVER_WRITTEN = -1
_FILTERS = {h5py.h5z.FILTER_DEFLATE: "deflate", h5py.h5z.FILTER_FLETCHER32: "fletcher32"}
"""What digital_rf can have the library do to a chunk, in the order in which it is done."""


@dataclass(frozen=True)
class Chunks:
    """Where the rows of a dataset of `length` lie: `rows` of them in each chunk; the last may have some to spare.

    offsets, sizes: (chunks,) bytes in the file; the offset of a chunk that was never written is −1, and all its rows
    are `fill`. deflated, checksummed: (chunks,) True where the chunk is compressed; where a checksum stands behind it.
    """

    length: int
    rows: int
    row_bytes: int
    fill: bytes
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    deflated: NDArray[np.bool_]
    checksummed: NDArray[np.bool_]

    @property
    def plain_offset(self) -> int | None:
        """Byte of the file from which on all rows lie one behind the other, or None where they do not."""
        is_plain = len(self.offsets) == 1 and not self.deflated[0] and not self.checksummed[0]
        return int(self.offsets[0]) if is_plain and self.offsets[0] != _NEVER_WRITTEN else None


def plain_chunks(offset: int, length: int, row_bytes: int) -> Chunks:
    """Rows that lie one behind the other from a byte of the file on."""
    one, never = np.ones(1, np.int64), np.zeros(1, np.bool_)
    return Chunks(length, length, row_bytes, b"", one * offset, one * length * row_bytes, never, never)


def find_chunks(file: Any, dataset: Any, name: str) -> Chunks:
    """Where in an HDF5 file the rows of a dataset are, of one or two dimensions.

    To be used within `hdf5_errors`. Raises WorkerError 65 for storage that digital_rf does not use.
    """
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    layout, length = properties.get_layout(), dataset.shape[0]
    is_whole = dataset.chunks is None or dataset.chunks[1:] == dataset.shape[1:]
    if file.userblock_size or layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED) or not is_whole:
        raise _unusual(name, "is stored as digital_rf stores nothing")
    if filters != [known for known in _FILTERS if known in filters]:
        names = ", ".join(_FILTERS.get(number, f"filter {number}") for number in filters)
        raise _unusual(name, f"went through {names}, where digital_rf uses deflate and fletcher32")
    rows = max(1, length if dataset.chunks is None else dataset.chunks[0])
    count = -(-length // rows)
    if count > _MAXIMUM_CHUNKS:
        raise input_invalid(f"{name}: rf_data has {count} chunks: rewrite it in larger ones, with h5repack -l CHUNK=…")
    offsets, sizes, skipped = _stored(dataset, rows, count)
    present = [(skipped & (1 << place)) == 0 for place in range(len(filters))]
    is_used = dict(zip(filters, present, strict=True))
    never = np.zeros(count, np.bool_)
    return Chunks(
        length=length,
        rows=rows,
        row_bytes=dataset.dtype.itemsize * (dataset.shape[1] if len(dataset.shape) == 2 else 1),
        fill=np.asarray(dataset.fillvalue, dataset.dtype).tobytes(),
        offsets=offsets,
        sizes=sizes,
        deflated=is_used.get(h5py.h5z.FILTER_DEFLATE, never),
        checksummed=is_used.get(h5py.h5z.FILTER_FLETCHER32, never),
    )


def _unusual(name: str, what: str) -> WorkerError:
    return input_invalid(f"{name}: rf_data {what}: rewrite it, as with h5repack -f NONE")


def _stored(dataset: Any, rows: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Offset and size in bytes of each chunk, and as bits which filters it did not go through: each (chunks,)."""
    offsets = np.full(count, _NEVER_WRITTEN, np.int64)
    sizes, skipped = np.zeros((2, count), np.int64)
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        if offset is not None and count:
            offsets[0], sizes[0] = offset, dataset.id.get_storage_size()
        return offsets, sizes, skipped

    def note(chunk: Any) -> None:
        place = chunk.chunk_offset[0] // rows
        if place < count:
            offsets[place], sizes[place], skipped[place] = chunk.byte_offset, chunk.size, chunk.filter_mask

    dataset.id.chunk_iter(note)
    return offsets, sizes, skipped


class ChunkReader:
    """Reads rows, of `row_bytes` each, in any order, and fastest forwards. One thread at a time."""

    def __init__(self, file: SampleFile, chunks: Chunks) -> None:
        self.row_bytes = chunks.row_bytes
        self._file = file
        self._chunks = chunks
        self._inflating: tuple[int, _Inflating] | None = None
        self._verified = -1

    def read(self, row: int, content: NDArray[np.uint8]) -> None:
        """Fill `content` with whole rows from `row` on. Raises WorkerError 65 where they are damaged."""
        chunks = self._chunks
        while len(content):
            number, first = divmod(row, chunks.rows)
            count = min(len(content) // chunks.row_bytes, chunks.rows - first)
            self._read(number, first * chunks.row_bytes, content[: count * chunks.row_bytes])
            row, content = row + count, content[count * chunks.row_bytes :]

    def _read(self, number: int, start: int, content: NDArray[np.uint8]) -> None:
        chunks, offset, size = self._chunks, int(self._chunks.offsets[number]), int(self._chunks.sizes[number])
        if offset == _NEVER_WRITTEN:
            content.reshape(-1, len(chunks.fill))[:] = np.frombuffer(chunks.fill, np.uint8)
            return
        if chunks.checksummed[number]:
            size -= _CHECKSUM_BYTES
            if number != self._verified:
                require_checksum(self._file, offset, size)
                self._verified = number
        if not chunks.deflated[number]:
            if start + len(content) > size:
                raise _damaged(self._file.name, "a chunk is shorter than it should be")
            self._file.read(offset + start, content)
            return
        if self._inflating is None or self._inflating[0] != number or self._inflating[1].position > start:
            self._inflating = number, _Inflating(self._file, offset, size)
        inflating = self._inflating[1]
        inflating.read(start, content)
        if inflating.position == min(chunks.rows, chunks.length - number * chunks.rows) * chunks.row_bytes:
            inflating.finish(chunks.rows * chunks.row_bytes)


class _Inflating:
    """A compressed chunk that is being inflated; `position` counts the bytes that came out so far."""

    def __init__(self, file: SampleFile, offset: int, size: int) -> None:
        self.position = 0
        self._file = file
        self._next, self._end = offset, offset + size
        self._stream = zlib.decompressobj()

    def read(self, start: int, content: NDArray[np.uint8]) -> None:
        """Fill `content` with what the chunk inflates to from byte `start` on, which is not before `position`."""
        while self.position < start:
            self._inflate(start - self.position)
        while len(content):
            piece = self._inflate(len(content))
            content[: len(piece)] = np.frombuffer(piece, np.uint8)
            content = content[len(piece) :]

    def finish(self, length: int) -> None:
        """Go on to the end of the chunk, where its checksum is, which must come after `length` bytes."""
        while self.position < length:
            self._inflate(length - self.position)
        while not self._stream.eof:
            if self._inflate(1):
                raise _damaged(self._file.name, "a chunk is longer than it should be")

    def _inflate(self, most: int) -> bytes:
        """The next bytes, at most `most` of them; none where a piece of the file gives none."""
        try:
            stored = self._stream.unconsumed_tail or self._stored()
            piece = self._stream.decompress(stored, min(most, _PIECE_BYTES))
        except zlib.error as error:
            raise _damaged(self._file.name, str(error)) from None
        self.position += len(piece)
        return piece

    def _stored(self) -> bytes:
        """The next piece of what lies in the file."""
        content = np.empty(min(_PIECE_BYTES, self._end - self._next), np.uint8)
        if self._stream.eof or len(content) == 0:
            raise _damaged(self._file.name, "a chunk is shorter than it should be")
        self._file.read(self._next, content)
        self._next += len(content)
        return content.tobytes()


def require_checksum(file: SampleFile, offset: int, size: int) -> None:
    """Raise WorkerError 65 unless the four bytes behind `size` bytes from `offset` on are their checksum.

    Fletcher's of 32 bits as HDF5 has it (H5checksum.c): of words of two bytes, the higher first, modulo 2¹⁶ − 1.
    """
    total = weighted = 0
    for start in range(0, size, _PIECE_BYTES):
        content = np.zeros(min(_PIECE_BYTES, size - start + size % 2), np.uint8)
        file.read(offset + start, content[: size - start])
        words = content.view(">u2").astype(np.float64)  # sums of so few are exact
        weighted += len(words) * total + int(np.dot(words, np.arange(len(words), 0, -1.0)))
        total += int(words.sum())
        total, weighted = total % _CHECKSUM_MODULUS, weighted % _CHECKSUM_MODULUS
    stored = np.empty(_CHECKSUM_BYTES, np.uint8)
    file.read(offset + size, stored)
    found = int(stored.view("<u4")[0])
    if [weighted, total] != [half % _CHECKSUM_MODULUS for half in divmod(found, 1 << 16)]:
        raise _damaged(file.name, "a checksum does not hold")


def _damaged(name: str, what: str) -> WorkerError:
    return input_invalid(f"{name} is damaged or cut off ({what}): copy it again, or remove it to leave a gap")
