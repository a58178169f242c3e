"""The transform's two kernels as memory is planned by: what the compiled one is for, how it cuts a frame, what both take.

The compiled kernel (spectrum/kernel/) sees the points of a frame as a matrix of `rows` × `columns`: it transforms the
columns, then the rows, as many side by side as a vector has numbers. Small frames, for which there is no such matrix, lie
side by side themselves: a matrix of one row. Real samples are taken in pairs, as half as many points.
"""

from functools import cache
from math import log2
from typing import Literal

from spectrogram_worker.contract.framing import FrameShape

KernelName = Literal["compiled", "scipy.fft"]
"""Results of two kernels differ in their last bits."""

LARGEST_VECTOR = 64
"""Bytes of the widest vectors that the compiled kernel is made for: 16 numbers of single precision."""
_SIDE_BY_SIDE = LARGEST_VECTOR // 4
_APART = 16
"""Numbers between two columns: with a length of a power of two all of them would crowd the same places of the cache."""
PAGE_BYTES = 4096
PIECE_BYTES = 128 * 1024
"""What the compiled kernel reads from files at a time, as it transforms them: all of it stays in the second-level cache."""
_FFT_LANES = 4  # frames that scipy's FFT takes at a time, where there are as many


@cache
def radices(points: int) -> tuple[int, ...]:
    """The steps of a transform in C: factors 2, 3, 4, 5, 7, 8 and 16; none where it cannot be cut into such."""
    found: list[int] = []
    for prime in (7, 5, 3):
        while points % prime == 0:
            points //= prime
            found.append(prime)
    if points & (points - 1):
        return ()
    exponent = points.bit_length() - 1
    steps = -(-exponent // 4)
    found += [2 ** (exponent // steps + (k < exponent % steps)) for k in range(steps)]
    return tuple(found)


@cache
def matrix(points: int) -> tuple[int, int]:
    """Rows and columns that so many points are seen as, or 1 and all of them.

    They are alike, as far as that leaves few places of the vectors empty: a matrix of 25 × 40 fills 2 × 16 and 3 × 16.
    """
    able = [rows for rows in range(_SIDE_BY_SIDE, points // _SIDE_BY_SIDE + 1) if points % rows == 0]
    return min(((rows, points // rows) for rows in able), key=_waste, default=(1, points))


def _waste(shape: tuple[int, int]) -> tuple[float, int]:
    filled = sum(-(-side // _SIDE_BY_SIDE) * _SIDE_BY_SIDE / side for side in shape)
    return round(filled + 0.05 * log2(max(shape) / min(shape)), 3), shape[0]


def compiled_points(shape: FrameShape) -> int:
    """Points of the compiled kernel's complex transform, half as many as a real frame has; 0 where it is not for it."""
    points = shape.fft_size if shape.is_complex else shape.fft_size // 2
    rows, columns = matrix(points)
    fits = (shape.is_complex or shape.fft_size % 2 == 0) and radices(columns) and (rows == 1 or radices(rows))
    return points if fits else 0


def column_stride(rows: int) -> int:
    """Numbers from one column of the transposed matrix to the next."""
    return rows + _APART


def compiled_work_bytes(shape: FrameShape, vector: int) -> int:
    """The compiled kernel's work space for vectors of so many bytes; `work_bytes` in kernel.c."""
    points = compiled_points(shape)
    rows, columns = matrix(points)
    prepared = 2 * points if shape.detrend or shape.window_length < shape.fft_size else 0
    kept = prepared + (0 if shape.is_complex else 2 * points) + shape.bins
    if rows == 1:
        return (6 * points + kept + shape.bins) * vector
    return 4 * max(rows, columns) * vector + (2 * columns * column_stride(rows) + kept) * shape.power_bytes


def file_piece_bytes(shape: FrameShape, stored_bytes: int) -> int:
    """What it reads at a time of samples that take so many bytes in files: some pages."""
    return max(1, PIECE_BYTES // shape.sample_bytes * stored_bytes // PAGE_BYTES) * PAGE_BYTES


def file_room_bytes(shape: FrameShape) -> int:
    """Where it reads samples to: a frame, two pieces, and one before it is converted; see `reduce_files` in kernel.c."""
    return shape.sample_bytes * shape.window_length + 4 * PIECE_BYTES + 4 * PAGE_BYTES


def compiled_kernel_bytes(shape: FrameShape, vector: int, block_frames: int) -> tuple[int, int]:
    """The compiled kernel of one thread, and what all threads share: its tables, and the window in double precision.

    The power of a block's first frame has no room of its own: with one frame in each block that room is not touched.
    """
    points = compiled_points(shape)
    numbers = 2 * points * ((matrix(points)[0] > 1) + (not shape.is_complex)) + shape.fft_size
    untouched = shape.power_bytes * shape.bins if block_frames == 1 and matrix(points)[0] > 1 else 0
    return compiled_work_bytes(shape, vector) - untouched, shape.power_bytes * numbers + 8 * shape.fft_size


def scipy_kernel_bytes(shape: FrameShape, frames: int) -> tuple[int, int]:
    """scipy's kernel of one thread for batches of `frames` frames, and what all threads share.

    A thread has frames, the FFT's output or work space, power twice, and sums; all share the FFT's roots. Sizes with
    large prime factors go through Bluestein's algorithm, which pads to more than twice the size.
    """
    size, sample, real, bins = shape.fft_size, shape.sample_bytes, shape.power_bytes, shape.bins
    padded = not _has_small_factors(size, (2, 3, 5, 7, 11) if shape.is_complex else (2, 3, 5))
    work = sample * size * (4 if padded else 2 * _FFT_LANES if frames >= _FFT_LANES else 1)
    thread = sample * frames * size + 2 * real * (frames + 1) * bins + max(work, 2 * real * frames * bins)
    return thread, 2 * real * size * (6 if padded else 2)


def _has_small_factors(size: int, primes: tuple[int, ...]) -> bool:
    for prime in primes:
        while size % prime == 0:
            size //= prime
    return size == 1
