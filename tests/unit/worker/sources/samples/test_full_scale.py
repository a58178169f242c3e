"""Samples at full scale: each is counted once, whatever the format, however reads are cut and overlap."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Audio, Raw, Reduce, Transform, Window, WindowName
from spectrogram_worker.sources import Recording
from spectrogram_worker.sources.samples.sample_type import saturation_warnings
from unit.worker.recordings import open_path, open_raw, write_digital_rf, write_raw
from unit.worker.sources.audio.test_wave import chunk, fmt, opened, riff
from unit.worker.spectrum.signals import MemoryRecording, stream, taken

INTEGERS = ["i8", "u8", *(f"{kind}{bits}_{order}" for kind in "iu" for bits in (16, 32) for order in ("le", "be"))]
AUDIO = [
    *(("WAV", subtype, bits) for subtype, bits in (("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24), ("PCM_32", 32))),
    *(("FLAC", subtype, bits) for subtype, bits in (("PCM_S8", 8), ("PCM_16", 16), ("PCM_24", 24))),
]
IQ = Audio(iq=True, center_frequency=0)


def numpy_type(datatype: str) -> np.dtype[Any]:
    kind, _, order = datatype.partition("_")
    return np.dtype(f"{'>' if order == 'be' else '<'}{kind[0]}{int(kind[1:]) // 8}")


def inner(shape: int | tuple[int, ...], dtype: Any, seed: int = 1) -> NDArray[Any]:
    """Random integers, none of which is at an end of its type."""
    limits, native = np.iinfo(dtype), np.dtype(dtype).newbyteorder("=")
    random = np.random.default_rng(seed)
    return random.integers(limits.min, limits.max, shape, native).clip(limits.min + 1, limits.max - 1).astype(dtype)


def counted(recording: Recording, cuts: list[int], *, overlap: int = 0) -> int | None:
    """How many samples a reader finds that reads from cut to cut, and each time `overlap` samples more."""
    dtype = np.complex64 if recording.description.is_complex else np.float32
    with closing(recording.reader()) as reader:
        for start, stop in pairwise(cuts):
            reader.read(start, np.empty(stop - start + overlap, dtype), counted=stop - start)
        return reader.at_full_scale


@pytest.mark.parametrize("datatype", INTEGERS)
def test_integers_at_either_end_of_their_type_are_counted(tmp_path: Path, datatype: str) -> None:
    dtype = numpy_type(datatype)
    values, limits = inner((100, 2), dtype), np.iinfo(dtype)
    values[[3, 50, 99], 0] = limits.min
    values[[3, 7, 51], 1] = limits.max
    write_raw(tmp_path, values)
    real, both = open_raw(tmp_path, f"r{datatype}"), open_raw(tmp_path, f"c{datatype}")
    for cuts in ([0, 100], [0, 3, 4, 50, 51, 99, 100]):
        assert counted(both, cuts) == 5
        assert counted(real, [2 * cut for cut in cuts]) == 6
        assert counted(both, cuts[:-1], overlap=1) == (0 if len(cuts) == 2 else 4)


@pytest.mark.parametrize("datatype", ["f32_le", "f64_be"])
def test_floating_point_samples_have_no_end(tmp_path: Path, datatype: str) -> None:
    write_raw(tmp_path, np.ones(100, numpy_type(datatype)))
    assert counted(open_raw(tmp_path, f"r{datatype}"), [0, 100]) is None


def test_samples_are_counted_across_the_readers_buffer(tmp_path: Path) -> None:
    values = inner((400_000, 2), "i2")
    values[[0, 131_071, 131_072, 262_143, 262_144, 399_998], [0, 1, 0, 1, 0, 1]] = 32_767
    values[399_999] = -32_768
    write_raw(tmp_path, values)
    recording = open_raw(tmp_path, "ci16_le")
    assert counted(recording, [0, 400_000]) == 7
    assert counted(recording, [0, 131_072, 262_144], overlap=130_000) == 4


def test_only_the_channels_that_the_job_asks_for_are_counted(tmp_path: Path) -> None:
    values = inner((1000, 3), "i2")
    values[:, 1] = -32_768
    values[10:15, 0] = values[12:20, 2] = 32_767
    write_raw(tmp_path, values)
    raw = Raw(datatype="ri16_le", sample_rate=1000, channels=3)
    for fields, count in (
        ({"channel": "0"}, 5),
        ({"channel": "1"}, 1000),
        ({"channel": "2"}, 8),
        ({"iq_channels": (0, 2)}, 10),
        ({"iq_channels": (2, 0)}, 10),
        ({"iq_channels": (1, 0)}, 1000),
    ):
        assert counted(open_path(tmp_path, "noise.raw", raw=raw, **fields), [0, 333, 1000]) == count


@pytest.mark.parametrize(("kind", "subtype", "bits"), AUDIO)
def test_audio_counts_what_the_file_holds(tmp_path: Path, kind: str, subtype: str, bits: int) -> None:
    values = (inner((70_000, 2), "i4") >> (32 - bits)).clip(2 - 2 ** (bits - 1), 2 ** (bits - 1) - 2)
    values[[5, 69_999], 0] = -(2 ** (bits - 1))
    values[[5, 6, 7], 1] = 2 ** (bits - 1) - 1
    values[8] = -(2 ** (bits - 1)) + 1
    name = f"sound.{kind.lower()}"
    soundfile.write(tmp_path / name, (values << (32 - bits)).astype(np.int32), 48_000, subtype=subtype, format=kind)
    cuts = [0, 6, 30_000, 69_999]
    assert counted(open_path(tmp_path, name, audio=IQ), cuts, overlap=1) == 3
    assert counted(open_path(tmp_path, name, audio=IQ), [0, 70_000]) == 4
    assert counted(open_path(tmp_path, name, channel="1"), cuts) == 3


def test_compressed_samples_that_are_no_integers_are_not_counted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", np.ones(100), 8000, subtype="ULAW")
    assert counted(open_path(tmp_path, "sound.wav"), [0, 100]) is None


@pytest.mark.parametrize("shift", [0, 8])
def test_24_bits_in_4_bytes_are_counted_wherever_they_lie(tmp_path: Path, shift: int) -> None:
    values = inner((1000, 2), "i4") >> 8
    values[3], values[4, 1], values[5, 0] = -(2**23), 2**23 - 1, 2**23 - 2
    content = (values << shift).astype("<i4").tobytes()
    wav = riff(chunk(b"fmt ", fmt(bits=24, align=8)), chunk(b"data", content))
    assert counted(opened(tmp_path, wav, audio=IQ), [0, 4, 1000]) == 2


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize("overlap", [0, 1, 40])
def test_what_digital_rf_fills_in_is_a_gap_and_not_at_full_scale(
    tmp_path: Path, overlap: int, compression: int
) -> None:
    """Of the two samples at the minimum in both components, between two gaps of 40, one alone is a clipped one."""
    pairs = inner((1000, 2), "i1")
    pairs[100:140] = pairs[141:181] = pairs[300] = -128
    pairs[400:500, 0] = 127
    write_digital_rf(tmp_path, [(0, pairs), (2000, pairs)], dtype="i1", continuous=True, compression=compression)
    recording = open_path(tmp_path, "recording")
    for cuts in ([0, 2960], [0, 99, 120, 141, 160, 300, 301, 450, 999, 1001, 2000, 2450, 2960]):
        assert counted(recording, cuts, overlap=overlap) == 202
    assert counted(recording, [120, 450], overlap=overlap) == 51


def test_subchannels_are_counted_apart(tmp_path: Path) -> None:
    blocks = inner((500, 4), "i2")
    blocks[:20, 3] = blocks[:50, 0] = 32_767
    write_digital_rf(tmp_path, [(0, blocks)], subchannels=2)
    assert [counted(open_path(tmp_path, "recording", subchannel=k), [0, 500]) for k in (0, 1)] == [50, 20]


@pytest.mark.parametrize(
    ("fft", "length", "hop"), [(64, 64, 1), (64, 64, 31), (64, 16, 64), (16, 16, 100), (16, 16, 700_000)]
)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("read_bytes", [1, 20_000])
def test_the_transform_counts_each_sample_once(
    tmp_path: Path, fft: int, length: int, hop: int, threads: int, read_bytes: int
) -> None:
    """Where frames lie far apart, those between them are not looked at."""
    size = 20_000 if hop < 1000 else 5 * hop
    values = inner((size, 2), "i1")
    marks = np.random.default_rng(3).random(size) < 0.1
    values[marks, 1] = -128
    write_raw(tmp_path, values)
    transform = Transform(fft_size=fft, hop_size=hop, window=Window(name=WindowName.HANN, length=length))
    start, count = 13, size - 30
    options: dict[str, Any] = {"start": start, "count": count, "threads": threads, "read_bytes": read_bytes}
    found = stream(open_raw(tmp_path, "ci8"), transform, Reduce(columns=7), **options)
    taken(found)
    looked_at = np.zeros(size, np.bool_)
    looked_at[start : start + count] = hop < 1000
    for frame in range((count - length) // hop + 1):
        looked_at[start + frame * hop : start + frame * hop + length] = True
    assert (found.samples, found.at_full_scale) == (looked_at.sum(), (marks & looked_at).sum())


def test_what_is_stopped_counts_what_it_has_seen(tmp_path: Path) -> None:
    write_raw(tmp_path, np.full((400_000, 2), 127, np.int8))
    found = stream(open_raw(tmp_path, "ci8"), Transform(fft_size=64, hop_size=64), Reduce(columns=100), read_bytes=1)
    columns = found.columns()
    next(columns)
    columns.close()  # type: ignore[attr-defined]
    assert found.at_full_scale == found.samples
    assert 0 < found.samples < 400_000


def test_nothing_is_known_of_floating_point_samples() -> None:
    found = stream(MemoryRecording(np.ones(1000)), Transform(fft_size=64, hop_size=64))
    taken(found)
    assert (found.samples, found.at_full_scale) == (1000, None)


@pytest.mark.parametrize(
    ("at_full_scale", "samples", "words"),
    [
        (None, 1000, None),
        (0, 1000, None),
        (0, 0, None),
        (99, 1_000_000, None),
        (100, 1_000_000, "100 of 1000000 samples (0.01 %) are at full scale"),
        (1, 1, "1 of 1 samples (1e+02 %)"),
        (25, 200, "25 of 200 samples (12 %)"),
    ],
)
def test_one_sample_in_ten_thousand_is_worth_a_warning(
    at_full_scale: int | None, samples: int, words: str | None
) -> None:
    warnings = saturation_warnings(at_full_scale, samples)
    assert len(warnings) == (words is not None)
    assert all(warning.startswith(words or "") and "less gain" in warning for warning in warnings)
