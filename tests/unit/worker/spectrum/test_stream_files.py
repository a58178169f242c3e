"""Samples that the kernel reads from files by itself: the same bits, gaps and counts as from a reader."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import RecordingSelection, Reduce, Transform, Window
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.sources.samples.segments import SegmentReader
from spectrogram_worker.spectrum.compiled.kernel import CompiledKernel
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import open_raw, write_digital_rf
from unit.worker.spectrum.signals import ALL, stream, taken

DATATYPES = {
    "cf32_le": "<f4",
    "rf32_le": "<f4",
    "cf64_le": "<f8",
    "ci16_le": "<i2",
    "ri16_le": "<i2",
    "ci8": "i1",
    "cu8": "u1",
}


@pytest.fixture
def read_in_files(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each item that a kernel was to read, whether it did."""
    done: list[bool] = []
    reduce_files = CompiledKernel.reduce_files

    def watch(kernel: CompiledKernel, *arguments: Any, **more: Any) -> int | None:
        found = reduce_files(kernel, *arguments, **more)
        done.append(found is not None)
        return found

    monkeypatch.setattr(CompiledKernel, "reduce_files", watch)
    return done


def write_noise(path: Path, datatype: str, count: int, seed: int = 1) -> NDArray[Any]:
    """Noise over the whole range of integers, some of it at its ends."""
    dtype = np.dtype(DATATYPES[datatype])
    shape = (count, 2 if datatype.startswith("c") else 1)
    noise = np.random.default_rng(seed).normal(size=shape)
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        noise = (noise * limits.max / 3 + (limits.min + limits.max) / 2).clip(limits.min, limits.max)
    stored = noise.astype(dtype)
    path.write_bytes(stored.tobytes())
    return stored


def outcome(recording: Recording, transform: Transform, reduce: Reduce, **options: Any) -> tuple[object, ...]:
    """Everything that a stream says, or why it says nothing."""
    found = stream(recording, transform, reduce, **options)
    try:
        values = taken(found).tobytes()
    except WorkerError as error:
        return (str(error),)
    gaps = found.gaps
    return values, gaps.missing_samples, gaps.listed, found.frames_without_data, found.samples, found.at_full_scale


def assert_same(recording: Recording, transform: Transform, reduce: Reduce | None = None, **options: Any) -> None:
    """As when a reader is asked for the samples."""
    reduce = reduce or Reduce(time=ALL, columns=30)
    here = outcome(recording, transform, reduce, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentReader, "in_files", lambda self, start, count: None)
        assert outcome(recording, transform, reduce, **options | {"threads": 1, "read_bytes": 2**20}) == here


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    datatype=st.sampled_from(list(DATATYPES)),
    fft=st.sampled_from([8, 128, 250, 256, 1000, 1024, 8192]),
    length=st.sampled_from([0.3, 1]),
    hop=st.floats(0.1, 1),
    start=st.integers(0, 5000),
    count=st.integers(8192, 300_000),
    threads=st.integers(1, 3),
    read_bytes=st.sampled_from([1, 50_000, 2**20]),
    precision=st.sampled_from(["single", "double"]),
    detrend=st.sampled_from(["none", "constant"]),
)
def test_the_bits_are_those_of_a_reader(
    read_in_files: list[bool],
    tmp_path: Path,
    datatype: str,
    fft: int,
    length: float,
    hop: float,
    start: int,
    count: int,
    threads: int,
    read_bytes: int,
    precision: str,
    detrend: str,
) -> None:
    write_noise(tmp_path / "noise.raw", datatype, 305_000)
    window = max(8, int(length * fft))
    transform = Transform.model_validate(
        {
            "fft_size": fft,
            "hop_size": max(1, int(hop * window)),
            "window": Window(length=window),
            "precision": precision,
            "detrend": detrend,
        }
    )
    read_in_files.clear()
    assert_same(
        open_raw(tmp_path, datatype), transform, start=start, count=count, threads=threads, read_bytes=read_bytes
    )
    assert read_in_files
    assert all(read_in_files)


def test_reads_end_anywhere(read_in_files: list[bool], tmp_path: Path) -> None:
    """A frame of several pieces, an odd place in the file, samples behind the last frame."""
    write_noise(tmp_path / "noise.raw", "cf32_le", 700_001)
    for fft, hop in ((131_072, 33_333), (65_536, 32_768), (4096, 3000)):
        assert_same(open_raw(tmp_path, "cf32_le"), Transform(fft_size=fft, hop_size=hop), start=3, count=699_998)
    assert all(read_in_files)


@pytest.mark.parametrize("place", [0, 5000, 123_456, 199_999])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_sample_that_is_no_number_is_found(
    read_in_files: list[bool], tmp_path: Path, place: int, value: float
) -> None:
    """Also behind the last frame; what a power cannot hold is an error, here as there."""
    samples = write_noise(tmp_path / "noise.raw", "cf32_le", 200_000)
    samples[place, 1] = value
    (tmp_path / "noise.raw").write_bytes(samples.tobytes())
    assert_same(open_raw(tmp_path, "cf32_le"), Transform(fft_size=1024, hop_size=700))
    assert all(read_in_files) is (value == 1e30 and place == 199_999)


def test_silence_and_faint_samples_are_looked_at(tmp_path: Path) -> None:
    for level in (0, 1e-30):
        (tmp_path / "noise.raw").write_bytes(np.full(100_000, level, np.complex64).tobytes())
        assert_same(open_raw(tmp_path, "cf32_le"), Transform(fft_size=1024, hop_size=700))


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("milliseconds", [10, 100])
def test_digital_rf_in_many_files(
    read_in_files: list[bool], tmp_path: Path, milliseconds: int, continuous: bool
) -> None:
    """With a gap, which a continuous writer fills with the least integer."""
    noise = (np.random.default_rng(1).normal(size=(150_000, 2)) * 9000).clip(-32767, 32767).astype(np.int16)
    noise[77] = 32767
    blocks = [(0, noise), (200_000, noise[:120_000])]
    write_digital_rf(tmp_path, blocks, file_milliseconds=milliseconds, continuous=continuous)
    recording = open_recording(ClaimStore(tmp_path), RecordingSelection(path="recording"))
    assert_same(recording, Transform(fft_size=1024, hop_size=512), read_bytes=16_384)
    assert any(read_in_files) is not continuous  # that writer cuts a file into chunks
