"""The kernel in C (kernel/kernel.c): in both precisions, with or without detrending, for fft sizes of factors up to 7.

It releases Python's lock. Where the library was not built (build_kernel.py), and for other plans (large prime factors;
an odd number of real samples), scipy_kernel.py does the same some times slower.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spectrogram_worker.contract.kernels import column_stride, compiled_points, matrix, radices
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.buffers import page_aligned
from spectrogram_worker.spectrum.power import PowerPlan, overflow

LIBRARY = Path(__file__).with_name("kernel") / "kernel.so"
VECTORS = (16, 32, 64)
"""Bytes of the vectors that it is compiled for."""
_OPERATIONS = {Reduction.MEAN: 0, Reduction.NONE: 0, Reduction.MAX: 1, Reduction.MIN: 2}


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


@cache
def load_library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.work_bytes.argtypes, library.work_bytes.restype = [pointer, ctypes.c_int], ctypes.c_int64
    library.reduce.argtypes = [pointer, ctypes.c_int, *3 * [pointer], ctypes.c_int64, pointer, pointer]
    return library


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
            turned = _root(row * np.arange(columns), whole)
            planes[:, row - first] = turned.real, turned.imag
        return self._keep(planes)

    def _line(self, points: int) -> _Line:
        steps = radices(points)
        left, twiddles = points, []
        for radix in steps[:-1]:
            pairs = np.outer(np.arange(left // radix), np.arange(1, radix))
            twiddles.append(_root(pairs, left).ravel().view(np.float64))
            left //= radix
        return _Line(
            points=points,
            steps=len(steps),
            radices=self._keep(np.array(steps), np.int32),
            twiddles=self._keep(np.concatenate(twiddles) if twiddles else np.empty(0)),
        )


def _root(turns: NDArray[np.int64], whole: int) -> NDArray[np.complex128]:
    found: NDArray[np.complex128] = np.exp(turns % whole * (-2j * np.pi / whole))
    return found


_tables: WeakValueDictionary[PowerPlan, _Tables] = WeakValueDictionary()


class CompiledKernel:
    """See `PowerKernel`. vector: bytes of a vector, of `VECTORS` one that the processor has; which, changes no bit.

    Kernels of one plan share tables, which live as long as one of them does.
    """

    def __init__(self, plan: PowerPlan, library: ctypes.CDLL, vector: int | None = None) -> None:
        self._plan = plan
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
        count = len(frames)
        self._require(frames, blocks, result, len(reductions))
        offsets = np.arange(count) * frames.strides[0]
        numbers = np.repeat(np.arange(len(blocks)), blocks[:, 1] - blocks[:, 0])
        if valid is not None:
            offsets, numbers = offsets[valid], numbers[valid]
        operations = np.array([_OPERATIONS[reduction] for reduction in reductions], np.int32)
        self._c_plan.operations, self._c_plan.reductions = operations.ctypes.data, len(operations)
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

    def _require(self, frames: NDArray[Any], blocks: NDArray[np.int64], result: NDArray[Any], reductions: int) -> None:
        """Raise ValueError for arrays that C would read or write beyond their ends."""
        plan = self._plan
        if frames.dtype != plan.sample_dtype or frames.shape[1:] != plan.window.shape:
            raise ValueError(
                f"frames are {frames.dtype} {frames.shape}, not {plan.sample_dtype} (k, {len(plan.window)})"
            )
        if frames.strides[1] != frames.itemsize or frames.strides[0] < 0:
            raise ValueError(f"frames have strides {frames.strides}: samples must follow each other")
        if blocks[0, 0] != 0 or blocks[-1, 1] != len(frames) or (blocks[1:, 0] != blocks[:-1, 1]).any():
            raise ValueError("blocks must follow each other from the first frame to the last")
        shape, power = (reductions, plan.bins), plan.power_dtype
        if result.dtype != power or result.shape[1:] != shape or len(result) < len(blocks) or not result.flags.carray:
            raise ValueError(f"the result is {result.dtype} {result.shape}, not {power} ({len(blocks)}, {shape})")
