"""How much memory a job takes: one plan of named parts, in bytes, from the job's parameters and what else is known.

The operator asks before there is a worker, and the plan takes the most that can be where something is not known; the
worker asks with what it has found. Every part is bounded by the parameters: none grows with the recording.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from spectrogram_worker.contract.framing import MAXIMUM_COLUMNS, FrameShape, frame_shape, framing_of
from spectrogram_worker.contract.kernels import (
    LARGEST_VECTOR,
    compiled_kernel_bytes,
    compiled_points,
    file_room_bytes,
    scipy_kernel_bytes,
)
from spectrogram_worker.contract.parameters import (
    InputFormat,
    OutputFormat,
    OutputSelection,
    Reduce,
    Reduction,
    Transform,
)

Level = Literal["low", "moderate", "high"]
MODERATE_SHARE, HIGH_SHARE = 0.6, 0.8
READ_BYTES = 2 * 2**20
"""What a thread reads at a time, as converted samples, at most."""
CHUNKED_READ_BYTES = 512 * 1024
"""The same in chunked processing, which takes less memory."""
READER_BUFFER_BYTES = 512 * 1024
WIDENED_BYTES = 128 * 1024
"""What a reader of integers of an odd width (24 bits) turns into ordinary ones at once."""
INFLATED_PIECE_BYTES = 128 * 1024
INFLATED_PIECES = 8
"""What a reader of compressed Digital RF keeps of what it has inflated."""
CACHED_BLOCK_BYTES = 4 * 2**20
FETCHING_THREADS = 4
"""How remote files are read ahead, or copied to scratch: in blocks of so many bytes, by so many threads."""
ITEMS_PER_THREAD = 2
CHUNK_BYTES = 4 * 2**20
FILE_BUFFER_BYTES = 256 * 1024
"""What a file collects before it writes."""

_FRAME_BYTES = 16
_BLOCK_BYTES = 72
"""For each frame of a read and each block of an item: where it begins, and to which block it belongs, in 64-bit numbers."""
_AXIS_BYTES = 32
"""For each column, while the time axis is computed: the one thing that grows with a recording of which every frame is a
column."""
_DRAWING_BYTES = 36_000_000
"""What matplotlib and Pillow add to a worker (measured: 31 MB)."""
_PIXEL_BYTES = 10
"""For each pixel while a picture is drawn: canvas, cells and a mask or a copy of them (measured: 9.5)."""
_CELL_BYTES = 4
_CELL_WORK_BYTES = 16
"""For each bin while the mean of cells is made: the power of a column in float64, and how many bins each stands for."""
REST_BYTES = 8_000_000
"""What no part counts: modules that libraries load late, and freed memory that the allocator keeps (measured: 2 to 7 MB)."""
_PROCESS_BYTES = 40_000_000
_LIBRARY_BYTES = 8_000_000
_SCIPY_BYTES = 14_000_000
_BUCKET_BYTES = 40_000_000
"""The worker itself before its transform, what HDF5 or audio files, scipy's FFT and a bucket's client add, before there
is a worker to look at (measured: 32, 1 to 4, 12 and 25 MB; 39 MB with what the allocator keeps of copies)."""
_POINT_BYTES = 40
"""For each point of a frame, what is made before the transform and kept: window, frequencies, bins (measured: 32)."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known beside the job's parameters; None where it is not.

    is_remote: the recording is in a bucket; to_bucket: results go to one. samples: of the selected range. kept_bins: of
    a column. vector: bytes of the processor's vectors, 0 where there is no compiled kernel. process, metadata: what the
    worker takes before the transform, and what reading the recording's metadata took beside it. read_ahead: bytes that
    the cache of a remote file takes.
    """

    format: InputFormat = InputFormat.AUTO
    samples: int | None = None
    is_complex: bool | None = None
    is_compressed: bool | None = None
    is_remote: bool = False
    to_bucket: bool = False
    kept_bins: int | None = None
    vector: int | None = None
    process: int | None = None
    metadata: int | None = None
    read_ahead: int | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What takes memory, in bytes.

    process: the worker itself, with its libraries. metadata: reading what describes the recording, which is over before
    the transform begins. reader, kernel, buffers, results, columns: all threads' readers, kernels, samples and results
    under way, and the columns that are being made or collected. read_ahead: the cache of a remote file, which all
    threads share. picture: drawing it, after the transform.
    """

    process: int
    metadata: int
    reader: int
    read_ahead: int
    kernel: int
    buffers: int
    results: int
    columns: int
    picture: int

    @property
    def transform(self) -> int:
        """The transform, with a quarter for what lies between the parts (measured: up to 18 %)."""
        parts = (self.reader, self.read_ahead, self.kernel, self.buffers, self.results, self.columns)
        return sum(parts) * 5 // 4

    @property
    def processing(self) -> int:
        """What processing adds to the process: metadata, transform and picture take turns."""
        return max(self.metadata, self.transform, self.picture) + REST_BYTES

    @property
    def total(self) -> int:
        """The peak of the worker."""
        return self.process + self.processing

    def __str__(self) -> str:
        return ", ".join(f"{part.name} {getattr(self, part.name) / 1e6:.1f}MB" for part in fields(self))


def level_of(total: int, available: int) -> Level:
    """low below 60 % of what is available, moderate up to 80 %, high above."""
    share = total / available
    return "low" if share < MODERATE_SHARE else "moderate" if share <= HIGH_SHARE else "high"


def plan_memory(
    transform: Transform,
    reduce: Reduce,
    output: OutputSelection,
    known: Known = Known(),
    *,
    threads: int = 1,
    read_bytes: int = READ_BYTES,
) -> MemoryPlan:
    """The plan of a job with `threads` threads that read about `read_bytes` at a time, as converted samples."""
    if known.is_complex is None:
        both = (replace(known, is_complex=is_complex) for is_complex in (True, False))
        plans = [plan_memory(transform, reduce, output, one, threads=threads, read_bytes=read_bytes) for one in both]
        return max(plans, key=lambda plan: plan.total)
    shape = frame_shape(transform, is_complex=known.is_complex)
    framing = framing_of(_samples(transform, reduce, known.samples), transform, reduce)
    vector = LARGEST_VECTOR if known.vector is None else known.vector
    is_compiled = bool(vector and compiled_points(shape))
    reductions = len(reduce.time)
    blocks = framing.item_blocks(shape, reductions, read_bytes=read_bytes)
    items = -(-framing.blocks // blocks)
    threads = min(threads, items)
    kernel, shared = (
        compiled_kernel_bytes(shape, vector, framing.block_frames)
        if is_compiled
        else scipy_kernel_bytes(shape, framing.batch_frames)
    )
    read_blocks = framing.read_blocks(shape, read_bytes=read_bytes)
    buffer = shape.sample_bytes * framing.samples_in(read_blocks)
    if is_compiled:
        buffer = max(buffer, file_room_bytes(shape)) + _FRAME_BYTES * framing.frames_in(read_blocks)
    buffer += _BLOCK_BYTES * blocks
    result = shape.power_bytes * blocks * framing.results_of(reductions) * shape.bins
    made = 2 * shape.power_bytes * blocks * reductions * shape.bins + _AXIS_BYTES * framing.columns
    bins = shape.bins if known.kept_bins is None else known.kept_bins
    return MemoryPlan(
        process=_process(known, output, shape, uses_scipy=not is_compiled) if known.process is None else known.process,
        metadata=_copying(known) if known.metadata is None else known.metadata,
        reader=threads * _reader(known),
        read_ahead=_read_ahead(known, threads) if known.read_ahead is None else known.read_ahead,
        kernel=threads * kernel + shared,
        buffers=threads * buffer,
        results=min(threads * ITEMS_PER_THREAD, items) * result,
        columns=made + _collected(output, bins, framing.columns, reductions),
        picture=planned_picture(output),
    )


def planned_picture(output: OutputSelection) -> int:
    """Drawing the job's picture, 0 where it wants none."""
    return picture_bytes(output.image.width, output.image.height) if OutputFormat.PNG in output.formats else 0


def picture_bytes(width: int, height: int) -> int:
    """Drawing a picture of so many pixels: matplotlib itself, and what each pixel takes."""
    return _DRAWING_BYTES + _PIXEL_BYTES * width * height


def pixels_drawn_in(room: int) -> float:
    """How many pixels a picture may have that is drawn in so many bytes."""
    return (room - _DRAWING_BYTES) / _PIXEL_BYTES


def pixels_collected_in(room: int) -> float:
    """How many pixels a picture may have whose cells add no more than so many bytes to the transform."""
    return room / _CELL_BYTES * 4 / 5


def chunk_columns(bins: int, columns: int) -> int:
    """Columns of a chunk of an array file, the same for all; as even as possible, so that the last has little to fill."""
    most = max(1, CHUNK_BYTES // (4 * bins))
    return -(-columns // -(-columns // most))


def _samples(transform: Transform, reduce: Reduce, known: int | None) -> int:
    """Samples of the range, or so many that the plan is that of every longer one."""
    if known is not None:
        return known
    frames = MAXIMUM_COLUMNS if Reduction.NONE in reduce.time else reduce.columns << 20
    return (frames - 1) * transform.hop_size + transform.window_length


def _process(known: Known, output: OutputSelection, shape: FrameShape, *, uses_scipy: bool) -> int:
    """The worker with the libraries that it needs, and with what it makes before the transform."""
    needs_library = OutputFormat.HDF5 in output.formats or known.format in _WITH_LIBRARY
    libraries = _LIBRARY_BYTES * needs_library + _SCIPY_BYTES * uses_scipy
    client = _BUCKET_BYTES * (known.is_remote or known.to_bucket)
    return _PROCESS_BYTES + libraries + client + _POINT_BYTES * shape.fft_size


_WITH_LIBRARY = (InputFormat.AUTO, InputFormat.DIGITAL_RF, InputFormat.AUDIO)


def _reader(known: Known) -> int:
    """One thread's reader: a buffer, and what inflates Digital RF or widens a WAV's integers."""
    inflating = known.format is InputFormat.DIGITAL_RF and known.is_compressed is not False
    if inflating or known.format is InputFormat.AUTO:
        return READER_BUFFER_BYTES + (INFLATED_PIECES + 4) * INFLATED_PIECE_BYTES
    return READER_BUFFER_BYTES + (WIDENED_BYTES if known.format is InputFormat.AUDIO else 0)


def cached_blocks(threads: int) -> int:
    """Blocks that the cache of a remote file keeps where `threads` read at the same time."""
    return 2 * threads + 2


def cache_bytes(blocks: int) -> int:
    """The memory of a cache that keeps so many blocks, with those that it let go of and that are still being fetched or
    read."""
    return (blocks + FETCHING_THREADS) * CACHED_BLOCK_BYTES


def _copying(known: Known) -> int:
    """What is on its way from a bucket to scratch, before there is a worker that has seen the recording."""
    return FETCHING_THREADS * CACHED_BLOCK_BYTES if known.is_remote else 0


def _read_ahead(known: Known, threads: int) -> int:
    is_copied = known.format is InputFormat.DIGITAL_RF
    return cache_bytes(cached_blocks(threads)) if known.is_remote and not is_copied else 0


def _collected(output: OutputSelection, bins: int, columns: int, reductions: int) -> int:
    """What of the finished columns is in memory: the picture's cells, a chunk of each array, the files' buffers."""
    image, formats = output.image, output.formats
    cells = _CELL_BYTES * min(columns, image.width) * min(bins, image.height) + _CELL_WORK_BYTES * bins
    cells = cells if OutputFormat.PNG in formats else 0
    chunked = OutputFormat.ZARR in formats or OutputFormat.HDF5 in formats
    chunks = 4 * reductions * bins * chunk_columns(bins, columns) if chunked else 0
    return cells + chunks + FILE_BUFFER_BYTES * reductions
