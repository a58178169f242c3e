"""The seam: samples in, reduced power out. Any other kernel must pass these."""

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.spectrum.power import PowerKernel

ALL = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)
WINDOW = np.hanning(50)


def kernel(*, is_complex: bool = True, double: bool = True, detrend: bool = False) -> PowerKernel:
    return PowerKernel(window=WINDOW, fft_size=64, frames=40, is_complex=is_complex, double=double, detrend=detrend)


def overlapping(*, is_complex: bool, dtype: Any) -> NDArray[Any]:
    random = np.random.default_rng(1)
    samples = random.normal(size=1000) + (1j * random.normal(size=1000) if is_complex else 0)
    return sliding_window_view(samples.astype(dtype), 50)[::20][:40]


def plain(frames: NDArray[Any]) -> NDArray[Any]:
    """|X|² with numpy's own transform, two-sided or one-sided."""
    transform = np.fft.fft if np.iscomplexobj(frames) else np.fft.rfft
    found: NDArray[Any] = np.abs(transform(frames * WINDOW, 64, axis=1)) ** 2
    return found


@pytest.mark.parametrize(
    ("dtype", "double"), [(np.complex128, True), (np.complex64, False), (np.float64, True), (np.float32, False)]
)
def test_blocks_are_reduced_in_linear_power(dtype: Any, double: bool) -> None:
    is_complex = np.issubdtype(dtype, np.complexfloating)
    frames = overlapping(is_complex=is_complex, dtype=dtype)
    powers = plain(frames)
    blocks = [(0, 32), (32, 39), (39, 40)]
    result = np.empty((3, 3, powers.shape[1]), np.float64 if double else np.float32)
    counts = kernel(is_complex=is_complex, double=double).reduce(frames, blocks, None, ALL, result)
    assert counts == [32, 7, 1]
    for number, (start, stop) in enumerate(blocks):
        expected = [operation(powers[start:stop], axis=0) for operation in (np.max, np.sum, np.min)]
        np.testing.assert_allclose(
            result[number], expected, rtol=1e-12 if double else 1e-3, atol=1e-20 if double else 1e-4
        )


def test_frames_that_are_not_valid_are_left_out() -> None:
    frames = overlapping(is_complex=True, dtype=np.complex128)
    valid = np.ones(40, np.bool_)
    valid[[3, 30, 31, 32, 33, 34]] = False
    result = np.full((3, 3, 64), -1.0)
    counts = kernel().reduce(frames, [(0, 30), (30, 35), (35, 40)], valid, ALL, result)
    assert counts == [29, 0, 5]
    np.testing.assert_allclose(result[0, 1], plain(frames)[:30][valid[:30]].sum(axis=0))
    assert (result[1] == -1).all()


def test_a_constant_is_removed_frame_by_frame() -> None:
    frames = overlapping(is_complex=True, dtype=np.complex128)
    shifted = frames + np.arange(40)[:, np.newaxis] * (1 + 2j)
    results = np.empty((2, 1, 3, 64))
    for place, stored in enumerate((frames, shifted)):
        kernel(detrend=True).reduce(stored, [(0, 40)], None, ALL, results[place])
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)
    assert results[0, 0, 0, 0] < plain(frames)[:, 0].max()


def test_buffers_are_used_again_without_a_trace() -> None:
    """What the window does not cover is zero each time, although the transform works in place."""
    frames = overlapping(is_complex=True, dtype=np.complex128)
    used, fresh = np.empty((2, 1, 3, 64))
    one = kernel()
    one.reduce(frames[::-1], [(0, 40)], None, ALL, used)
    one.reduce(frames[:7], [(0, 7)], None, ALL, used)
    kernel().reduce(frames[:7], [(0, 7)], None, ALL, fresh)
    np.testing.assert_array_equal(used, fresh)


def test_samples_are_left_as_they_are() -> None:
    frames = overlapping(is_complex=True, dtype=np.complex128)
    before = frames.copy()
    kernel(detrend=True).reduce(frames, [(0, 40)], None, ALL, np.empty((1, 3, 64)))
    np.testing.assert_array_equal(frames, before)


def test_an_overflow_is_an_error_and_no_warning() -> None:
    frames = np.full((4, 50), 1e30, np.complex64)
    with pytest.raises(WorkerError, match="precision"):  # warnings are errors in these tests
        kernel(double=False).reduce(frames, [(0, 4)], None, ALL, np.empty((1, 3, 64), np.float32))


def test_an_overflow_in_frames_that_are_left_out_does_not_matter() -> None:
    frames = np.full((4, 50), 1e30, np.complex64)
    frames[0] = 1
    valid = np.array([True, False, False, False])
    result = np.empty((1, 3, 64), np.float32)
    assert kernel(double=False).reduce(frames, [(0, 4)], valid, ALL, result) == [1]
    assert np.isfinite(result).all()
