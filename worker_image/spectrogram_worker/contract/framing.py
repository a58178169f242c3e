"""How samples are cut up for the transform, all of it in integers that follow from the job and the recording's length:

    samples  0 ───────────────────────────────────────────────────────────────────────────────────►
    frames   ├─0─┤                    frame k: m samples from k·hop on, m the window's length
               ├─1─┤
                 ├─2─┤ …
    columns  │ column 0: r = ⌈frames / columns⌉ frames     │ column 1                            │ …
    blocks   │ block 0     │ block 1     │ block 2 (rest)  │ block 3     │ block 4     │ …
    batches  │ batch 0                   │ batch 1                             │ …
    items    │ item 0: whole batches, reduced in one go by one thread          │ item 1 …

- block: clamp(⌊32768 / fft⌋, 4, 64) frames of a column, or one above 65536 bins, counted from its first one. They are
  reduced in the transform's precision; blocks are combined to columns in double precision, in their order.
- batch: blocks that scipy transforms together, of about 98304 bins. How it rounds a frame may depend on the others.
- item: batches that one thread reduces in one go. It may begin and end in the middle of a column.
- read: batches of an item, so few that their samples stay near the processor; the log calls it a chunk.

Frames, blocks and batches follow from job and recording alone, so that no bit of a result depends on the number of
threads or on how much is read at a time. Only items and reads do.
"""

from dataclasses import dataclass
from functools import cached_property

from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform

_BLOCK_BINS = 32_768
_BATCH_BINS = 98_304
_MINIMUM_BLOCK_FRAMES, _MAXIMUM_BLOCK_FRAMES = 4, 64
_MOST_BINS_OF_MANY = 65_536
_MAXIMUM_SPAN = 1 << 20
_RESULT_BYTES = 1 << 20
_MAXIMUM_READ_FRAMES = 8192
_ITEM_READS, _MAXIMUM_ITEM_BYTES = 16, 16 << 20
MAXIMUM_COLUMNS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class FrameShape:
    """One frame before and after its transform. double: complex128 and float64 instead of complex64 and float32."""

    window_length: int
    fft_size: int
    is_complex: bool
    double: bool = False
    detrend: bool = False

    @property
    def bins(self) -> int:
        """Bins of the transform's output: two-sided for complex samples, one-sided for real ones."""
        return self.fft_size if self.is_complex else self.fft_size // 2 + 1

    @property
    def power_bytes(self) -> int:
        """Bytes of the power in one bin, and of a real sample."""
        return 8 if self.double else 4

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample as it is transformed."""
        return self.power_bytes * (2 if self.is_complex else 1)


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
        least = _MINIMUM_BLOCK_FRAMES if self.fft_size <= _MOST_BINS_OF_MANY else 1
        return min(self.frames_per_column, max(least, min(_MAXIMUM_BLOCK_FRAMES, _BLOCK_BINS // self.fft_size)))

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

    def results_of(self, reductions: int) -> int:
        """Values that a block gives for each bin: where it has one frame, all reductions agree."""
        return reductions if self.block_frames > 1 else 1

    def item_blocks(self, shape: FrameShape, reductions: int, *, read_bytes: int) -> int:
        """Blocks of an item, at most: whole batches of 16 reads or 16 MiB, that give 1 MiB at most; one or more."""
        room = _RESULT_BYTES // (self.batch_blocks * self.results_of(reductions) * shape.bins * shape.power_bytes)
        wanted = min(_ITEM_READS * read_bytes, _MAXIMUM_ITEM_BYTES)
        batches = min(self._batches_in(wanted // shape.sample_bytes), room)
        return min(self.blocks, max(1, batches) * self.batch_blocks)

    def read_blocks(self, shape: FrameShape, *, read_bytes: int) -> int:
        """Blocks of a read, at most: whole batches of about `read_bytes` and 8192 frames; one or more."""
        most = _MAXIMUM_READ_FRAMES // (self.batch_blocks * self.block_frames)
        batches = min(self._batches_in(read_bytes // shape.sample_bytes), most)
        return min(self.blocks, max(1, batches) * self.batch_blocks)

    def _batches_in(self, samples: int) -> int:
        batch_frames = self.batch_blocks * self.block_frames
        if self.skips:
            return samples // (batch_frames * self.window_length)
        return (samples - self.window_length + self.hop) // (batch_frames * self.hop)

    def frames_in(self, blocks: int) -> int:
        """Frames of so many blocks, at most."""
        return min(blocks * self.block_frames, self.frames)

    def samples_in(self, blocks: int) -> int:
        """Samples of so many blocks, at most, with what the last ones have beyond the last frame."""
        frames = self.frames_in(blocks)
        if self.skips:
            return frames * self.window_length
        return min(self.samples, frames * self.hop + self.window_length)


def frame_shape(transform: Transform, *, is_complex: bool) -> FrameShape:
    """The shape of a job's frames."""
    return FrameShape(
        window_length=transform.window_length,
        fft_size=transform.fft_size,
        is_complex=is_complex,
        double=transform.precision == "double",
        detrend=transform.detrend == "constant",
    )


def frames_in(samples: int, transform: Transform) -> int:
    """Frames of a range of so many samples; 0 where it is shorter than the window."""
    return max(0, (samples - transform.window_length) // transform.hop_size + 1)


def framing_of(samples: int, transform: Transform, reduce: Reduce) -> Framing:
    """The framing of a range that has at least one frame."""
    frames = frames_in(samples, transform)
    columns = frames if Reduction.NONE in reduce.time else min(frames, reduce.columns)
    return Framing(
        samples=samples,
        window_length=transform.window_length,
        hop=transform.hop_size,
        fft_size=transform.fft_size,
        frames=frames,
        frames_per_column=-(-frames // columns),
    )
