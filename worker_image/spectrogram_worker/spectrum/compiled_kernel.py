"""The kernel in C (kernel/kernel.c) for what most jobs want: single precision, no detrending, an fft size of 2^n.

It transforms as many frames at a time as the processor's vectors have lanes, and releases Python's lock meanwhile.
Where the library was not built (build_kernel.py), or for other plans, scipy_kernel.py does the same, some times slower.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.buffers import page_aligned
from spectrogram_worker.spectrum.power import PowerPlan, overflow

LIBRARY = Path(__file__).with_name("kernel") / "kernel.so"
_SMALLEST_POINTS, _LARGEST_POINTS = 16, 65_536
_MANY_POINTS = 8192  # from here on wide lanes cost more, in the cache, than they gain
_FLOAT_BYTES = 4
_OPERATIONS = {Reduction.MEAN: 0, Reduction.NONE: 0, Reduction.MAX: 1, Reduction.MIN: 2}


class _Plan(ctypes.Structure):
    """`struct plan` in kernel.c."""

    _fields_ = (
        ("window", ctypes.c_void_p),
        ("roots", ctypes.c_void_p),
        ("operations", ctypes.c_void_p),
        ("covered", ctypes.c_int64),
        ("points", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("reductions", ctypes.c_int64),
        ("is_real", ctypes.c_int32),
    )


@cache
def load_library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.reduce.argtypes = [pointer, ctypes.c_int, *3 * [pointer], ctypes.c_int64, pointer, pointer]
    return library


def can_compute(plan: PowerPlan) -> bool:
    """Whether the compiled kernel is for this plan, built or not."""
    points = _points(plan)
    power_of_two = points & (points - 1) == 0 and plan.fft_size % 2 == 0
    return power_of_two and _SMALLEST_POINTS <= points <= _LARGEST_POINTS and not (plan.double or plan.detrend)


def lanes_for(plan: PowerPlan, library: ctypes.CDLL) -> int:
    """Frames at a time: as many as the processor's vectors have lanes, or fewer, so that their points stay cached."""
    return int(min(library.widest(), 8 if _points(plan) >= _MANY_POINTS else 16))


class CompiledKernel:
    """See `PowerKernel`. lanes: frames at a time, 4, 8 or 16, as the processor has; which of them changes no bit."""

    def __init__(self, plan: PowerPlan, library: ctypes.CDLL, lanes: int | None = None) -> None:
        self._plan = plan
        self._library = library
        self._lanes = lanes_for(plan, library) if lanes is None else lanes
        if self._lanes not in (4, 8, 16) or self._lanes > library.widest():
            raise ValueError(f"{lanes} lanes: this processor has 4 to {library.widest()}, a power of two")
        points, rows = _points(plan), _rows(plan)
        self._window = np.repeat(plan.window, 2 if plan.is_complex else 1).astype(np.float32)
        self._roots = np.exp(-2j * np.pi / plan.fft_size * np.arange(plan.fft_size)).astype(np.complex64)
        # Vectors must be aligned to their size, of which a page is a multiple.
        self._work = page_aligned(_work_bytes(plan, self._lanes), np.uint8)
        self._c_plan = _Plan(
            window=self._window.ctypes.data,
            roots=self._roots.ctypes.data,
            covered=len(self._window),
            points=points,
            rows=rows,
            is_real=not plan.is_complex,
        )

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
            self._lanes,
            frames.ctypes.data,
            offsets.ctypes.data,
            numbers.ctypes.data,
            len(offsets),
            result.ctypes.data,
            self._work.ctypes.data,
        )
        counts = np.bincount(numbers, minlength=len(blocks))
        found = result[: len(blocks)] if counts.all() else result[: len(blocks)][counts > 0]
        if not fine or not np.isfinite(found).all():
            raise overflow()
        return counts

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


def memory_bytes(plan: PowerPlan, library: ctypes.CDLL) -> int:
    """Memory of each thread's kernel, in bytes: work space, window, roots, and what computing those takes."""
    sample = plan.sample_dtype.itemsize
    return _work_bytes(plan, lanes_for(plan, library)) + sample * len(plan.window) + 40 * plan.fft_size


def _points(plan: PowerPlan) -> int:
    """Points of the complex transform: a real frame is transformed as half as many complex points."""
    return plan.fft_size if plan.is_complex else plan.fft_size // 2


def _rows(plan: PowerPlan) -> int:
    """The points are seen as a matrix: rows, as many as columns or fewer.

    An odd power of two where there is a choice: it takes one step less.
    """
    exponent = _points(plan).bit_length() - 1
    return 1 << (exponent // 2 if exponent < 6 else (exponent // 2 - 1) | 1)


def _work_bytes(plan: PowerPlan, lanes: int) -> int:
    """See `reduce` in kernel.c."""
    points, rows = _points(plan), _rows(plan)
    return _FLOAT_BYTES * lanes * (5 * points + 2 * rows + 4 * points // rows + 1)
