"""From samples to reduced power: the one seam of the transform. All that is done per sample is behind it.

Two kernels compute a plan: the compiled one wherever it can, scipy's for the rest. All frames of a job go through the
same. They build on this module, and so are imported when one is chosen.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import FrameShape, Framing, frame_shape
from spectrogram_worker.contract.kernels import KernelName, compiled_points
from spectrogram_worker.contract.parameters import Reduction, Transform
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.samples.file_samples import FileSamples
from spectrogram_worker.spectrum.compiled import library

OPERATIONS: dict[Reduction, np.ufunc] = {
    Reduction.MAX: np.maximum,
    Reduction.MIN: np.minimum,
    Reduction.MEAN: np.add,
    Reduction.NONE: np.add,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerPlan:
    """What a kernel computes of a frame of m samples: window, Fourier transform, |X|². A plan equals only itself.

    window: (m,), m ≤ fft_size. double: complex128 and float64 throughout instead of complex64 and float32. detrend:
    subtract each frame's mean before the window.
    """

    window: NDArray[np.float64]
    fft_size: int
    is_complex: bool
    double: bool = False
    detrend: bool = False

    @property
    def sample_dtype(self) -> np.dtype[Any]:
        """Type of the samples that the transform works on."""
        if self.is_complex:
            return np.dtype(np.complex128 if self.double else np.complex64)
        return self.power_dtype

    @property
    def power_dtype(self) -> np.dtype[Any]:
        """Type of the power."""
        return np.dtype(np.float64 if self.double else np.float32)

    @property
    def shape(self) -> FrameShape:
        """The sizes alone, which memory is planned by."""
        return FrameShape(
            window_length=len(self.window),
            fft_size=self.fft_size,
            is_complex=self.is_complex,
            double=self.double,
            detrend=self.detrend,
        )

    @property
    def bins(self) -> int:
        """Bins of the transform's output: two-sided for complex samples, one-sided for real ones."""
        return self.shape.bins


class PowerKernel(Protocol):
    """Computes a plan. One kernel belongs to one thread: its buffers are used again for every call."""

    def reduce(
        self,
        frames: NDArray[Any],
        blocks: NDArray[np.int64],
        valid: NDArray[np.bool_] | None,
        reductions: Sequence[Reduction],
        result: NDArray[Any],
    ) -> NDArray[np.int64]:
        """Reduce the power |X|² of `frames` (k, m) over each block of frames, half-open (start, stop) rows (n, 2).

        Blocks follow each other from frame 0 to the last one. valid: (k,) False for frames to leave out, or None.
        result: (n, reductions, bins) in the transform's own order of bins, sums where the reduction is `mean`; rows of
        blocks without a valid frame are left as they are. Returns the number of frames that each block has reduced,
        (n,). Raises WorkerError 65 where the precision overflows. Which blocks a call has changes no bit of a result.
        """
        ...

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
        """The same of frames of `samples`, `hop` of them from frame to frame, read here piece by piece into `room`.

        No sample lies between two frames. Returns how many of the first `counted` samples are at full scale. None, with
        `result` in disorder, where this kernel does not read, or where `reduce` must tell why not: a sample is not
        finite or may be padding, a file cannot be read to the end, a power is too large or too small.
        """
        ...


def overflow() -> WorkerError:
    """The error for power that the precision cannot hold."""
    return input_invalid(
        "samples are too large to square in this precision: set transform.precision to double, or scale"
        " the recording so that full scale is 1"
    )


def faint_blocks(power: NDArray[Any]) -> NDArray[np.intp]:
    """The blocks of `power` (blocks, reductions, bins) whose bins are all about zero."""
    least = np.finfo(power.dtype).tiny
    # One bin tells of nearly all blocks that they are not, in no time. It is not bin 0, which detrending makes vanish.
    suspect = np.flatnonzero(power[:, 0, 1] < least)
    return suspect[(power[suspect] < least).all(axis=(1, 2))] if len(suspect) else suspect


def require_large_enough(
    plan: PowerPlan,
    frames: NDArray[Any],
    blocks: NDArray[np.int64],
    valid: NDArray[np.bool_] | None,
    power: NDArray[Any],
) -> None:
    """Raise WorkerError 65 for samples whose power the precision takes for nothing; see `PowerKernel.reduce`.

    A frame without a sample but zeros has zero power. What it has else, on the mean of all bins, is Σ|w·x|² (Parseval).
    """
    least = np.finfo(plan.power_dtype).tiny
    for number in faint_blocks(power).tolist():
        block = slice(*blocks[number].tolist())
        faint = frames[block] if valid is None else frames[block][valid[block]]
        if not faint.any():
            continue
        energy = (np.abs(faint.astype(np.complex128) * plan.window) ** 2).sum(axis=1)
        if ((energy > 0) & (energy < least)).any():
            raise input_invalid(
                "samples are too small to square in this precision: set transform.precision to double, or scale"
                " the recording so that full scale is 1"
            )


def _library_for(plan: PowerPlan) -> ctypes.CDLL | None:
    return library.load_library() if compiled_points(plan.shape) else None


def kernel_name(plan: PowerPlan) -> KernelName:
    """Which kernel it is."""
    return "scipy.fft" if _library_for(plan) is None else "compiled"


def why_missing(plan: PowerPlan) -> str | None:
    """Why the compiled kernel, although it is for this plan, is not used; None where it is, or is not for it."""
    if not compiled_points(plan.shape) or library.load_library() is not None:
        return None
    if library.is_stale():
        return "The compiled kernel was built from other sources, install the worker again"
    return "No compiled kernel is installed"


def load_kernel(transform: Transform, *, is_complex: bool) -> None:
    """Load the library that a transform's kernel needs, so that it is there when the use of memory is looked at."""
    if not (compiled_points(frame_shape(transform, is_complex=is_complex)) and library.widest_vector()):
        from spectrogram_worker.spectrum import scipy_kernel  # noqa: F401 - 0.1 s and 40 MB, which few jobs need


def new_kernel(plan: PowerPlan, framing: Framing) -> PowerKernel:
    """A kernel for one thread."""
    if (compiled := _library_for(plan)) is not None:
        from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel

        return CompiledKernel(plan, compiled)
    from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel

    return ScipyKernel(plan, batch_blocks=framing.batch_blocks, frames=framing.batch_frames)
