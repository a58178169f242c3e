"""Which samples make a frame, which frames a block, which blocks a column: all of it in integers, fixed by the job.

Frame k covers samples [k·hop, k·hop + m), m the window's length. A column reduces r = ⌈frames / columns⌉ consecutive
frames, in blocks of clamp(⌊32768 / fft⌋, 1, 64) frames counted from the column's own first frame. Blocks are numbered
through the recording; scipy_kernel.py transforms batches of them together, of about 98304 bins. None of this depends on
how the samples are read or on the number of threads, and so neither does a single bit of the result.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.errors import input_invalid, invalid_spec

_BLOCK_BINS = 32_768
_BATCH_BINS = 98_304
_MAXIMUM_BLOCK_FRAMES = 64
_MAXIMUM_SPAN = 1 << 20
MAXIMUM_COLUMNS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Framing:
    """Frames, blocks and columns of a range of `samples` samples."""

    samples: int
    window_length: int
    hop: int
    fft_size: int
    frames: int
    frames_per_column: int

    @cached_property
    def columns(self) -> int:
        """Columns; the last may reduce fewer frames."""
        return -(-self.frames // self.frames_per_column)

    @cached_property
    def block_frames(self) -> int:
        """Frames of a block; the last of a column may have fewer."""
        return min(self.frames_per_column, max(1, min(_MAXIMUM_BLOCK_FRAMES, _BLOCK_BINS // self.fft_size)))

    @cached_property
    def blocks_per_column(self) -> int:
        """Blocks of a column; the last column may have fewer."""
        return -(-self.frames_per_column // self.block_frames)

    @cached_property
    def blocks(self) -> int:
        """Blocks of the whole range."""
        last = self.frames - (self.columns - 1) * self.frames_per_column
        return (self.columns - 1) * self.blocks_per_column + -(-last // self.block_frames)

    @cached_property
    def batch_blocks(self) -> int:
        """Blocks that are transformed together; the last batch may have fewer."""
        return max(1, round(_BATCH_BINS * self.blocks_per_column / (self.fft_size * self.frames_per_column)))

    @cached_property
    def batch_frames(self) -> int:
        """Frames of a batch, at most."""
        return min(self.batch_blocks * self.block_frames, self.frames)

    @cached_property
    def batch_span(self) -> int:
        """Samples from the first to the last of a batch, at most."""
        return (self.batch_blocks * self.block_frames - 1) * self.hop + self.window_length

    @cached_property
    def skips(self) -> bool:
        """True when frames lie so far apart that each is read by itself."""
        return self.hop > self.window_length and self.batch_span > _MAXIMUM_SPAN

    def frames_of(self, first: int, stop: int) -> NDArray[np.int64]:
        """The frames of blocks first … stop − 1, (n, 2) half-open."""
        column, place = np.divmod(np.arange(first, stop), self.blocks_per_column)
        begin = column * self.frames_per_column
        start = begin + place * self.block_frames
        end = np.minimum(np.minimum(start + self.block_frames, begin + self.frames_per_column), self.frames)
        return np.stack((start, end), axis=1)


def frame(samples: int, transform: Transform, reduce: Reduce) -> Framing:
    """The framing of a range. Raises WorkerError: 65 where it is shorter than one window, 64 for too many columns."""
    length, hop = transform.window_length, transform.hop_size
    if samples < length:
        raise input_invalid(
            f"the selected range has {samples} samples, fewer than the window's {length}:"
            " choose a longer range, or a smaller transform.fftSize or window.length"
        )
    frames = (samples - length) // hop + 1
    if Reduction.NONE in reduce.time and frames > MAXIMUM_COLUMNS:
        raise invalid_spec(
            f"reduce.time: none gives {frames} columns, more than {MAXIMUM_COLUMNS}:"
            " choose a shorter input.range, a larger transform.hopSize, or max, mean or min"
        )
    columns = frames if Reduction.NONE in reduce.time else min(frames, reduce.columns)
    return Framing(
        samples=samples,
        window_length=length,
        hop=hop,
        fft_size=transform.fft_size,
        frames=frames,
        frames_per_column=-(-frames // columns),
    )
