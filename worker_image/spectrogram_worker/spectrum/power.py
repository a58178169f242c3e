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

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.spectrum.framing import Framing

OPERATIONS: dict[Reduction, np.ufunc] = {
    Reduction.MAX: np.maximum,
    Reduction.MIN: np.minimum,
    Reduction.MEAN: np.add,
    Reduction.NONE: np.add,
}


@dataclass(frozen=True, kw_only=True)
class PowerPlan:
    """What a kernel computes of a frame of m samples: window, Fourier transform, |X|².

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
    def bins(self) -> int:
        """Bins of the transform's output: two-sided for complex samples, one-sided for real ones."""
        return self.fft_size if self.is_complex else self.fft_size // 2 + 1


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


def overflow() -> WorkerError:
    """The error for power that the precision cannot hold."""
    return input_invalid(
        "samples are too large to square in this precision: set transform.precision to double, or scale"
        " the recording so that full scale is 1"
    )


def _library_for(plan: PowerPlan) -> ctypes.CDLL | None:
    from spectrogram_worker.spectrum import compiled_kernel

    return compiled_kernel.load_library() if compiled_kernel.can_compute(plan) else None


def kernel_name(plan: PowerPlan) -> str:
    """Which kernel it is: results of two kernels differ in their last bits."""
    return "scipy.fft" if _library_for(plan) is None else "compiled"


def is_missing(plan: PowerPlan) -> bool:
    """True where the compiled kernel is for this plan, but was not built."""
    from spectrogram_worker.spectrum import compiled_kernel

    return compiled_kernel.can_compute(plan) and compiled_kernel.load_library() is None


def new_kernel(plan: PowerPlan, framing: Framing) -> PowerKernel:
    """A kernel for one thread."""
    if (library := _library_for(plan)) is not None:
        from spectrogram_worker.spectrum import compiled_kernel

        return compiled_kernel.CompiledKernel(plan, library)
    from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel  # 0.1 s and 40 MB, which few jobs need

    return ScipyKernel(plan, batch_blocks=framing.batch_blocks, frames=framing.batch_frames)


def frames_at_a_time(plan: PowerPlan) -> int:
    """How many frames a kernel should be given at least: with fewer it takes as long."""
    if (library := _library_for(plan)) is not None:
        from spectrogram_worker.spectrum import compiled_kernel

        return compiled_kernel.lanes_for(plan, library)
    return 1


def memory_bytes(plan: PowerPlan, framing: Framing) -> tuple[int, int]:
    """Memory of each thread's kernel, and what all threads share, in bytes."""
    if (library := _library_for(plan)) is not None:
        from spectrogram_worker.spectrum import compiled_kernel

        return compiled_kernel.memory_bytes(plan, library), 0
    from spectrogram_worker.spectrum import scipy_kernel

    return scipy_kernel.memory_bytes(plan, framing.batch_frames)
