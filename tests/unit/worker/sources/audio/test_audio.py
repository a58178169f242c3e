"""Audio: what soundfile writes is read with full scale 1; channels, I/Q, and files that are damaged or lie."""

import os
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Audio, InputFormat
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import open_path, read, says

RATE = 48_000
INTEGERS = {
    "WAV": {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32},
    "RF64": {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32},
    "W64": {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32},
    "FLAC": {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24},
}
CASES = [(kind, subtype, bits) for kind, subtypes in INTEGERS.items() for subtype, bits in subtypes.items()]
IQ = Audio(iq=True)


def write(root: Path, samples: NDArray[Any], kind: str = "WAV", subtype: str = "PCM_16", **options: Any) -> Path:
    """An audio file named `sound.<kind>` of samples (n,) or (n, channels)."""
    path = root / f"sound.{kind.lower()}"
    soundfile.write(path, samples, RATE, subtype=subtype, format=kind, **options)
    return path


def noise(count: int, channels: int = 1) -> NDArray[np.float64]:
    samples = np.clip(np.random.default_rng(1).normal(0, 0.2, (count, channels)), -1, 0.99)
    return samples[:, 0] if channels == 1 else samples


def patch(path: Path, offset: int, content: bytes) -> None:
    """Write `content` over the file's bytes from `offset` on."""
    whole = bytearray(path.read_bytes())
    whole[offset : offset + len(content)] = content
    path.write_bytes(whole)


def refused(root: Path, path: Path, *words: str, code: ExitCode = ExitCode.INPUT_INVALID, **fields: Any) -> None:
    """Opening the file, or reading all of it, ends with this code and one line that holds the words."""
    with pytest.raises(WorkerError) as caught:
        read(open_path(root, path.name, **fields))
    assert says(caught.value, code, path.name, *words), caught.value


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize(("kind", "subtype", "bits"), CASES)
def test_integers_of_every_width_have_full_scale_one(
    tmp_path: Path, kind: str, subtype: str, bits: int, double: bool
) -> None:
    """Also the smallest steps of 24 bit, which single precision just holds."""
    step = 2 ** (32 - bits)
    stored = np.array([-(2**31), -(2**30), -step, 0, step, 2**29, 2**31 - step], np.int32)
    write(tmp_path, stored, kind, subtype)
    recording = open_path(tmp_path, f"sound.{kind.lower()}")
    samples, missing = read(recording, double=double)
    found = recording.description
    assert (found.format, found.sample_type, float(found.sample_rate)) == (InputFormat.AUDIO, subtype, RATE)
    assert (found.is_complex, found.length, found.bytes_per_sample) == (False, 7, bits // 8)
    np.testing.assert_array_equal(samples, (stored / 2**31).astype(samples.dtype))
    assert not missing.any()


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64"])
@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", np.float32), ("DOUBLE", np.float64)])
def test_floating_point_is_read_as_it_is(tmp_path: Path, kind: str, subtype: str, dtype: Any) -> None:
    stored = np.array([-2.5, -1, 1e-7, 0, 1, 3e30], dtype)
    write(tmp_path, stored, kind, subtype)
    np.testing.assert_array_equal(read(open_path(tmp_path, f"sound.{kind.lower()}"))[0], stored)


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
def test_telephone_samples_are_read_as_the_library_reads_them(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path, noise(1000), "WAV", subtype)
    np.testing.assert_array_equal(read(open_path(tmp_path, path.name))[0], soundfile.read(path)[0])


def test_a_big_endian_wav_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, np.array([-(2**31), 2**30], np.int32), endian="BIG")
    assert path.read_bytes().startswith(b"RIFX")
    assert read(open_path(tmp_path, path.name))[0].tolist() == [-1, 0.5]


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("RF64", "DOUBLE")])
def test_two_channels_are_i_and_q_when_the_job_says_so(tmp_path: Path, kind: str, subtype: str, double: bool) -> None:
    pairs = noise(70_000, 2)
    path = write(tmp_path, pairs, kind, subtype)
    recording = open_path(tmp_path, path.name, audio=Audio(iq=True, center_frequency=7e6))
    samples, _ = read(recording, double=double)
    stored = soundfile.read(path, dtype="float64" if double else "float32")[0]
    np.testing.assert_array_equal(samples, stored[:, 0] + 1j * stored[:, 1])
    assert recording.description.is_complex
    assert (recording.description.center_frequency, recording.description.length) == (7e6, 70_000)
    assert recording.description.bytes_per_sample == {"PCM_24": 6, "PCM_16": 4, "DOUBLE": 16}[subtype]


def test_two_channels_are_not_i_and_q_when_the_job_does_not_say_so(tmp_path: Path) -> None:
    path = write(tmp_path, noise(100, 2))
    refused(tmp_path, path, "input.channel", "0 to 1", "audio: {iq: true}", code=ExitCode.INVALID_SPEC)
    assert not open_path(tmp_path, path.name, channel="0").description.is_complex


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_channels_are_told_apart(tmp_path: Path, kind: str, channel: int) -> None:
    path = write(tmp_path, noise(100_000, 3), kind)
    samples, _ = read(open_path(tmp_path, path.name, channel=str(channel)), double=False)
    np.testing.assert_array_equal(samples, soundfile.read(path, dtype="float32")[0][:, channel])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ("input.channel", "0 to 2")),
        ({"channel": "3"}, ("no channel 3", "0 to 2")),
        ({"channel": "left"}, ("no channel left", "0 to 2")),
        ({"audio": IQ}, ("input.audio.iq", "3 channels")),
    ],
)
def test_a_channel_that_is_not_there_is_named(tmp_path: Path, fields: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(tmp_path, write(tmp_path, noise(100, 3)), *words, code=ExitCode.INVALID_SPEC, **fields)


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("W64", "FLOAT")])
def test_any_piece_equals_the_whole(tmp_path: Path, kind: str, subtype: str) -> None:
    """Also pieces longer than the reader's buffer, backwards, and over the borders of FLAC's blocks."""
    path = write(tmp_path, noise(200_000), kind, subtype)
    whole = soundfile.read(path)[0]
    recording = open_path(tmp_path, path.name)
    with closing(recording.reader()) as reader:
        for start, count in ((199_990, 10), (7, 65_536), (4095, 3), (123, 100_001), (0, 1), (100_000, 1), (100_001, 9)):
            samples = np.empty(count)
            assert reader.read(start, samples) is None
            np.testing.assert_array_equal(samples, whole[start : start + count])


def test_readers_in_several_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = write(tmp_path, noise(100_000), "FLAC")
    whole = soundfile.read(path, dtype="float32")[0]
    recording = open_path(tmp_path, path.name)

    def read_all(seed: int) -> bool:
        with closing(recording.reader()) as reader:
            samples = np.empty(5000, np.float32)
            for start in np.random.default_rng(seed).integers(0, 95_000, 20):
                assert reader.read(int(start), samples) is None
                np.testing.assert_array_equal(samples, whole[start : start + 5000])
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read_all, range(4)))


def test_memory_does_not_depend_on_the_length(tmp_path: Path) -> None:
    path = write(tmp_path, noise(1_000_000, 2))
    with closing(open_path(tmp_path, path.name, channel="1").reader()) as reader:
        samples = np.empty(10_000, np.float32)
        tracemalloc.start()
        for start in range(0, 1_000_000, 10_000):
            reader.read(start, samples)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100_000
    assert str(path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("audio", [None, IQ])
def test_samples_that_are_not_finite_are_missing(tmp_path: Path, audio: Audio | None) -> None:
    stored = np.ones((50_000, 2))
    stored[[3, 40_000], 0] = np.nan, np.inf
    path = write(tmp_path, stored, "WAV", "FLOAT")
    samples, missing = read(open_path(tmp_path, path.name, channel=None if audio else "0", audio=audio))
    assert np.flatnonzero(missing).tolist() == [3, 40_000]
    assert not samples[missing].any()


def test_a_large_double_is_not_missing(tmp_path: Path) -> None:
    path = write(tmp_path, np.array([1e300, 1.0]), "WAV", "DOUBLE")
    samples, missing = read(open_path(tmp_path, path.name), double=False)
    assert not missing.any()
    assert np.isinf(samples[0])


def test_what_lies_beyond_the_recording_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path, np.full(10, 0.5))
    samples, missing = read(open_path(tmp_path, path.name), 8, 5)
    assert (samples.tolist(), missing.tolist()) == ([0.5, 0.5, 0, 0, 0], [False, False, True, True, True])


NAME = "SDRSharp_20150804_204000Z_100000000Hz_IQ.wav"


def test_a_receivers_name_says_centre_and_time_of_i_and_q(tmp_path: Path) -> None:
    write(tmp_path, noise(10, 2)).rename(tmp_path / NAME)
    found = open_path(tmp_path, NAME, audio=IQ).description
    assert (found.center_frequency, found.start_time) == (100e6, datetime(2015, 8, 4, 20, 40, tzinfo=UTC))
    assert open_path(tmp_path, NAME, audio=Audio(iq=True, center_frequency=0)).description.center_frequency == 0
    assert open_path(tmp_path, NAME, channel="0").description.center_frequency == 0


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_invalid(tmp_path: Path, kind: str, share: float) -> None:
    """The library reads it as a shorter recording, without a word."""
    path = write(tmp_path, noise(10_000), kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert soundfile.info(path).frames < 10_000
    refused(tmp_path, path, "cut off", "20000 bytes", "copy it again")


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "FLAC"])
@pytest.mark.parametrize("size", [0, 4, 15, 30, 60])
def test_a_header_that_was_cut_off_is_invalid(tmp_path: Path, kind: str, size: int) -> None:
    path = write(tmp_path, noise(10_000), kind)
    path.write_bytes(path.read_bytes()[:size])
    refused(tmp_path, path)


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_flac_that_was_cut_off_is_invalid(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, noise(10_000), "FLAC")
    path.write_bytes(path.read_bytes()[:size])
    refused(tmp_path, path, "damaged or cut off")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_flac_with_a_changed_byte_is_invalid(tmp_path: Path, share: float) -> None:
    """Its blocks carry checksums: silence in place of what was lost would be a wrong spectrogram."""
    path = write(tmp_path, noise(50_000), "FLAC")
    middle = int(path.stat().st_size * share)
    patch(path, middle, bytes([path.read_bytes()[middle] ^ 0x55]))
    refused(tmp_path, path, "damaged or cut off")


def test_a_flac_without_a_length_is_refused(tmp_path: Path) -> None:
    """It would be read as 9e18 samples."""
    path = write(tmp_path, noise(1000), "FLAC")
    patch(path, 21, bytes([path.read_bytes()[21] & 0xF0, 0, 0, 0, 0]))
    refused(tmp_path, path, "how many samples")


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        (24, struct.pack("<I", 0)),  # sample rate
        (24, struct.pack("<I", 2**32 - 1)),
        (22, struct.pack("<H", 0)),  # channels
        (22, struct.pack("<H", 65_535)),
        (34, struct.pack("<H", 65_535)),  # bits of a sample
        (20, struct.pack("<H", 0x1234)),  # encoding
        (16, struct.pack("<I", 2**32 - 1)),  # size of the format chunk
        (36, b"none"),  # no data chunk
        (40, struct.pack("<I", 2**30)),
        (12, b"\xff" * 24),
    ],
)
def test_a_header_that_cannot_be_is_one_clear_error(tmp_path: Path, offset: int, content: bytes) -> None:
    path = write(tmp_path, noise(1000))
    patch(path, offset, content)
    refused(tmp_path, path, channel="0")


def test_chunks_without_end_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 100_000)
    refused(tmp_path, path, "no data chunk")


def test_lossy_samples_are_refused_by_name(tmp_path: Path) -> None:
    refused(tmp_path, write(tmp_path, noise(1000), "WAV", "IMA_ADPCM"), "IMA_ADPCM", "convert it")


@pytest.mark.parametrize(
    "content", [b"OggS" + bytes(100), b"FORM\0\0\0\0AIFF" + bytes(100), bytes(100), b"RIFF\0\0\0\0AVI "]
)
def test_other_files_never_reach_the_audio_library(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libsndfile reads formats that make it open further files."""
    monkeypatch.setattr(soundfile, "SoundFile", None)
    (tmp_path / "sound.wav").write_bytes(content)
    refused(tmp_path, tmp_path / "sound.wav", "not a WAV, RF64, W64 or FLAC file", format=InputFormat.AUDIO)


def test_a_file_that_shrinks_while_it_is_read_is_invalid(tmp_path: Path) -> None:
    path = write(tmp_path, noise(100_000))
    with closing(open_path(tmp_path, path.name).reader()) as reader:
        os.truncate(path, 50_000)
        with pytest.raises(WorkerError) as caught:
            reader.read(0, np.empty(100_000))
    assert says(caught.value, ExitCode.INPUT_INVALID, "sound.wav", "was changed while it was read")


def test_a_symbolic_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "sound.wav").symlink_to(write(tmp_path, noise(10)))
    refused(root, root / "sound.wav", "out of the claim", format=InputFormat.AUDIO)
