"""The kernel in C (kernel/kernel.c) for what most jobs want: single precision, no detrending, an fft size of 2^n.

It transforms as many frames at a time as the processor's vectors have lanes, and releases Python's lock meanwhile.
Where the library was not built (build_kernel.py), and for other plans, scipy_kernel.py does the same two or three times
slower.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import compiled_lanes, compiled_points, compiled_rows
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.buffers import page_aligned
from spectrogram_worker.spectrum.power import PowerPlan, overflow

LIBRARY = Path(__file__).with_name("kernel") / "kernel.so"
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
    library.work_bytes.argtypes, library.work_bytes.restype = [pointer, ctypes.c_int], ctypes.c_int64
    library.reduce.argtypes = [pointer, ctypes.c_int, *3 * [pointer], ctypes.c_int64, pointer, pointer]
    return library


def widest_lanes() -> int:
    """Frames that this processor's vectors take at a time; 0 where the library was not built."""
    library = load_library()
    return 0 if library is None else int(library.widest())


def can_compute(plan: PowerPlan) -> bool:
    """Whether the compiled kernel is for this plan, built or not."""
    return compiled_points(plan.shape) > 0


class CompiledKernel:
    """See `PowerKernel`. lanes: frames at a time, 4, 8 or 16, as the processor has; which of them changes no bit."""

    def __init__(self, plan: PowerPlan, library: ctypes.CDLL, lanes: int | None = None) -> None:
        self._plan = plan
        self._library = library
        self._lanes = compiled_lanes(plan.shape, widest_lanes()) if lanes is None else lanes
        if self._lanes not in (4, 8, 16) or self._lanes > library.widest():
            raise ValueError(f"{lanes} lanes: this processor has 4 to {library.widest()}, a power of two")
        points = compiled_points(plan.shape)
        self._window = np.repeat(plan.window, 2 if plan.is_complex else 1).astype(np.float32)
        self._roots = np.exp(-2j * np.pi / plan.fft_size * np.arange(plan.fft_size)).astype(np.complex64)
        self._c_plan = _Plan(
            window=self._window.ctypes.data,
            roots=self._roots.ctypes.data,
            covered=len(self._window),
            points=points,
            rows=compiled_rows(points),
            is_real=not plan.is_complex,
        )
        # Vectors must be aligned to their size, of which a page is a multiple.
        self._work = page_aligned(library.work_bytes(ctypes.byref(self._c_plan), self._lanes), np.uint8)

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
