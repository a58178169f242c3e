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

OPERATIONS: dict[Reduction, np.ufunc] = {
    Reduction.MAX: np.maximum,
    Reduction.MIN: np.minimum,
    Reduction.MEAN: np.add,
    Reduction.NONE: np.add,
}
_BUFFER_ELEMENTS = 512


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
        bins = bin_count(fft_size, is_complex=is_complex)
        self._power = np.empty((frames, bins), real)
        self._square = np.empty_like(self._power)
        self._sums = np.empty((bins, 2), real)

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
            # NumPy copies rows shorter than half its buffer into the buffer, at twice the cost; errstate ends this too.
            np.setbufsize(_BUFFER_ELEMENTS)
            spectrum = self._spectrum(frames)
            sums_only = set(reductions) == {Reduction.MEAN}
            power = self._squares(spectrum) if sums_only else self._powers(spectrum)
            counts = []
            for number, (start, stop) in enumerate(blocks):
                rows = power[start:stop]
                if valid is not None and not valid[start:stop].all():
                    rows = rows[valid[start:stop]]
                counts.append(len(rows))
                if len(rows) == 0:
                    continue
                if sums_only:
                    np.add.reduce(rows, axis=0, out=self._sums)
                    np.add(self._sums[:, 0], self._sums[:, 1], out=result[number, 0])
                elif len(rows) == 1:
                    result[number] = rows
                else:
                    for place, reduction in enumerate(reductions):
                        OPERATIONS[reduction].reduce(rows, axis=0, out=result[number, place])
            found = result[: len(blocks)] if all(counts) else result[: len(blocks)][np.array(counts) > 0]
            if not np.isfinite(found).all():
                raise input_invalid(
                    "samples are too large to square in this precision: set transform.precision to double, or scale"
                    " the recording so that full scale is 1"
                )
        return counts

    def _spectrum(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Fourier transforms of the windowed frames, (k, bins), in buffers that the next call uses again."""
        buffer = self._frames[: len(frames)]
        covered = buffer[:, : self._length]
        if self._detrend:
            np.subtract(frames, frames.mean(axis=1, keepdims=True), out=covered)
            frames = covered
        np.multiply(frames.view(self._real), self._window, out=covered.view(self._real))
        buffer[:, self._length :] = 0
        transform = scipy.fft.fft if self._is_complex else scipy.fft.rfft
        spectrum: NDArray[Any] = transform(buffer, axis=1, overwrite_x=True)
        return spectrum

    def _squares(self, spectrum: NDArray[Any]) -> NDArray[Any]:
        """Squares of the real and imaginary parts, (k, bins, 2), in place of the spectrum.

        Where only sums are wanted, the two are added once for a block and not for each of its frames.
        """
        parts = spectrum.view(self._real)
        return np.square(parts, out=parts).reshape(*spectrum.shape, 2)

    def _powers(self, spectrum: NDArray[Any]) -> NDArray[Any]:
        """|X|², (k, bins)."""
        power, square = self._power[: len(spectrum)], self._square[: len(spectrum)]
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
