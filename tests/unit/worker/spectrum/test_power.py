"""The seam: samples in, reduced power out. Every kernel passes these."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel
from spectrogram_worker.spectrum.compiled.library import load_library
from spectrogram_worker.spectrum.power import PowerKernel, PowerPlan
from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel

ALL = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)
WINDOW = np.hanning(50)
SINGLE = (np.complex64, np.float32)
DOUBLE = (np.complex128, np.float64)

NewKernel = Callable[[PowerPlan], PowerKernel]


def with_scipy(plan: PowerPlan) -> PowerKernel:
    return ScipyKernel(plan, batch_blocks=2, frames=80)


def compiled(plan: PowerPlan) -> PowerKernel:
    library = load_library()
    assert library is not None, "the kernel was not built: is there a C compiler?"
    return CompiledKernel(plan, library)


both = pytest.mark.parametrize("new", [with_scipy, compiled])


def planned(dtype: Any, *, detrend: bool = False) -> PowerPlan:
    is_complex = np.issubdtype(dtype, np.complexfloating)
    return PowerPlan(window=WINDOW, fft_size=64, is_complex=is_complex, double=dtype in DOUBLE, detrend=detrend)


def overlapping(dtype: Any) -> NDArray[Any]:
    random = np.random.default_rng(1)
    samples = random.normal(size=1000) + (1j * random.normal(size=1000) if dtype in (*SINGLE, *DOUBLE)[::2] else 0)
    return sliding_window_view(samples.astype(dtype), 50)[::20][:40]


def blocks(*edges: int) -> NDArray[np.int64]:
    return np.stack((edges[:-1], edges[1:]), axis=1)


def plain(frames: NDArray[Any]) -> NDArray[Any]:
    """|X|² with numpy's own transform, two-sided or one-sided."""
    transform = np.fft.fft if np.iscomplexobj(frames) else np.fft.rfft
    found: NDArray[Any] = np.abs(transform(frames * WINDOW, 64, axis=1)) ** 2
    return found


@pytest.mark.parametrize(
    ("new", "dtype"),
    [(new, dtype) for new in (compiled, with_scipy) for dtype in (*SINGLE, *DOUBLE)],
)
def test_blocks_are_reduced_in_linear_power(new: NewKernel, dtype: Any) -> None:
    frames = overlapping(dtype)
    powers = plain(frames.astype(np.complex128 if np.iscomplexobj(frames) else np.float64))
    plan = planned(dtype)
    result = np.empty((3, 3, powers.shape[1]), plan.power_dtype)
    counts = new(plan).reduce(frames, blocks(0, 32, 39, 40), None, ALL, result)
    assert counts.tolist() == [32, 7, 1]
    relative, absolute = (1e-12, 1e-20) if plan.double else (1e-5, 1e-5)
    for number, (start, stop) in enumerate(blocks(0, 32, 39, 40)):
        expected = [operation(powers[start:stop], axis=0) for operation in (np.max, np.sum, np.min)]
        np.testing.assert_allclose(result[number], expected, rtol=relative, atol=absolute)


@both
@pytest.mark.parametrize("reductions", [(Reduction.MEAN,), (Reduction.MAX,), (Reduction.NONE,)])
@pytest.mark.parametrize("dtype", SINGLE)
def test_one_reduction_alone_gives_what_it_gives_among_others(
    new: NewKernel, reductions: tuple[Reduction, ...], dtype: Any
) -> None:
    frames, plan = overlapping(dtype), planned(dtype)
    edges = blocks(*range(41)) if reductions == (Reduction.NONE,) else blocks(0, 25, 40)
    alone = np.empty((len(edges), 1, plan.bins), np.float32)
    among = np.empty((len(edges), 3, plan.bins), np.float32)
    new(plan).reduce(frames, edges, None, reductions, alone)
    new(plan).reduce(frames, edges, None, ALL, among)
    place = 0 if reductions == (Reduction.NONE,) else ALL.index(reductions[0])
    np.testing.assert_allclose(alone[:, 0], among[:, place], rtol=1e-6)


@both
def test_frames_that_are_not_valid_are_left_out(new: NewKernel) -> None:
    frames = overlapping(np.complex64)
    valid = np.ones(40, np.bool_)
    valid[[3, 30, 31, 32, 33, 34]] = False
    result = np.full((3, 3, 64), -1, np.float32)
    counts = new(planned(np.complex64)).reduce(frames, blocks(0, 30, 35, 40), valid, ALL, result)
    assert counts.tolist() == [29, 0, 5]
    np.testing.assert_allclose(result[0, 1], plain(frames)[:30][valid[:30]].sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(result[2, 0], plain(frames)[35:].max(axis=0), rtol=1e-4)
    assert (result[1] == -1).all()


@both
def test_nothing_is_written_where_no_frame_is_valid(new: NewKernel) -> None:
    frames, result = overlapping(np.float32), np.full((2, 3, 33), -1, np.float32)
    counts = new(planned(np.float32)).reduce(frames, blocks(0, 25, 40), np.zeros(40, np.bool_), ALL, result)
    assert counts.tolist() == [0, 0]
    assert (result == -1).all()


@both
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_a_constant_is_removed_frame_by_frame(new: NewKernel, dtype: Any) -> None:
    frames = overlapping(dtype)
    shifted = frames + (np.arange(40)[:, np.newaxis] * (1 + 2j)).astype(dtype)
    plan = planned(dtype, detrend=True)
    results = np.empty((2, 1, 3, 64), plan.power_dtype)
    for place, stored in enumerate((frames, shifted)):
        new(plan).reduce(stored, blocks(0, 40), None, ALL, results[place])
    np.testing.assert_allclose(results[0], results[1], atol=1e-9 if plan.double else 1e-2)
    assert results[0, 0, 0, 0] < plain(frames)[:, 0].max()


@both
@pytest.mark.parametrize("dtype", SINGLE)
def test_buffers_are_used_again_without_a_trace(new: NewKernel, dtype: Any) -> None:
    """What the window does not cover is zero each time, although the transform works in place."""
    frames, plan = overlapping(dtype), planned(dtype)
    used, fresh = np.empty((2, 1, 3, plan.bins), np.float32)
    one = new(plan)
    one.reduce(frames[::-1].copy(), blocks(0, 40), None, ALL, used)
    one.reduce(frames[:7], blocks(0, 7), None, ALL, used)
    new(plan).reduce(frames[:7], blocks(0, 7), None, ALL, fresh)
    np.testing.assert_array_equal(used, fresh)


@both
def test_samples_are_left_as_they_are(new: NewKernel) -> None:
    frames = overlapping(np.complex64)
    before = frames.copy()
    new(planned(np.complex64)).reduce(frames, blocks(0, 40), None, ALL, np.empty((1, 3, 64), np.float32))
    np.testing.assert_array_equal(frames, before)


@both
@pytest.mark.parametrize("dtype", SINGLE)
@pytest.mark.parametrize("number", [0, 17, 39])
@pytest.mark.parametrize("cycle", [[1], [1, -1]], ids=["at zero", "at half the rate"])
def test_an_overflow_in_any_frame_and_bin_is_an_error_and_no_warning(
    new: NewKernel, dtype: Any, number: int, cycle: list[int]
) -> None:
    frames = overlapping(dtype).copy()
    frames[number] = 1e20 * np.resize(cycle, 50)
    plan = planned(dtype)
    with pytest.raises(WorkerError, match="precision"):  # warnings are errors in these tests
        new(plan).reduce(frames, blocks(0, 40), None, ALL, np.empty((1, 3, plan.bins), np.float32))


@both
def test_a_sum_that_overflows_is_an_error_too(new: NewKernel) -> None:
    frames = np.full((40, 50), 6e17, np.complex64)
    one = plain(frames[:1].astype(np.complex128)).max()
    assert one < np.finfo(np.float32).max < 40 * one
    with pytest.raises(WorkerError, match="precision"):
        new(planned(np.complex64)).reduce(frames, blocks(0, 40), None, ALL, np.empty((1, 3, 64), np.float32))


@both
def test_an_overflow_in_frames_that_are_left_out_does_not_matter(new: NewKernel) -> None:
    frames = np.full((4, 50), 1e30, np.complex64)
    frames[0] = 1
    valid = np.array([True, False, False, False])
    result = np.empty((1, 3, 64), np.float32)
    assert new(planned(np.complex64)).reduce(frames, blocks(0, 4), valid, ALL, result).tolist() == [1]
    assert np.isfinite(result).all()
