"""Columns out of blocks of power: the reductions and decibels of all frames, however the blocks come."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import Framing
from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.spectrum.axes import Bins
from spectrogram_worker.spectrum.columns import ColumnBuilder
from spectrogram_worker.spectrum.compiled.levels import levels
from spectrogram_worker.spectrum.compiled.library import VECTORS, widest_vector
from spectrogram_worker.spectrum.framing import frame, frames_of
from spectrogram_worker.spectrum.power import OPERATIONS

BINS = 6
ORDER = Bins(order=np.array([3, 4, 5, 0, 1]), frequencies=np.arange(5.0), offsets=np.linspace(-9, 9, 5))
EXACT: dict[Reduction, Callable[..., Any]] = {Reduction.MAX: np.max, Reduction.MIN: np.min, Reduction.MEAN: np.mean}
REDUCTIONS = (Reduction.MAX, Reduction.MEAN, Reduction.MIN)


def framing_of(fft_size: int, frames: int, columns: int) -> Framing:
    transform = Transform(fft_size=fft_size, hop_size=1)
    return frame(fft_size + frames - 1, transform, Reduce(time=REDUCTIONS, columns=columns))


def blocks_of(
    framing: Framing, power: NDArray[Any], valid: NDArray[np.bool_], reductions: tuple[Reduction, ...]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """As a kernel leaves them: (blocks, reductions or 1, bins), and how many frames each has reduced."""
    edges = frames_of(framing, 0, framing.blocks)
    shown = reductions if framing.block_frames > 1 else reductions[:1]
    found = np.full((len(edges), len(shown), BINS), np.nan, power.dtype)
    for number, (start, stop) in enumerate(edges):
        rows = power[start:stop][valid[start:stop]]
        if len(rows):
            found[number] = [OPERATIONS[reduction].reduce(rows, axis=0) for reduction in shown]
    return found, np.array([valid[start:stop].sum() for start, stop in edges])


def built(
    framing: Framing, power: NDArray[Any], counts: NDArray[np.int64], reductions: tuple[Reduction, ...], cuts: set[int]
) -> NDArray[np.float32]:
    """The columns, (reductions, F, T), of blocks that come in pieces; each piece is spoilt once it was taken."""
    builder = ColumnBuilder(framing, ORDER, reductions, power.dtype)
    columns = []
    edges = sorted({0, framing.blocks, *(cut for cut in cuts if cut < framing.blocks)})
    for start, stop in pairwise(edges):
        room = power[start:stop].copy()
        columns += [column.values.copy() for column in builder.add(start, room, counts[start:stop])]
        room[...] = -1
    assert builder.frames == counts.sum()
    return np.stack(columns, axis=2)


def expected(
    framing: Framing, power: NDArray[Any], valid: NDArray[np.bool_], reductions: tuple[Reduction, ...]
) -> NDArray[np.float64]:
    """In double precision, from all frames of each column."""
    columns = []
    for first in range(0, framing.frames, framing.frames_per_column):
        here = slice(first, first + framing.frames_per_column)
        rows = power[here][valid[here]].astype(np.float64)[:, ORDER.order]
        none = np.full(len(ORDER.order), np.nan)
        with np.errstate(divide="ignore"):
            columns.append(
                [10 * np.log10(EXACT[one](rows, axis=0)) + ORDER.offsets if len(rows) else none for one in reductions]
            )
    return np.array(columns).transpose(1, 2, 0)


@settings(max_examples=200, deadline=None)
@given(
    fft_size=st.sampled_from([64, 16_384, 65_536]),
    frames=st.integers(1, 300),
    columns=st.integers(1, 40),
    double=st.booleans(),
    reductions=st.permutations(REDUCTIONS).flatmap(lambda order: st.integers(1, 3).map(lambda n: tuple(order[:n]))),
    cuts=st.sets(st.integers(1, 300), max_size=8),
    seed=st.integers(0, 99),
)
def test_columns_are_the_reductions_of_their_frames_however_the_blocks_come(
    fft_size: int,
    frames: int,
    columns: int,
    double: bool,
    reductions: tuple[Reduction, ...],
    cuts: set[int],
    seed: int,
) -> None:
    framing = framing_of(fft_size, frames, columns)
    random = np.random.default_rng(seed)
    power = random.exponential(size=(frames, BINS)).astype(np.float64 if double else np.float32)
    valid = random.random(frames) < random.choice([0.1, 0.9, 1.0])
    blocks, counts = blocks_of(framing, power, valid, reductions)

    found = built(framing, blocks, counts, reductions, cuts)
    assert found.tobytes() == built(framing, blocks, counts, reductions, set()).tobytes()
    np.testing.assert_allclose(found, expected(framing, power, valid, reductions), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_power_is_minus_infinity_in_every_reduction(dtype: Any) -> None:
    framing = framing_of(64, 10, 5)
    blocks, counts = blocks_of(framing, np.zeros((10, BINS), dtype), np.ones(10, np.bool_), REDUCTIONS)
    assert (built(framing, blocks, counts, REDUCTIONS, set()) == -np.inf).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_compiled_levels_are_right_from_the_least_number_to_the_largest(dtype: Any, reduction: Reduction) -> None:
    """Whatever the width of the vectors, and where bins fill none."""
    limits = np.finfo(dtype)
    least = limits.tiny if reduction is Reduction.MEAN else limits.smallest_subnormal  # a mean is rounded
    exponents = np.linspace(np.log2(float(least)), np.log2(float(limits.max)) - 3, 1999)
    power = np.stack([np.exp2(exponents), np.exp2(exponents) * 3]).astype(dtype)[:, np.newaxis]
    power[:, 0, 7] = 0
    offsets = np.linspace(-200, 200, 1990).astype(dtype)
    kept = [slice(1000, 1999), slice(0, 991)]
    found = {
        levels(power, 1, (reduction,), np.array([2]), kept, offsets, vector).tobytes()
        for vector in VECTORS
        if vector <= widest_vector()
    }
    assert len(found) == 1
    with np.errstate(divide="ignore"):
        exact = 10 * np.log10(EXACT[reduction](power[:, 0].astype(np.longdouble), axis=0))
    exact = np.concatenate([exact[each] for each in kept]) + offsets
    # Half the last place of a number of thousands of decibels, twice.
    np.testing.assert_allclose(np.frombuffer(found.pop(), np.float32), exact.astype(np.float64), rtol=2e-7, atol=2e-5)
