"""The plan of a job's memory: the same arithmetic for the operator, which knows little, and for the worker."""

from dataclasses import fields, replace
from typing import Any

import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract.framing import FrameShape
from spectrogram_worker.contract.kernels import scipy_kernel_bytes
from spectrogram_worker.contract.memory import CACHED_BLOCK_BYTES, Known, MemoryPlan, plan_memory
from spectrogram_worker.contract.parameters import InputFormat, OutputSelection, Reduce, Transform
from spectrogram_worker.storage.bucket import TRANSFER_THREADS

NPZ = OutputSelection(formats=("npz",))
FORMATS = [format for format in InputFormat if format is not InputFormat.AUTO]


def plan(known: Known = Known(), *, threads: int = 1, **transform: Any) -> MemoryPlan:  # noqa: B008 - it is frozen
    return plan_memory(Transform(**transform), Reduce(), NPZ, known, threads=threads)


def test_metadata_transform_and_picture_take_turns() -> None:
    parts = {part.name: 0 for part in fields(MemoryPlan)} | {"process": 80}
    empty = MemoryPlan(**parts)
    for part in ("metadata", "picture"):
        assert replace(empty, **{part: 50}).total == empty.total + 50
    assert replace(empty, metadata=50, picture=40, kernel=16).total == empty.total + 50
    assert replace(empty, reader=10, read_ahead=8, kernel=10, buffers=10, results=10, columns=10).transform == 72


@pytest.mark.parametrize("reduce", [Reduce(), Reduce(time=("none",))])
def test_no_part_grows_with_the_recording(reduce: Reduce) -> None:
    """With every frame a column there is a most that a job may have: the plan of an unknown length is that of it."""
    transform = Transform(fft_size=1024, hop_size=512)

    def planned(samples: int | None) -> int:
        return plan_memory(transform, reduce, NPZ, Known(samples=samples), threads=2).total

    if reduce == Reduce():
        assert planned(10**10) == planned(10**14) == planned(None)
    else:
        assert planned(512 * 2**22) <= planned(None) <= planned(512 * 2**22 + 1024)


@given(
    fft_size=st.sampled_from([8, 16, 1000, 1024, 1021, 65_536]),
    hop=st.sampled_from([1, 500, 100_000]),
    samples=st.integers(200_000, 10**9),
    is_complex=st.booleans(),
    vector=st.sampled_from([16, 32, 64]),
    format=st.sampled_from(FORMATS),
    is_compressed=st.booleans(),
    bins=st.integers(1, 5),
    threads=st.integers(1, 8),
    formats=st.sets(st.sampled_from(["png", "npz", "zarr", "hdf5"]), min_size=1),
)
def test_to_know_more_makes_a_plan_smaller_or_about_as_large(
    fft_size: int,
    hop: int,
    samples: int,
    is_complex: bool,
    vector: int,
    format: InputFormat,
    is_compressed: bool,
    bins: int,
    threads: int,
    formats: set[str],
) -> None:
    """What the operator asks for, which is a quarter more, is enough for whatever the recording turns out to be.

    How full the blocks are goes by the length: a known one may take up to 4 % more.
    """
    transform, output = Transform(fft_size=fft_size, hop_size=hop), OutputSelection(formats=tuple(sorted(formats)))
    known = Known(
        format=format,
        samples=samples,
        is_complex=is_complex,
        is_compressed=is_compressed,
        kept_bins=bins,
        vector=vector,
    )
    unknown = plan_memory(transform, Reduce(), output, threads=threads)
    assert plan_memory(transform, Reduce(), output, known, threads=threads).total <= 1.05 * unknown.total


@pytest.mark.parametrize("is_complex", [True, False])
def test_which_sizes_scipy_pads(is_complex: bool) -> None:
    for size in range(8, 3000):
        shape = FrameShape(window_length=size, fft_size=size, is_complex=is_complex)
        shared = scipy_kernel_bytes(shape, 1)[1] // (8 * size)
        padded = scipy.fft.next_fast_len(size, real=not is_complex) != size
        assert (shared == 6) is padded


def test_double_precision_and_more_threads_take_more() -> None:
    single, double = plan(fft_size=4096), plan(fft_size=4096, precision="double")
    assert double.kernel > 1.5 * single.kernel
    one, four = (plan(Known(is_complex=True), threads=threads, fft_size=4096) for threads in (1, 4))
    assert four.buffers == 4 * one.buffers


def test_compressed_digital_rf_takes_more_to_read() -> None:
    compressed, plain = (
        plan(Known(format=InputFormat.DIGITAL_RF, is_compressed=compressed)) for compressed in (True, False)
    )
    assert compressed.reader >= plain.reader + 2**20


def test_large_frames_take_room_before_the_transform() -> None:
    """Window, frequencies and bins: a worker of 2²⁰ points had 33 MB more of them than one of 1024."""
    small, large = (plan(Known(is_complex=True), fft_size=size).process for size in (1024, 2**20))
    assert large - small >= 33_000_000


def test_a_bucket_takes_its_client_and_copies_on_their_way() -> None:
    here, remote, sent = (
        plan(Known(format=InputFormat.DIGITAL_RF, **known)) for known in ({}, {"is_remote": True}, {"to_bucket": True})
    )
    assert remote.process == sent.process >= here.process + 25_000_000, "boto3 and its client"
    assert (here.metadata, remote.metadata, sent.metadata) == (0, TRANSFER_THREADS * CACHED_BLOCK_BYTES, 0)


def test_a_remote_recording_is_read_ahead() -> None:
    known = Known(format=InputFormat.SIGMF, is_remote=True)
    assert plan(known).read_ahead > 8 * 2**20
    assert plan(replace(known, read_ahead=1)).read_ahead == 1
    for nothing in (replace(known, is_remote=False), replace(known, format=InputFormat.DIGITAL_RF)):
        assert plan(nothing).read_ahead == 0
