"""Where in its bytes an integer sample lies, when a WAV's header gives it more bytes than it has bits for.

By the standard the value is in the highest bytes. `arecord -f S24_LE` puts 24 bits into the lowest three of four, and
its header says 24 or even 32 bits. The samples tell: bytes that a value does not use are 0, or repeat its sign.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.header import WaveHeader
from spectrogram_worker.sources.samples import Stored
from spectrogram_worker.sources.store import SampleFile

_PIECES = 16
_PIECE_BYTES = 64 * 1024


def find_place(file: SampleFile, header: WaveHeader, width: int) -> tuple[Stored, bool]:
    """Where an integer of `header.valid_bits` lies in the `width` bytes of a sample of one channel.

    Also whether that is a guess: values that use neither the lowest nor the highest byte fit both ways, and then the
    standard's way is taken.

    Raises WorkerError 65 where it lies in none of the ways that are known.
    """
    size = -(-header.valid_bits // 8)
    if size == width:
        return Stored(0, width, width), False
    is_low, is_high, is_zero = True, True, True
    for samples in _pieces(file, header, width):
        is_low &= _fits_low(samples, size)
        is_high &= not samples[:, : width - size].any()
        is_zero &= not samples.any()
    low = Stored(width - size if header.is_big_endian else 0, size, width)
    high = Stored(0 if header.is_big_endian else width - size, size, width)
    knows_width = -(-header.bits // 8) == width  # the header knows the wider sample: then the standard holds
    if is_high:
        return high, is_low and not is_zero
    if is_low:
        return low, False
    if knows_width:
        return Stored(0, width, width), False
    raise input_invalid(
        f"{file.name} holds {header.valid_bits}-bit samples in {width} bytes each, all of them in use, so it cannot"
        f" be told where the value lies: write it again with {size} bytes for each sample"
    )


def is_quiet(file: SampleFile, header: WaveHeader) -> bool:
    """Whether no sample of 32 bits that was looked at uses more than the lowest 24, and some use the lowest 8."""
    lowest_used = False
    for samples in _pieces(file, header, 4):
        if not _fits_low(samples, 3):
            return False
        lowest_used = lowest_used or bool(samples[:, 0].any())
    return lowest_used


def _fits_low(samples: NDArray[np.uint8], size: int) -> bool:
    """Whether in all samples what lies above the lowest `size` bytes is 0, or in all of them repeats the sign."""
    above = samples[:, size:]
    sign = np.where(samples[:, size - 1] >= 0x80, 0xFF, 0).astype(np.uint8)
    return not above.any() or bool((above == sign[:, None]).all())


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
