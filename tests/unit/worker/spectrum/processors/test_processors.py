"""The compiled kernel for another processor than this one, run by an emulator: the same bits."""

import ctypes
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cache
from harness.programs import debian
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel
from spectrogram_worker.spectrum.compiled.library import LIBRARY, load_library
from spectrogram_worker.spectrum.compiled.sources import FLAGS, source_hash
from spectrogram_worker.spectrum.compiled.structures import Plan
from spectrogram_worker.spectrum.power import PowerPlan

PACKAGES = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user")
PROGRAM = Path(__file__).with_name("reduce.c")
SOURCES = LIBRARY.parent
REDUCTIONS = (Reduction.MEAN, Reduction.MAX, Reduction.MIN)
FRAMES, HOP = 21, 7


@pytest.fixture(scope="module")
def program() -> Path:
    """reduce.c for aarch64."""
    debian.ensure_installed(PACKAGES)
    key = cache.key_of(PROGRAM.read_text(), source_hash(SOURCES), " ".join(FLAGS))
    return cache.cached("kernel-aarch64", key, partial(_compile, "aarch64-linux-gnu-gcc")) / "reduce"


def _compile(compiler: str, folder: Path) -> None:
    names = (f'-DKERNEL="{SOURCES / "kernel.c"}"', '-DSOURCE_HASH=""')
    subprocess.run([compiler, *FLAGS, "-Werror", "-static", *names, "-o", folder / "reduce", PROGRAM], check=True)


@pytest.mark.skipif(not debian.HERE, reason="no Debian to take a compiler and an emulator from")
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    ("fft_size", "is_complex", "length", "detrend"),
    [
        (64, True, 64, False),
        (200, True, 150, True),
        (256, True, 256, False),
        (1024, True, 1024, False),
        (3000, True, 2000, True),
        (4096, False, 4096, False),
        (4900, False, 4900, True),
        (16_384, True, 16_384, False),
    ],
)
def test_aarch64_computes_the_same_bits(
    program: Path, fft_size: int, is_complex: bool, length: int, detrend: bool, double: bool
) -> None:
    plan = PowerPlan(
        window=np.hanning(length), fft_size=fft_size, is_complex=is_complex, double=double, detrend=detrend
    )
    random = np.random.default_rng(fft_size)
    samples = random.normal(size=2 * ((FRAMES - 1) * HOP + length)).view(np.complex128)
    stored = (samples if is_complex else samples.real).astype(plan.sample_dtype)
    edges = np.array([0, 4, 5, FRAMES])
    blocks = np.stack((edges[:-1], edges[1:]), axis=1)
    here = np.empty((len(blocks), len(REDUCTIONS), plan.bins), plan.power_dtype)
    library = load_library()
    assert library is not None
    kernel = CompiledKernel(plan, library)
    frames = np.lib.stride_tricks.sliding_window_view(stored, length)[::HOP]
    kernel.reduce(frames, blocks, None, REDUCTIONS, here)
    numbers = np.repeat(np.arange(len(blocks)), np.diff(edges))
    offsets = np.arange(FRAMES) * HOP * stored.itemsize
    parts = [*_plan_and_tables(kernel), stored.tobytes(), offsets.tobytes(), numbers.tobytes()]
    sizes = np.array([*map(len, parts), here.nbytes], np.int64)
    done = subprocess.run(
        ["qemu-aarch64", program], input=sizes.tobytes() + b"".join(parts), capture_output=True, check=True
    )
    assert done.stdout == here.tobytes()


def _plan_and_tables(kernel: CompiledKernel) -> list[bytes]:
    """The kernel's plan as C sees it, and the tables that it points at, in the order of reduce.c."""
    plan: Plan = kernel._c_plan
    tables = {table.ctypes.data: table.tobytes() for table in kernel._tables._kept}
    windows = plan.window[:1] if plan.window[0] == plan.window[1] else plan.window[:]
    addresses: list[Any] = [plan.twiddles, plan.halves]
    addresses += [plan.column.radices, plan.column.twiddles, plan.row.radices, plan.row.twiddles]
    found = [b"" if address is None else tables[address] for address in addresses]
    return [
        ctypes.string_at(ctypes.byref(plan), ctypes.sizeof(plan)),
        b"".join(map(tables.__getitem__, windows)),
        *found,
    ]
