"""From samples to reduced power: the one seam of the transform. All that is done per sample is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import WorkerError, input_invalid

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
