"""The kernel in C (kernel/kernel.c): in both precisions, with or without detrending, for fft sizes of factors up to 7.

It releases Python's lock. Where the library was not built (build_kernel.py) or is stale, and for other plans (large
prime factors; an odd number of real samples), scipy_kernel.py does the same some times slower.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spectrogram_worker.contract.kernels import (
    PAGE_BYTES,
    column_stride,
    compiled_points,
    file_piece_bytes,
    file_room_bytes,
    matrix,
    radices,
)
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.buffers import page_aligned
from spectrogram_worker.sources.file_samples import FileSamples
from spectrogram_worker.spectrum.kernel_sources import source_hash
from spectrogram_worker.spectrum.power import PowerPlan, faint_blocks, overflow

LIBRARY = Path(__file__).with_name("kernel") / "kernel.so"
VECTORS = (16, 32, 64)
"""Bytes of the vectors that it is compiled for."""
OPERATIONS = {Reduction.MEAN: 0, Reduction.NONE: 0, Reduction.MAX: 1, Reduction.MIN: 2}
"""`enum operation` in kernel/plan.h."""


class _Line(ctypes.Structure):
    """`struct line` in kernel/plan.h."""

    _fields_ = (
        ("points", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("radices", ctypes.c_void_p),
        ("twiddles", ctypes.c_void_p),
    )


class _Plan(ctypes.Structure):
    """`struct plan` in kernel/plan.h."""

    _fields_ = (
        ("window", 2 * ctypes.c_void_p),
        ("twiddles", ctypes.c_void_p),
        ("halves", ctypes.c_void_p),
        ("operations", ctypes.c_void_p),
        ("column", _Line),
        ("row", _Line),
        ("covered", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("reductions", ctypes.c_int64),
        ("is_real", ctypes.c_int32),
        ("detrend", ctypes.c_int32),
        ("is_double", ctypes.c_int32),
    )


class _FileRange(ctypes.Structure):
    """`struct file_range` in kernel/plan.h."""

    _fields_ = (("file", ctypes.c_int64), ("offset", ctypes.c_int64), ("samples", ctypes.c_int64))


class _FileSamples(ctypes.Structure):
    """`struct file_samples` in kernel/plan.h."""

    _fields_ = (
        ("ranges", ctypes.POINTER(_FileRange)),
        ("count", ctypes.c_int64),
        ("counted", ctypes.c_int64),
        ("piece", ctypes.c_int64),
        ("shift", ctypes.c_double),
        ("number", ctypes.c_int32),
        ("padded", ctypes.c_int32),
    )


_NUMBERS = {"i1": 0, "u1": 1, "i2": 2, "f4": 3, "f8": 4}
"""`enum number` in kernel/plan.h."""


@cache
def load_library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built, or is stale."""
    if is_stale():
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.work_bytes.argtypes, library.work_bytes.restype = [pointer, ctypes.c_int], ctypes.c_int64
    plan = (pointer, ctypes.c_int)
    number = ctypes.c_int64
    library.reduce.argtypes = [*plan, *3 * [pointer], number, pointer, pointer]
    library.reduce_files.argtypes = [*plan, pointer, number, pointer, number, *3 * [pointer], number]
    library.levels.argtypes = [pointer, ctypes.c_int, ctypes.c_int, *3 * [pointer]]
    library.levels.restype = None
    library.reduce_files.restype = ctypes.c_int64
    return library


@cache
def is_stale() -> bool:
    """Whether the library was built from other sources than those beside it, whose calls it does not understand."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        library.source_hash.restype = ctypes.c_char_p
        return bool(library.source_hash() != source_hash(LIBRARY.parent).encode())
    except OSError:
        return False
    except AttributeError:
        return True


def widest_vector() -> int:
    """Bytes of this processor's widest vectors; 0 where the library was not built."""
    library = load_library()
    return 0 if library is None else int(library.widest())


def can_compute(plan: PowerPlan) -> bool:
    """Whether the compiled kernel is for this plan, built or not."""
    return compiled_points(plan.shape) > 0


class _Tables:
    """What the kernel looks up, for all threads: window, twiddles, radices."""

    def __init__(self, plan: PowerPlan) -> None:
        self._real = plan.power_dtype
        self._kept: list[NDArray[Any]] = []
        points = compiled_points(plan.shape)
        rows, columns = matrix(points)
        window = np.zeros(plan.fft_size, self._real)
        window[: len(plan.window)] = plan.window
        windows = [window, window] if plan.is_complex else [window[0::2], window[1::2]]
        self.c_plan = _Plan(
            window=(2 * ctypes.c_void_p)(*(self._keep(part) for part in windows)),
            column=self._line(rows),
            row=self._line(columns),
            covered=len(plan.window) * (2 if plan.is_complex else 1),
            stride=column_stride(rows),
            is_real=not plan.is_complex,
            detrend=plan.detrend,
            is_double=plan.double,
        )
        if rows > 1:
            self.c_plan.twiddles = self._planes(rows, columns, points)
        if not plan.is_complex:
            self.c_plan.halves = self._planes(2, points, 2 * points, first=1)

    def _keep(self, table: NDArray[Any], dtype: DTypeLike | None = None) -> int:
        """The address of a table, which lives as long as these."""
        self._kept.append(np.ascontiguousarray(table, dtype or self._real))
        return int(self._kept[-1].ctypes.data)

    def _planes(self, rows: int, columns: int, whole: int, *, first: int = 0) -> int:
        """exp(−2πi · row · column / whole) for rows from `first` on, real parts and then imaginary ones."""
        planes = np.empty((2, rows - first, columns), self._real)
        for row in range(first, rows):
            twiddles = _twiddles(row * np.arange(columns), whole)
            planes[:, row - first] = twiddles.real, twiddles.imag
        return self._keep(planes)

    def _line(self, points: int) -> _Line:
        steps = radices(points)
        left, twiddles = points, []
        for radix in steps[:-1]:
            pairs = np.outer(np.arange(left // radix), np.arange(1, radix))
            twiddles.append(_twiddles(pairs, left).ravel().view(np.float64))
            left //= radix
        return _Line(
            points=points,
            steps=len(steps),
            radices=self._keep(np.array(steps), np.int32),
            twiddles=self._keep(np.concatenate(twiddles) if twiddles else np.empty(0)),
        )


def _twiddles(exponents: NDArray[np.int64], whole: int) -> NDArray[np.complex128]:
    """exp(−2πi / whole) to these powers."""
    found: NDArray[np.complex128] = np.exp(exponents % whole * (-2j * np.pi / whole))
    return found


_tables: WeakValueDictionary[PowerPlan, _Tables] = WeakValueDictionary()


class CompiledKernel:
    """See `PowerKernel`. vector: bytes of a vector, of `VECTORS` one that the processor has; which, changes no bit.

    Kernels of one plan share tables, which live as long as one of them does.
    """

    def __init__(self, plan: PowerPlan, library: ctypes.CDLL, vector: int | None = None) -> None:
        self._plan, self._shape = plan, plan.shape
        self._room_bytes = file_room_bytes(self._shape)
        self._library = library
        self._vector = widest_vector() if vector is None else vector
        if self._vector not in VECTORS or self._vector > library.widest():
            raise ValueError(f"vectors of {vector} bytes: this processor has 16 to {library.widest()}, a power of two")
        if (tables := _tables.get(plan)) is None:
            tables = _tables[plan] = _Tables(plan)
        self._tables = tables
        self._c_plan = _Plan.from_buffer_copy(tables.c_plan)
        # Vectors must be aligned to their size, of which a page is a multiple.
        self._work = page_aligned(library.work_bytes(ctypes.byref(self._c_plan), self._vector), np.uint8)

    def reduce(
        self,
        frames: NDArray[Any],
        blocks: NDArray[np.int64],
        valid: NDArray[np.bool_] | None,
        reductions: Sequence[Reduction],
        result: NDArray[Any],
    ) -> NDArray[np.int64]:
        """See `PowerKernel.reduce`."""
        self._require_frames(frames)
        self._require(blocks, len(frames), len(reductions), result)
        offsets = np.arange(len(frames)) * frames.strides[0]
        numbers = np.repeat(np.arange(len(blocks)), blocks[:, 1] - blocks[:, 0])
        if valid is not None:
            offsets, numbers = offsets[valid], numbers[valid]
        self._choose(reductions)
        fine = self._library.reduce(
            ctypes.byref(self._c_plan),
            self._vector,
            frames.ctypes.data,
            offsets.ctypes.data,
            numbers.ctypes.data,
            len(offsets),
            result.ctypes.data,
            self._work.ctypes.data,
        )
        if not fine:
            raise overflow()
        return np.bincount(numbers, minlength=len(blocks))

    def reduce_files(
        self,
        samples: FileSamples,
        hop: int,
        blocks: NDArray[np.int64],
        reductions: Sequence[Reduction],
        result: NDArray[Any],
        room: NDArray[np.uint8],
        *,
        counted: int = 0,
    ) -> int | None:
        """See `PowerKernel.reduce_files`."""
        plan, component = self._plan, samples.sample_type.component
        number = _NUMBERS.get(f"{component.kind}{component.itemsize}")
        if number is None or hop > len(plan.window) or samples.sample_type.is_complex is not plan.is_complex:
            return None
        frames = int(blocks[-1, 1])
        self._require(blocks, frames, len(reductions), result)
        if sum(each.count for each in samples.ranges) < (frames - 1) * hop + len(plan.window):
            raise ValueError("there are more frames than samples")
        if len(room) < self._room_bytes or room.ctypes.data % PAGE_BYTES:
            raise ValueError(f"the room must have {self._room_bytes} bytes, and begin where a page does")
        ranges = (_FileRange * len(samples.ranges))(
            *(_FileRange(each.file.descriptor, each.offset, each.count) for each in samples.ranges)
        )
        c_samples = _FileSamples(
            ranges=ranges,
            count=len(ranges),
            counted=counted,
            piece=file_piece_bytes(self._shape, samples.sample_type.sample_bytes),
            shift=samples.sample_type.shift,
            number=number,
            padded=samples.sample_type.padded,
        )
        stops = np.ascontiguousarray(blocks[:, 1])
        self._choose(reductions)
        at_full_scale = self._library.reduce_files(
            ctypes.byref(self._c_plan),
            self._vector,
            ctypes.byref(c_samples),
            hop * plan.sample_dtype.itemsize,
            stops.ctypes.data,
            len(stops),
            result.ctypes.data,
            self._work.ctypes.data,
            room.ctypes.data,
            len(room),
        )
        return None if at_full_scale < 0 or len(faint_blocks(result[: len(blocks)])) else int(at_full_scale)

    def _choose(self, reductions: Sequence[Reduction]) -> None:
        """Say which reductions to make; their numbers live as long as the kernel."""
        self._operations = np.array([OPERATIONS[reduction] for reduction in reductions], np.int32)
        self._c_plan.operations, self._c_plan.reductions = self._operations.ctypes.data, len(self._operations)

    def _require_frames(self, frames: NDArray[Any]) -> None:
        """Raise ValueError for samples that C would read beyond their ends."""
        plan = self._plan
        if frames.dtype != plan.sample_dtype or frames.shape[1:] != plan.window.shape:
            raise ValueError(
                f"frames are {frames.dtype} {frames.shape}, not {plan.sample_dtype} (k, {len(plan.window)})"
            )
        if frames.strides[1] != frames.itemsize or frames.strides[0] < 0:
            raise ValueError(f"frames have strides {frames.strides}: samples must follow each other")

    def _require(self, blocks: NDArray[np.int64], frames: int, reductions: int, result: NDArray[Any]) -> None:
        """Raise ValueError for blocks and a result that C would write beyond the end of."""
        if blocks[0, 0] != 0 or blocks[-1, 1] != frames or (blocks[1:, 0] != blocks[:-1, 1]).any():
            raise ValueError("blocks must follow each other from the first frame to the last")
        shape, power = (reductions, self._plan.bins), self._plan.power_dtype
        if result.dtype != power or result.shape[1:] != shape or len(result) < len(blocks) or not result.flags.carray:
            raise ValueError(f"the result is {result.dtype} {result.shape}, not {power} ({len(blocks)}, {shape})")
