"""The kernel for every size, precision and detrending, with scipy.fft; the reference of the compiled one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.sources.samples.file_samples import FileSamples
from spectrogram_worker.spectrum.power import OPERATIONS, PowerPlan, overflow

_BUFFER_ELEMENTS = 512


class ScipyKernel:
    """See `PowerKernel`. Transforms `batch_blocks` blocks together, which have at most `frames` frames in all.

    scipy transforms some frames at a time, and how it rounds one may depend on which those are: so a batch is always
    made of the same frames, and each call must begin with a whole one.
    """

    def __init__(self, plan: PowerPlan, *, batch_blocks: int, frames: int) -> None:
        self._plan = plan
        self._batch_blocks = batch_blocks
        self._length = len(plan.window)
        real = plan.power_dtype
        # Complex samples are multiplied as pairs of real numbers: half the work of a complex multiplication.
        self._window = np.repeat(plan.window, 2 if plan.is_complex else 1).astype(real)
        self._frames = np.empty((frames, plan.fft_size), plan.sample_dtype)
        self._power = np.empty((frames, plan.bins), real)
        self._square = np.empty_like(self._power)
        self._sums = np.empty((plan.bins, 2), real)

    def reduce(
        self,
        frames: NDArray[Any],
        blocks: NDArray[np.int64],
        valid: NDArray[np.bool_] | None,
        reductions: Sequence[Reduction],
        result: NDArray[Any],
    ) -> NDArray[np.int64]:
        """See `PowerKernel.reduce`."""
        counts = np.empty(len(blocks), np.int64)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            # NumPy copies rows shorter than half its buffer into the buffer, at twice the cost: so it is made small.
            # The end of errstate restores its size.
            np.setbufsize(_BUFFER_ELEMENTS)
            for first in range(0, len(blocks), self._batch_blocks):
                batch = slice(first, first + self._batch_blocks)
                here = slice(blocks[batch][0, 0], blocks[batch][-1, 1])
                counts[batch] = self._reduce_batch(
                    frames[here],
                    blocks[batch] - here.start,
                    None if valid is None else valid[here],
                    reductions,
                    result[batch],
                )
        return counts

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
        """See `PowerKernel.reduce_files`: this one does not read."""
        return None

    def _reduce_batch(
        self,
        frames: NDArray[Any],
        blocks: NDArray[np.int64],
        valid: NDArray[np.bool_] | None,
        reductions: Sequence[Reduction],
        result: NDArray[Any],
    ) -> list[int]:
        spectrum = self._spectrum(frames)
        sums_only = set(reductions) == {Reduction.MEAN}
        power = self._squares(spectrum) if sums_only else self._powers(spectrum)
        counts = []
        for number, (start, stop) in enumerate(blocks.tolist()):
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
        found = result if all(counts) else result[np.array(counts) > 0]
        if not np.isfinite(found).all():
            raise overflow()
        return counts

    def _spectrum(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Fourier transforms of the windowed frames, (k, bins), in buffers that the next call uses again."""
        buffer = self._frames[: len(frames)]
        covered = buffer[:, : self._length]
        if self._plan.detrend:
            np.subtract(frames, frames.mean(axis=1, keepdims=True), out=covered)
            frames = covered
        real = self._plan.power_dtype
        np.multiply(frames.view(real), self._window, out=covered.view(real))
        buffer[:, self._length :] = 0
        transform = scipy.fft.fft if self._plan.is_complex else scipy.fft.rfft
        spectrum: NDArray[Any] = transform(buffer, axis=1, overwrite_x=True)
        return spectrum

    def _squares(self, spectrum: NDArray[Any]) -> NDArray[Any]:
        """Squares of the real and imaginary parts, (k, bins, 2), in place of the spectrum.

        Where only sums are wanted, the two are added once for a block and not for each of its frames.
        """
        parts: NDArray[Any] = spectrum.view(self._plan.power_dtype)
        np.square(parts, out=parts)
        return parts.reshape(*spectrum.shape, 2)

    def _powers(self, spectrum: NDArray[Any]) -> NDArray[Any]:
        """|X|², (k, bins)."""
        power, square = self._power[: len(spectrum)], self._square[: len(spectrum)]
        np.square(spectrum.real, out=power)
        np.square(spectrum.imag, out=square)
        return np.add(power, square, out=power)
