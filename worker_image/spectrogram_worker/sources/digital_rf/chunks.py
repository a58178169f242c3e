"""The rows of a dataset as they lie in their file: found through the HDF5 library, read without it.

digital_rf writes a file's samples in one piece or in chunks, of up to the whole file, which may be compressed and have
checksums. The HDF5 library inflates whole chunks, for one thread of the process at a time. It does so again for each
read of a chunk that is larger than its cache, and without a limit: three megabytes became three gigabytes. Here a chunk
is inflated in small pieces, as far as it is read, so that memory does not depend on its size.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import INFLATED_PIECE_BYTES, INFLATED_PIECES
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.store import SampleFile

_KEPT_BYTES = INFLATED_PIECES * INFLATED_PIECE_BYTES
_MAXIMUM_CHUNKS = 1_000_000
_FEW_CHUNKS = 1 << 14
"""Up to here a file may have chunks that were never written, of which nothing is on disk: they cost little."""
_CHUNK_ENTRY_BYTES = 16
"""What the file itself holds at least to say where a chunk is."""
_CHECKSUM_BYTES, _CHECKSUM_MODULUS = 4, 65_535
_NEVER_WRITTEN = -1
_FILTERS = {h5py.h5z.FILTER_DEFLATE: "deflate", h5py.h5z.FILTER_FLETCHER32: "fletcher32"}
"""What digital_rf can have the library do to a chunk, in the order in which it is done."""

_INFLATE_ERROR = cast(type[Exception], isal_zlib.error)  # as which its types do not know it


@dataclass(frozen=True)
class Chunks:
    """Where the rows of a dataset of `length` lie: `rows` of them in each chunk; the last may have some to spare.

    offsets, sizes: (chunks,) bytes in the file; the offset of a chunk that was never written is −1, and all its rows
    are `fill`. deflated, checksummed: (chunks,) True where the chunk is compressed, and where a checksum follows it.
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
        size = self.rows * self.row_bytes
        follow = (np.diff(self.offsets) == size).all() and (len(self.sizes) == 1 or (self.sizes == size).all())
        is_plain = len(self.offsets) and follow and not (self.deflated | self.checksummed).any()
        return int(self.offsets[0]) if is_plain and self.offsets[0] != _NEVER_WRITTEN else None


def plain_chunks(offset: int, length: int, row_bytes: int) -> Chunks:
    """Rows that lie one behind the other from a byte of the file on."""
    one, never = np.ones(1, np.int64), np.zeros(1, np.bool_)
    return Chunks(length, length, row_bytes, b"", one * offset, one * length * row_bytes, never, never)


def find_chunks(file: Any, dataset: Any, name: str) -> Chunks:
    """Where in an HDF5 file the rows of a dataset (h5py.h5d.DatasetID) are, which has one or two dimensions.

    To be used within `hdf5_errors`. Raises WorkerError 65 for storage that digital_rf does not use.
    """
    properties = dataset.get_create_plist()
    layout, (length, *columns) = properties.get_layout(), dataset.shape
    chunk = properties.get_chunk() if layout == h5py.h5d.CHUNKED else (max(1, length), *columns)
    if file.userblock_size or layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED) or list(chunk[1:]) != columns:
        raise _unusual(name, "is stored as digital_rf stores nothing")
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    if filters != [known for known in _FILTERS if known in filters]:
        names = ", ".join(_FILTERS.get(number, f"filter {number}") for number in filters)
        raise _unusual(name, f"went through {names}, where digital_rf uses deflate and fletcher32")
    count = -(-length // chunk[0])
    if count > _FEW_CHUNKS and count * _CHUNK_ENTRY_BYTES > file.id.get_filesize():
        raise input_invalid(f"{name}: rf_data has {count} chunks, more than the file has room for: record it again")
    if count > _MAXIMUM_CHUNKS:
        raise input_invalid(f"{name}: rf_data has {count} chunks: rewrite it in larger ones, with h5repack -l CHUNK=…")
    offsets = np.full(count, _NEVER_WRITTEN, np.int64)
    sizes, skipped = np.zeros((2, count), np.int64)
    if layout == h5py.h5d.CHUNKED:

        def note(found: Any) -> None:
            if (place := found.chunk_offset[0] // chunk[0]) < count:
                offsets[place], sizes[place], skipped[place] = found.byte_offset, found.size, found.filter_mask

        dataset.chunk_iter(note)
    elif count and (offset := dataset.get_offset()) is not None:
        offsets[0], sizes[0] = offset, dataset.get_storage_size()
    # A chunk's mask says which filters were left out: a chunk that would not get smaller is stored as it is.
    used = {number: (skipped & (1 << place)) == 0 for place, number in enumerate(filters)}
    never = np.zeros(count, np.bool_)
    dtype = dataset.dtype
    fill = np.zeros((), dtype)
    properties.get_fill_value(fill)
    return Chunks(
        length=length,
        rows=chunk[0],
        row_bytes=dtype.itemsize * math.prod(columns),
        fill=fill.tobytes(),
        offsets=offsets,
        sizes=sizes,
        deflated=used.get(h5py.h5z.FILTER_DEFLATE, never),
        checksummed=used.get(h5py.h5z.FILTER_FLETCHER32, never),
    )


def _unusual(name: str, what: str) -> WorkerError:
    return input_invalid(f"{name}: rf_data {what}: rewrite it, as with h5repack -f NONE")


class ChunkReader:
    """Reads rows, of `row_bytes` each, in any order; forwards is fastest. For one thread at a time."""

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
        if self._inflating is None or self._inflating[0] != number or start < self._inflating[1].first:
            self._inflating = number, _Inflating(self._file, offset, size, chunks.rows * chunks.row_bytes)
        inflating = self._inflating[1]
        inflating.read(start, content)
        if start + len(content) == min(chunks.rows, chunks.length - number * chunks.rows) * chunks.row_bytes:
            inflating.finish()


class _Inflating:
    """A compressed chunk that is being inflated, to `length` bytes.

    The latest bytes that came out, from byte `first` on, are kept: frames overlap, so that a read begins a little
    before the end of the last one.
    """

    def __init__(self, file: SampleFile, offset: int, size: int, length: int) -> None:
        self.first = self._position = 0
        self._file = file
        self._next, self._end, self._length = offset, offset + size, length
        self._stream = isal_zlib.decompressobj()
        self._kept: deque[bytes] = deque()

    def read(self, start: int, content: NDArray[np.uint8]) -> None:
        """Fill `content` with what the chunk inflates to from byte `start` on, which is not before `first`."""
        while len(content):
            if start >= self._position:
                self._go_on()
                continue
            piece = self._kept_from(start)[: len(content)]
            content[: len(piece)] = piece
            start, content = start + len(piece), content[len(piece) :]

    def finish(self) -> None:
        """Go on to the end of the chunk, where its checksum is."""
        while self._position < self._length:
            self._go_on()
        while not self._stream.eof:
            if self._inflate(1):
                raise _damaged(self._file.name, "a chunk is longer than it should be")

    def _kept_from(self, start: int) -> NDArray[np.uint8]:
        """Bytes from `start` on, up to the end of one of the pieces that are kept."""
        begin, pieces = self._position, reversed(self._kept)
        while begin > start:
            piece = next(pieces)
            begin -= len(piece)
        return np.frombuffer(piece, np.uint8)[start - begin :]

    def _go_on(self) -> None:
        piece = self._inflate(min(INFLATED_PIECE_BYTES, self._length - self._position))
        self._position += len(piece)
        self._kept.append(piece)
        while self._position - self.first > _KEPT_BYTES:
            self.first += len(self._kept.popleft())

    def _inflate(self, most: int) -> bytes:
        """The next bytes, at most `most`, which is not 0; none where a piece of the file gives none."""
        try:
            return self._stream.decompress(self._stream.unconsumed_tail or self._stored(), most)
        except _INFLATE_ERROR as error:
            raise _damaged(self._file.name, str(error)) from None

    def _stored(self) -> bytes:
        """The next piece of what lies in the file."""
        content = np.empty(min(INFLATED_PIECE_BYTES, self._end - self._next), np.uint8)
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
    for start in range(0, size, INFLATED_PIECE_BYTES):
        content = np.zeros(min(INFLATED_PIECE_BYTES, size - start + size % 2), np.uint8)
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
