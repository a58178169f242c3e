"""The kernel in C (kernel/kernel.c): in both precisions, with or without detrending, for fft sizes of factors up to 7.

It releases Python's lock. Where the library was not built or is stale, and for other plans (large prime factors; an odd
number of real samples), scipy_kernel.py does the same some times slower.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.kernels import PAGE_BYTES, file_piece_bytes, file_room_bytes
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.samples.buffers import page_aligned
from spectrogram_worker.sources.samples.file_samples import FileSamples
from spectrogram_worker.spectrum.compiled import structures
from spectrogram_worker.spectrum.compiled.library import VECTORS, widest_vector
from spectrogram_worker.spectrum.compiled.structures import NUMBERS, OPERATIONS, FileRange, Plan
from spectrogram_worker.spectrum.compiled.tables import tables_for
from spectrogram_worker.spectrum.power import PowerPlan, faint_blocks, overflow


class CompiledKernel:
    """See `PowerKernel`. vector: bytes of a vector, of `VECTORS` one that the processor has; which, changes no bit."""

    def __init__(self, plan: PowerPlan, library: ctypes.CDLL, vector: int | None = None) -> None:
        self._plan, self._shape = plan, plan.shape
        self._room_bytes = file_room_bytes(self._shape)
        self._library = library
        self._vector = widest_vector() if vector is None else vector
        if self._vector not in VECTORS or self._vector > library.widest():
            raise ValueError(f"vectors of {vector} bytes: this processor has 16 to {library.widest()}, a power of two")
        self._tables = tables_for(plan)
        self._c_plan = Plan.from_buffer_copy(self._tables.c_plan)
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
        number = NUMBERS.get(f"{component.kind}{component.itemsize}")
        if number is None or hop > len(plan.window) or samples.sample_type.is_complex is not plan.is_complex:
            return None
        frames = int(blocks[-1, 1])
        self._require(blocks, frames, len(reductions), result)
        if sum(each.count for each in samples.ranges) < (frames - 1) * hop + len(plan.window):
            raise ValueError("there are more frames than samples")
        if len(room) < self._room_bytes or room.ctypes.data % PAGE_BYTES:
            raise ValueError(f"the room must have {self._room_bytes} bytes, and begin where a page does")
        ranges = (FileRange * len(samples.ranges))(
            *(FileRange(each.file.descriptor, each.offset, each.count) for each in samples.ranges)
        )
        c_samples = structures.FileSamples(
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
