"""From the power of blocks to levels of whole columns, by the compiled library where it is there (kernel/levels.h)."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.compiled import library
from spectrogram_worker.spectrum.compiled.structures import MOST_SLICES, OPERATIONS, Columns


def can_compute(slices: Sequence[slice]) -> bool:
    """Whether the library is there, and takes so many slices of the bins."""
    return library.load_library() is not None and len(slices) <= MOST_SLICES


def levels(
    power: NDArray[Any],
    columns: int,
    reductions: Sequence[Reduction],
    frames: NDArray[np.int64],
    slices: Sequence[slice],
    offsets: NDArray[Any],
    vector: int | None = None,
) -> NDArray[np.float32]:
    """Levels in dB, (columns, reductions, F), of the power (columns · blocks, reductions, bins) of whole columns.

    frames: (columns,) what each mean is of. slices: the bins that are kept, F in all. offsets: (F,) dB to add, of the
    power's type. vector: bytes of a vector, which changes no bit. Zero power is −inf, a column without frames anything.
    """
    loaded = library.load_library()
    assert loaded is not None
    result = np.empty((columns, len(reductions), len(offsets)), np.float32)
    operations = np.array([OPERATIONS[reduction] for reduction in reductions], np.int32)
    scales = 1 / np.maximum(frames, 1)
    rows, steps = len(power) // columns, [stride // power.itemsize for stride in power.strides]
    assert steps[2] == 1
    kept = [(each.start, each.stop - each.start) for each in slices]
    c_columns = Columns(
        count=columns,
        rows=rows,
        row_stride=steps[0],
        reductions=len(reductions),
        reduction_stride=steps[1],
        operations=operations.ctypes.data,
        scales=scales.ctypes.data,
        slices=len(kept),
    )
    for number, place in enumerate(kept):
        c_columns.slice[number][:] = place
    loaded.levels(
        ctypes.byref(c_columns),
        loaded.widest() if vector is None else vector,
        power.dtype == np.float64,
        power.ctypes.data,
        offsets.ctypes.data,
        result.ctypes.data,
    )
    return result
