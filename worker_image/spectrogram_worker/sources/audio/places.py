"""Where in its bytes an integer sample lies, when a WAV's header gives it more bytes than it has bits for.

By the standard the value is in the highest bits. `arecord -f S24_LE` puts 24 bits into the lowest three of four bytes,
and its header says 24 or even 32 bits; with S20_3LE it puts 20 bits into the lowest of three bytes; the 12 bits of a
converter often lie in the lowest of two. The samples tell: bits that a value does not use are 0, or above it repeat its
sign.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.header import WaveHeader
from spectrogram_worker.sources.samples.sample_type import Stored
from spectrogram_worker.sources.store import SampleFile

_PIECES = 16
_PIECE_BYTES = 64 * 1024


def find_place(file: SampleFile, header: WaveHeader, width: int) -> tuple[Stored, bool]:
    """Where an integer of `header.valid_bits` lies in the `width` bytes of a sample of one channel.

    Also whether that is a guess: values that use neither the lowest nor the highest byte fit both ways, and then the
    standard's way is taken.

    Raises WorkerError 65 where it lies in none of the ways that are known.
    """
    bits, size = header.valid_bits, -(-header.valid_bits // 8)
    if bits == 8 * width:
        return Stored(0, width, width), False
    # The standard's way, the lowest bits, and those that fill or end the lowest or the highest bytes which hold them.
    standard = 8 * width - bits
    lowest = dict.fromkeys((standard, 0, 8 * size - bits, 8 * (width - size)), True)
    is_zero = True
    for samples in _pieces(file, header, width):
        values = _numbers(samples)
        is_zero &= not values.any()
        for bit in lowest:
            lowest[bit] &= not (values & _below(bit)).any() and _fits(values >> np.uint64(bit), bits, 8 * width - bit)
    found = next((bit for bit, fits in lowest.items() if fits), None)
    if found is not None:
        return _stored(found, bits, width, header), found == standard and size < width and lowest[0] and not is_zero
    if -(-header.bits // 8) == width:  # the header knows the whole sample: then all of it is the value
        return Stored(0, width, width), False
    raise input_invalid(
        f"{file.name} holds {header.valid_bits}-bit samples in {width} bytes each, all of them in use, so it cannot"
        f" be told where the value lies: write it again with {size} bytes for each sample"
    )


def is_quiet(file: SampleFile, header: WaveHeader) -> bool:
    """Whether no sample of 32 bits that was looked at uses more than the lowest 24, and some use the lowest 8."""
    lowest_used = False
    for samples in _pieces(file, header, 4):
        if not _fits(_numbers(samples), 24, 32):
            return False
        lowest_used = lowest_used or bool(samples[:, 0].any())
    return lowest_used


def _stored(lowest: int, bits: int, width: int, header: WaveHeader) -> Stored:
    """Where the value is whose lowest bit is this one of the sample's."""
    first, last = lowest // 8, -(-(lowest + bits) // 8)
    return Stored(
        width - last if header.is_big_endian else first, last - first, width, shift=8 * last - (lowest + bits)
    )


def _numbers(samples: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Samples (n, width) as numbers without a sign."""
    room = np.zeros((len(samples), 8), np.uint8)
    room[:, : samples.shape[1]] = samples
    return room.view("<u8")[:, 0]


def _below(bit: int) -> np.uint64:
    """The bits below this one."""
    return np.uint64((1 << bit) - 1)


def _fits(values: NDArray[np.uint64], bits: int, width: int) -> bool:
    """Whether in all numbers of `width` bits what lies above the lowest `bits` is 0, or in all of them the sign."""
    above = values >> np.uint64(bits)
    sign = (values >> np.uint64(bits - 1) & np.uint64(1)).astype(bool)
    return not above.any() or bool((above == np.where(sign, _below(width - bits), np.uint64(0))).all())


def _pieces(file: SampleFile, header: WaveHeader, width: int) -> Iterator[NDArray[np.uint8]]:
    """Pieces from all over the file, as samples (n, width) with the lowest byte first."""
    data = [chunk for chunk in header.data if chunk.size >= width]
    for number in range(_PIECES):
        if not data:
            return
        chunk = data[number * len(data) // _PIECES]
        count = min(_PIECE_BYTES, chunk.size) // width
        first = (chunk.size // width - count) * (number + 1) // _PIECES if number else 0
        content = np.empty(count * width, np.uint8)
        file.read(chunk.offset + first * width, content)
        samples = content.reshape(-1, width)
        yield samples[:, ::-1] if header.is_big_endian else samples
