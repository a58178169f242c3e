"""The compiled kernel: as precise as single precision can be, the same bits on every processor, safe, and optional."""

import ctypes
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from spectrogram_worker.contract.kernels import compiled_points, compiled_work_bytes, matrix, radices
from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.spectrum.compiled import library as compiled
from spectrogram_worker.spectrum.compiled import tables
from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel
from spectrogram_worker.spectrum.compiled.library import VECTORS, is_stale, load_library, widest_vector
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.power import PowerPlan, new_kernel, why_missing
from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel
from unit.worker.spectrum.signals import MemoryRecording, stream, taken

ALL = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)
SIDE_BY_SIDE = (8, 10, 12, 14, 16, 18, 32, 36, 64, 70, 100, 128, 210, 243, 250, 270, 343, 1050)
"""Sizes of which frames lie in the lanes; of real samples also twice each."""
MATRICES = (*(2**power for power in range(8, 21)), 1000, 1200, 2401, 3000, 3125, 12_000, 50_000, 1_000_000)


def library() -> ctypes.CDLL:
    found = load_library()
    assert found is not None, "the kernel was not built: is there a C compiler?"
    return found


def widths() -> list[int]:
    """Bytes of the vectors that this processor has."""
    return [vector for vector in VECTORS if vector <= library().widest()]


def plan_of(
    fft_size: int, *, is_complex: bool, length: int | None = None, double: bool = False, detrend: bool = False
) -> PowerPlan:
    window = np.hanning(length or fft_size)
    return PowerPlan(window=window, fft_size=fft_size, is_complex=is_complex, double=double, detrend=detrend)


def noise(plan: PowerPlan, frames: int, hop: int) -> NDArray[Any]:
    """Overlapping frames of noise, (frames, m)."""
    length = len(plan.window)
    random = np.random.default_rng(length + frames)
    samples = random.normal(size=(frames - 1) * hop + length)
    if plan.is_complex:
        samples = samples + 1j * random.normal(size=len(samples))
    samples = samples.astype(plan.sample_dtype)
    return as_strided(samples, (frames, length), (hop * samples.itemsize, samples.itemsize), writeable=False)


def powers(plan: PowerPlan, frames: NDArray[Any], vector: int | None = None) -> NDArray[Any]:
    """The power of each frame by itself, (k, bins)."""
    edges = np.arange(len(frames) + 1)
    result = np.empty((len(frames), 1, plan.bins), plan.power_dtype)
    kernel = CompiledKernel(plan, library(), vector)
    kernel.reduce(frames, np.stack((edges[:-1], edges[1:]), axis=1), None, (Reduction.NONE,), result)
    return result[:, 0]


def error_of(plan: PowerPlan, frames: NDArray[Any]) -> float:
    """The largest error of an amplitude, where the mean one is 1, against numpy in double precision."""
    transform = np.fft.fft if plan.is_complex else np.fft.rfft
    double = frames.astype(np.complex128 if plan.is_complex else np.float64)
    if plan.detrend:
        double = double - double.mean(axis=1, keepdims=True)
    expected = np.abs(transform(double * plan.window, plan.fft_size, axis=1))
    return float(np.abs(np.sqrt(powers(plan, frames)) - expected).max() / np.sqrt((expected**2).mean()))


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("fft_size", sorted({*SIDE_BY_SIDE, *MATRICES}))
def test_every_size_is_right_to_its_precision(fft_size: int, is_complex: bool, double: bool) -> None:
    """An amplitude is wrong by less than a millionth of the mean one in single precision, by 4e-15 in double."""
    plan = plan_of(fft_size if is_complex else 2 * fft_size, is_complex=is_complex, double=double)
    if plan.fft_size > 2**20:
        plan = plan_of(2**20, is_complex=is_complex, double=double)
    frames = noise(plan, 19 if fft_size < 2**14 else 3, hop=max(1, fft_size // 3))
    assert compiled_points(plan.shape)
    assert error_of(plan, frames) < (4e-15 if double else 1e-6)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(("fft_size", "length"), [(64, 64), (200, 150), (1024, 1024), (1024, 999), (3000, 2000)])
def test_a_constant_is_removed_before_the_window(fft_size: int, length: int, is_complex: bool, double: bool) -> None:
    plan = plan_of(fft_size, is_complex=is_complex, length=length, double=double, detrend=True)
    frames = noise(plan, 19, hop=11) + plan.sample_dtype.type(3 - 2j if is_complex else 3)
    # The mean is rounded once, for all samples of a frame alike: bin 0 has as many times that error as the frame has.
    assert error_of(plan, frames) < 8 * np.finfo(plan.power_dtype).eps * np.sqrt(fft_size)


@settings(max_examples=100, deadline=None)
@given(
    fft_size=st.sampled_from([*SIDE_BY_SIDE, *(size for size in MATRICES if size < 20_000)]),
    is_complex=st.booleans(),
    double=st.booleans(),
    detrend=st.booleans(),
    length=st.floats(0, 1),
    frames=st.integers(1, 70),
    hop=st.integers(1, 40),
    edges=st.lists(st.integers(1, 69), max_size=6),
    dropped=st.lists(st.integers(0, 69), max_size=6),
)
def test_the_width_of_vectors_changes_no_bit(
    fft_size: int,
    is_complex: bool,
    double: bool,
    detrend: bool,
    length: float,
    frames: int,
    hop: int,
    edges: list[int],
    dropped: list[int],
) -> None:
    assert len(widths()) > 1, "this processor has but one width: nothing is compared"
    size = fft_size if is_complex else 2 * fft_size
    window = max(8, int(length * size))
    plan = plan_of(size, is_complex=is_complex, length=window, double=double, detrend=detrend)
    stored = noise(plan, frames, hop)
    inner = sorted({edge for edge in edges if edge < frames})
    blocks = np.stack(([0, *inner], [*inner, frames]), axis=1)
    valid = ~np.isin(np.arange(frames), dropped)
    found = []
    for vector in widths():
        result = np.full((len(blocks), 3, plan.bins), -1, plan.power_dtype)
        CompiledKernel(plan, library(), vector).reduce(stored, blocks, valid, ALL, result)
        found.append(result.tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("fft_size", [128, 1024])
def test_a_frame_does_not_depend_on_its_neighbours(fft_size: int) -> None:
    plan = plan_of(fft_size, is_complex=True)
    frames = noise(plan, 33, hop=512)
    together = powers(plan, frames)
    np.testing.assert_array_equal(together, np.concatenate([powers(plan, frames[k : k + 1]) for k in range(33)]))


@pytest.mark.parametrize(
    "changed",
    [
        {"frames": np.zeros((4, 64), np.complex128)},
        {"frames": np.zeros((4, 63), np.complex64)},
        {"frames": np.zeros((4, 128), np.complex64)[:, ::2]},
        {"frames": np.zeros((4, 64), np.complex64)[::-1]},
        {"blocks": [[0, 2]]},
        {"blocks": [[1, 2], [2, 4]]},
        {"blocks": [[0, 1], [2, 4]]},
        {"blocks": [[0, 3], [3, 2], [2, 4]]},
        {"result": np.zeros((1, 3, 64), np.float32)},
        {"result": np.zeros((2, 2, 64), np.float32)},
        {"result": np.zeros((2, 3, 33), np.float32)},
        {"result": np.zeros((2, 3, 64), np.float64)},
        {"result": np.zeros((2, 3, 128), np.float32)[:, :, ::2]},
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_c_sees_them(changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "frames": np.zeros((4, 64), np.complex64),
        "blocks": [[0, 2], [2, 4]],
        "valid": None,
        "reductions": ALL,
        "result": np.zeros((2, 3, 64), np.float32),
    }
    kernel = CompiledKernel(plan_of(64, is_complex=True), library())
    kernel.reduce(**{**good, "blocks": np.array(good["blocks"])})
    arguments = {**good, **changed}
    with pytest.raises(ValueError, match=r"frames are|strides|blocks must|the result is|negative"):
        kernel.reduce(**{**arguments, "blocks": np.array(arguments["blocks"])})


@pytest.mark.parametrize("vector", [0, 24, 128])
def test_a_width_that_the_processor_does_not_have_is_refused(vector: int) -> None:
    with pytest.raises(ValueError, match="vectors"):
        CompiledKernel(plan_of(64, is_complex=True), library(), vector)


@pytest.mark.parametrize(
    ("fft_size", "is_complex", "precision", "detrend", "expected"),
    [
        (8, True, "single", "none", True),
        (1_048_576, True, "single", "none", True),
        (1_048_576, False, "double", "none", True),
        (1024, False, "single", "constant", True),
        (1000, True, "double", "constant", True),
        (16, False, "single", "none", True),
        (12_000, False, "single", "none", True),
        (10, False, "single", "none", True),
        (33, True, "single", "none", False),
        (125, False, "single", "none", False),
        (1021, True, "single", "none", False),
    ],
)
def test_which_plans_are_for_the_compiled_kernel(
    fft_size: int, is_complex: bool, precision: str, detrend: str, expected: bool
) -> None:
    plan = PowerPlan(
        window=np.hanning(fft_size),
        fft_size=fft_size,
        is_complex=is_complex,
        double=precision == "double",
        detrend=detrend == "constant",
    )
    framing = frame(2**20, Transform(fft_size=fft_size, hop_size=fft_size), Reduce())
    assert bool(compiled_points(plan.shape)) is expected
    assert isinstance(new_kernel(plan, framing), CompiledKernel if expected else ScipyKernel)


@pytest.mark.parametrize("is_complex", [True, False])
def test_without_the_library_everything_works_as_before(monkeypatch: pytest.MonkeyPatch, is_complex: bool) -> None:
    """Where there was no compiler: the same levels."""
    samples = noise(plan_of(300_000, is_complex=is_complex), 1, hop=1)[0]
    transform, reduce = Transform(fft_size=1024, hop_size=300), Reduce(columns=50)
    plan, framing = plan_of(1024, is_complex=is_complex), frame(300_000, transform, reduce)
    with_library = taken(stream(MemoryRecording(samples), transform, reduce))
    monkeypatch.setattr(compiled, "load_library", lambda: None)
    assert isinstance(new_kernel(plan, framing), ScipyKernel)
    without = taken(stream(MemoryRecording(samples), transform, reduce))
    np.testing.assert_allclose(with_library, without, atol=1e-3)
    assert widest_vector() == 0


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("vector", VECTORS)
def test_the_contract_knows_how_much_work_space_the_kernel_wants(
    vector: int, is_complex: bool, double: bool, detrend: bool
) -> None:
    for fft_size in (*(2 * size for size in SIDE_BY_SIDE), 256, 1000, 4096):
        plan = plan_of(fft_size, is_complex=is_complex, double=double, detrend=detrend)
        kernel = CompiledKernel(plan, library())
        assert compiled_work_bytes(plan.shape, vector) == library().work_bytes(ctypes.byref(kernel._c_plan), vector)


def test_every_matrix_fills_the_vectors_of_every_width() -> None:
    """A side is 16 or more: no lane is without a column or row, and every width computes the same."""
    for points in range(4, 20_000):
        rows, columns = matrix(points)
        assert rows * columns == points
        assert rows == 1 or min(rows, columns) >= 16
        assert rows == 1 or radices(points) == () or (radices(rows) and radices(columns))
        assert np.prod(radices(points) or [points]) == points


def test_kernels_of_one_plan_share_their_tables_and_the_last_takes_them_along() -> None:
    plan = plan_of(1024, is_complex=True)
    kernels = [CompiledKernel(plan, library()) for _ in range(2)]
    assert kernels[0]._tables is kernels[1]._tables
    assert plan in tables._shared
    kernels.clear()
    assert plan not in tables._shared


def test_a_library_that_is_not_there_or_none_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "kernel.so").write_bytes(b"no library")
    for name in ("kernel.so", "missing.so"):
        monkeypatch.setattr(compiled, "LIBRARY", tmp_path / name)
        assert load_library.__wrapped__() is None


def test_a_library_of_other_sources_is_refused_with_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """It may understand other calls: after a change of the sources in a checkout it ended the process."""
    folder = shutil.copytree(compiled.LIBRARY.parent, tmp_path / "kernel")
    monkeypatch.setattr(compiled, "LIBRARY", folder / "kernel.so")
    for found in (load_library, is_stale):
        monkeypatch.setattr(compiled, found.__name__, found.__wrapped__)
    plan = plan_of(64, is_complex=True)
    assert why_missing(plan) is None
    with (folder / "plan.h").open("a") as file:
        file.write("/* changed */\n")
    assert compiled.load_library() is None
    assert why_missing(plan) == "The compiled kernel was built from other sources, install the worker again"
