"""The compiled kernel: as precise as single precision can be, the same bits on every processor, safe, and optional."""

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import (
    READ_BYTES,
    compiled_lanes,
    compiled_points,
    compiled_rows,
    compiled_work_bytes,
)
from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.spectrum import compiled_kernel
from spectrogram_worker.spectrum.compiled_kernel import CompiledKernel, can_compute, load_library, widest_lanes
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.items import cut
from spectrogram_worker.spectrum.power import PowerPlan, new_kernel
from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel
from unit.worker.signals import MemoryRecording, stream, taken

ALL = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)
LANES = (4, 8, 16)


def library() -> ctypes.CDLL:
    found = load_library()
    assert found is not None, "the kernel was not built: is there a C compiler?"
    return found


def widths() -> list[int]:
    """The numbers of lanes that this processor has."""
    return [lanes for lanes in LANES if lanes <= library().widest()]


def plan_of(fft_size: int, *, is_complex: bool, length: int | None = None) -> PowerPlan:
    return PowerPlan(window=np.hanning(length or fft_size), fft_size=fft_size, is_complex=is_complex)


def noise(plan: PowerPlan, frames: int, hop: int) -> NDArray[Any]:
    """Overlapping frames of noise, (frames, m)."""
    length = len(plan.window)
    random = np.random.default_rng(length + frames)
    samples = random.normal(size=(frames - 1) * hop + length)
    if plan.is_complex:
        samples = samples + 1j * random.normal(size=len(samples))
    samples = samples.astype(plan.sample_dtype)
    return as_strided(samples, (frames, length), (hop * samples.itemsize, samples.itemsize), writeable=False)


def powers(plan: PowerPlan, frames: NDArray[Any], lanes: int | None = None) -> NDArray[Any]:
    """The power of each frame by itself, (k, bins)."""
    edges = np.arange(len(frames) + 1)
    result = np.empty((len(frames), 1, plan.bins), np.float32)
    kernel = CompiledKernel(plan, library(), lanes)
    kernel.reduce(frames, np.stack((edges[:-1], edges[1:]), axis=1), None, (Reduction.NONE,), result)
    return result[:, 0]


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("fft_size", [2**power for power in range(5, 17)])
def test_every_size_is_right_to_single_precision(fft_size: int, is_complex: bool) -> None:
    """Against numpy in double precision: an amplitude is wrong by less than a millionth of the mean one."""
    plan = plan_of(fft_size, is_complex=is_complex)
    frames = noise(plan, 19 if fft_size < 2**14 else 5, hop=max(1, fft_size // 3))
    transform = np.fft.fft if is_complex else np.fft.rfft
    double = frames.astype(np.complex128 if is_complex else np.float64)
    expected = np.abs(transform(double * plan.window, axis=1))
    error = np.abs(np.sqrt(powers(plan, frames)) - expected).max()
    assert error < 1e-6 * np.sqrt((expected**2).mean())


@settings(max_examples=60, deadline=None)
@given(
    exponent=st.integers(5, 14),
    is_complex=st.booleans(),
    length=st.floats(0, 1),
    frames=st.integers(1, 70),
    hop=st.integers(1, 40),
    edges=st.lists(st.integers(1, 69), max_size=6),
    dropped=st.lists(st.integers(0, 69), max_size=6),
)
def test_the_number_of_lanes_changes_no_bit(
    exponent: int, is_complex: bool, length: float, frames: int, hop: int, edges: list[int], dropped: list[int]
) -> None:
    assert len(widths()) > 1, "this processor has but one width: nothing is compared"
    plan = plan_of(2**exponent, is_complex=is_complex, length=max(8, int(length * 2**exponent)))
    stored = noise(plan, frames, hop)
    inner = sorted({edge for edge in edges if edge < frames})
    blocks = np.stack(([0, *inner], [*inner, frames]), axis=1)
    valid = ~np.isin(np.arange(frames), dropped)
    found = []
    for lanes in widths():
        result = np.full((len(blocks), 3, plan.bins), -1, np.float32)
        CompiledKernel(plan, library(), lanes).reduce(stored, blocks, valid, ALL, result)
        found.append(result.tobytes())
    assert len(set(found)) == 1


def test_a_frame_does_not_depend_on_its_neighbours() -> None:
    plan = plan_of(1024, is_complex=True)
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


@pytest.mark.parametrize("lanes", [0, 3, 32])
def test_a_width_that_the_processor_does_not_have_is_refused(lanes: int) -> None:
    with pytest.raises(ValueError, match="lanes"):
        CompiledKernel(plan_of(64, is_complex=True), library(), lanes)


@pytest.mark.parametrize(
    ("fft_size", "is_complex", "precision", "detrend", "expected"),
    [
        (16, True, "single", "none", True),
        (65_536, True, "single", "none", True),
        (131_072, False, "single", "none", True),
        (1024, False, "single", "none", True),
        (8, True, "single", "none", False),
        (16, False, "single", "none", False),
        (131_072, True, "single", "none", False),
        (1000, True, "single", "none", False),
        (33, False, "single", "none", False),
        (1024, True, "double", "none", False),
        (1024, True, "single", "constant", False),
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
    assert can_compute(plan) is expected
    assert isinstance(new_kernel(plan, framing), CompiledKernel if expected else ScipyKernel)


@pytest.mark.parametrize("fft_size", [1024, 8192, 65_536])
@pytest.mark.parametrize("columns", [1, 2000])
def test_an_item_has_a_frame_for_each_lane(fft_size: int, columns: int) -> None:
    """With fewer frames at a time the kernel takes as long as for all: 65536 points took twice their time."""
    transform = Transform(fft_size=fft_size, hop_size=fft_size // 2)
    framing = frame(2**27, transform, Reduce(columns=columns))
    items = cut(framing, transform, is_complex=True, reductions=2, read_bytes=READ_BYTES)
    assert items.blocks * framing.block_frames >= compiled_lanes(items.plan.shape, widest_lanes())


@pytest.mark.parametrize("is_complex", [True, False])
def test_without_the_library_everything_works_as_before(monkeypatch: pytest.MonkeyPatch, is_complex: bool) -> None:
    """Where there was no compiler: the same levels."""
    samples = noise(plan_of(300_000, is_complex=is_complex), 1, hop=1)[0]
    transform, reduce = Transform(fft_size=1024, hop_size=300), Reduce(columns=50)
    plan, framing = plan_of(1024, is_complex=is_complex), frame(300_000, transform, reduce)
    with_library = taken(stream(MemoryRecording(samples), transform, reduce))
    monkeypatch.setattr(compiled_kernel, "load_library", lambda: None)
    assert isinstance(new_kernel(plan, framing), ScipyKernel)
    without = taken(stream(MemoryRecording(samples), transform, reduce))
    np.testing.assert_allclose(with_library, without, atol=1e-3)
    assert widest_lanes() == 0


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("exponent", range(5, 17))
@pytest.mark.parametrize("lanes", LANES)
def test_the_contract_knows_how_much_work_space_the_kernel_wants(exponent: int, is_complex: bool, lanes: int) -> None:
    shape = plan_of(2**exponent, is_complex=is_complex).shape
    points = compiled_points(shape)
    told = compiled_kernel._Plan(points=points, rows=compiled_rows(points), is_real=not is_complex)
    assert compiled_work_bytes(shape, lanes) == library().work_bytes(ctypes.byref(told), lanes)


def test_a_library_that_is_not_there_or_none_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "kernel.so").write_bytes(b"no library")
    for name in ("kernel.so", "missing.so"):
        monkeypatch.setattr(compiled_kernel, "LIBRARY", tmp_path / name)
        assert load_library.__wrapped__() is None
