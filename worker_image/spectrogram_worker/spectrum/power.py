"""From samples to reduced power: the one seam of the transform.

Everything that is done per sample is in `PowerKernel.reduce`; a compiled kernel can take its place without anything
else changing. One kernel belongs to one thread: its buffers are used again for every batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import input_invalid

_OPERATIONS: dict[Reduction, np.ufunc] = {
    Reduction.MAX: np.maximum,
    Reduction.MIN: np.minimum,
    Reduction.MEAN: np.add,
    Reduction.NONE: np.add,
}


class PowerKernel:
    """Window, Fourier transform, squared magnitude and reduction, of up to `frames` frames at a time.

    window: (m,). double: complex128 and float64 throughout instead of complex64 and float32. detrend: subtract each
    frame's mean before the window.
    """

    def __init__(
        self,
        *,
        window: NDArray[np.float64],
        fft_size: int,
        frames: int,
        is_complex: bool,
        double: bool = False,
        detrend: bool = False,
    ) -> None:
        real = np.dtype(np.float64 if double else np.float32)
        self._is_complex = is_complex
        self._detrend = detrend
        self._real = real
        self._length = len(window)
        parts = 2 if is_complex else 1
        # Complex samples are multiplied as pairs of real numbers: half the work of a complex multiplication.
        self._window = np.repeat(window, parts).astype(real)
        self._frames = np.empty((frames, fft_size), sample_dtype(is_complex=is_complex, double=double))
        self._power = np.empty((frames, bin_count(fft_size, is_complex=is_complex)), real)
        self._square = np.empty_like(self._power)

    def reduce(
        self,
        frames: NDArray[Any],
        blocks: Sequence[tuple[int, int]],
        valid: NDArray[np.bool_] | None,
        reductions: Sequence[Reduction],
        result: NDArray[Any],
    ) -> list[int]:
        """Reduce the power |X|² of `frames` (k, m) over each block of frames, half-open (start, stop) pairs.

        valid: (k,) False for frames to leave out, or None. result: (blocks, reductions, bins) in the transform's own
        order of bins, sums where the reduction is `mean`; rows of blocks without a valid frame are left as they are.
        Returns the number of frames that each block has reduced. Raises WorkerError 65 where the precision overflows.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            power = self._powers(frames)
            counts = []
            for number, (start, stop) in enumerate(blocks):
                rows = power[start:stop]
                if valid is not None and not valid[start:stop].all():
                    rows = rows[valid[start:stop]]
                counts.append(len(rows))
                if len(rows) == 1:
                    result[number] = rows
                elif len(rows) > 1:
                    for place, reduction in enumerate(reductions):
                        _OPERATIONS[reduction].reduce(rows, axis=0, out=result[number, place])
                if len(rows) and not np.isfinite(result[number]).all():
                    raise input_invalid(
                        "samples are too large to square in this precision: set transform.precision to double, or scale"
                        " the recording so that full scale is 1"
                    )
        return counts

    def _powers(self, frames: NDArray[Any]) -> NDArray[Any]:
        count = len(frames)
        buffer = self._frames[:count]
        covered = buffer[:, : self._length]
        if self._detrend:
            np.subtract(frames, frames.mean(axis=1, keepdims=True), out=covered)
            frames = covered
        np.multiply(frames.view(self._real), self._window, out=covered.view(self._real))
        buffer[:, self._length :] = 0
        power, square = self._power[:count], self._square[:count]
        transform = scipy.fft.fft if self._is_complex else scipy.fft.rfft
        spectrum = transform(buffer, axis=1, overwrite_x=True)
        np.square(spectrum.real, out=power)
        np.square(spectrum.imag, out=square)
        return np.add(power, square, out=power)


def sample_dtype(*, is_complex: bool, double: bool) -> np.dtype[Any]:
    """Type of the samples that a transform works on."""
    if is_complex:
        return np.dtype(np.complex128 if double else np.complex64)
    return np.dtype(np.float64 if double else np.float32)


def bin_count(fft_size: int, *, is_complex: bool) -> int:
    """Bins of the transform's output: two-sided for complex samples, one-sided for real ones."""
    return fft_size if is_complex else fft_size // 2 + 1
