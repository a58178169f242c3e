"""Raw files: every datatype, the names that receivers write, and every way in which a file can be unusable."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import open_recording
from spectrogram_worker.sources.file_names import parameters_in_name
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import integer_pairs, open_path, open_raw, read, says, scaled, write_raw
from unit.worker.rights import obeying_permissions

KINDS = {
    "f32": "f4",
    "f64": "f8",
    "i8": "i1",
    "i16": "i2",
    "i32": "i4",
    "u8": "u1",
    "u16": "u2",
    "u32": "u4",
}
DATATYPES = [
    f"{parts}{kind}{order}"
    for parts in "rc"
    for kind in KINDS
    for order in (("",) if kind[1:] == "8" else ("_le", "_be"))
]


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_reads_with_full_scale_one(tmp_path: Path, datatype: str, double: bool) -> None:
    kind = datatype[1:].split("_")[0]
    bits = int(kind[1:])
    values: Any = np.array([-1.0, -0.5, 0.0, 0.25, 0.5, 0.75])
    stored = np.array(values * 2.0 ** (bits - 1) if kind[0] != "f" else values)
    stored = (stored + 2.0 ** (bits - 1) if kind[0] == "u" else stored).astype(KINDS[kind])
    write_raw(tmp_path, stored.astype(stored.dtype.newbyteorder(">" if datatype.endswith("_be") else "<")))
    expected = values[0::2] + 1j * values[1::2] if datatype[0] == "c" else values

    recording = open_raw(tmp_path, datatype)
    samples, missing = read(recording, double=double)

    assert recording.description.sample_type == datatype
    assert recording.description.bytes_per_sample == bits // 8 * (2 if datatype[0] == "c" else 1)
    half_step = (1 + 1j if datatype[0] == "c" else 1) * 2.0**-bits if kind[0] == "u" else 0
    np.testing.assert_array_equal(samples, (expected + half_step).astype(samples.dtype))
    assert not missing.any()


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("kind", ["i8", "u8", "i16_be", "u16_le", "f32_le", "f64_be"])
@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (3, 1), (0, 2)])
def test_two_of_several_channels_are_i_and_q_in_the_order_that_the_job_says(
    tmp_path: Path, kind: str, pair: tuple[int, int], double: bool
) -> None:
    dtype = np.dtype(KINDS[kind.split("_")[0]]).newbyteorder(">" if kind.endswith("_be") else "<")
    channels = max(pair) + 1
    stored = np.random.default_rng(1).normal(100, 20, (90_000, channels)).astype(dtype)
    write_raw(tmp_path, stored)
    raw = Raw(datatype=f"r{kind}", sample_rate=1000, channels=channels)
    recording = open_path(tmp_path, "noise.raw", raw=raw, iq_channels=pair)
    bits = 8 * dtype.itemsize
    zero, scale = (2.0 ** (bits - 1) - 0.5 if dtype.kind == "u" else 0), (1 if dtype.kind == "f" else 2.0 ** (1 - bits))
    real: Any = ((stored - zero) * scale).astype(np.float64 if double else np.float32)
    samples, missing = read(recording, double=double)
    np.testing.assert_array_equal(samples, real[:, pair[0]] + 1j * real[:, pair[1]])
    assert recording.description.sample_type == f"c{kind}"
    assert (recording.description.length, recording.description.bytes_per_sample) == (90_000, 2 * dtype.itemsize)
    assert not missing.any()


@pytest.mark.parametrize("datatype", ["ri16_le", "ci16_le"])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_of_several_channels_is_read(tmp_path: Path, datatype: str, channel: int) -> None:
    parts = 2 if datatype[0] == "c" else 1
    stored = np.random.default_rng(1).integers(-999, 999, (1000, 3, parts)).astype("<i2")
    write_raw(tmp_path, stored)
    raw = Raw(datatype=datatype, sample_rate=1000, channels=3)
    samples, _ = read(open_path(tmp_path, "noise.raw", raw=raw, channel=str(channel)))
    expected = stored[:, channel] / 2.0**15 @ ([1, 1j] if parts == 2 else [1])
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"raw": {"datatype": "ri8", "channels": 2}}, ("input.channel is missing", "iqChannels")),
        ({"raw": {"datatype": "ri8", "channels": 2}, "channel": "2"}, ("no channel 2", "0 to 1")),
        ({"raw": {"datatype": "ri8", "channels": 2}, "channel": "left"}, ("no channel left",)),
        ({"raw": {"datatype": "ri8"}, "channel": "1"}, ("no channel 1", "one channel, which is 0")),
        ({"raw": {"datatype": "ri8"}, "iqChannels": [0, 1]}, ("input.iqChannels", "one channel, which is 0")),
        ({"raw": {"datatype": "ri8", "channels": 2}, "iqChannels": [2, 1]}, ("input.iqChannels", "no channel 2")),
        ({"raw": {"datatype": "ci8"}, "iqChannels": [1, 0]}, ("raw.datatype: ri8 and raw.channels: 2",)),
    ],
)
def test_a_channel_that_is_not_there_is_named(tmp_path: Path, fields: dict[str, Any], words: tuple[str, ...]) -> None:
    write_raw(tmp_path, integer_pairs(100, dtype="i1"))
    fields["raw"]["sampleRate"] = 1000
    with pytest.raises(WorkerError) as caught:
        open_recording(ClaimStore(tmp_path), RecordingSelection.model_validate({"path": "noise.raw"} | fields))
    assert says(caught.value, ExitCode.INVALID_SPEC, *words)


def test_the_advice_for_complex_samples_whose_halves_are_swapped_holds(tmp_path: Path) -> None:
    pairs = integer_pairs(100, dtype="i1")
    write_raw(tmp_path, pairs)
    raw = Raw(datatype="ri8", sample_rate=1000, channels=2)
    samples, _ = read(open_path(tmp_path, "noise.raw", raw=raw, iq_channels=(1, 0)))
    np.testing.assert_array_equal(samples, scaled(pairs[:, ::-1]))


def test_bytes_of_rtl_sdr_have_their_zero_between_two_codes(tmp_path: Path) -> None:
    """127 and 128 are as far from zero as each other: a receiver without a constant shows none."""
    write_raw(tmp_path, np.array([127, 128, 0, 255], np.uint8))
    samples, _ = read(open_raw(tmp_path, "cu8"), double=False)
    assert samples.tolist() == [-1 / 256 + 1j / 256, -255 / 256 + 255j / 256]


def test_u32_keeps_small_values_in_single_precision(tmp_path: Path) -> None:
    """2³¹ + 5 rounds to 2³¹ in float32: the offset must go before the conversion."""
    write_raw(tmp_path, np.array([2**31 + 5, 2**31 - 3], "<u4"))
    samples, _ = read(open_raw(tmp_path, "ru32_le"), double=False)
    np.testing.assert_array_equal(samples, np.array([5.5, -2.5]) / 2**31)


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_be", "ru8", "cf64_le"])
def test_any_piece_equals_the_whole(tmp_path: Path, datatype: str) -> None:
    """Also pieces longer than the reader's buffer."""
    content = np.random.default_rng(1).integers(0, 256, 2_400_000, np.uint8)
    if "f" in datatype:
        content = np.random.default_rng(1).normal(size=300_000).astype(f"<f{int(datatype[2:4]) // 8}")
    write_raw(tmp_path, content)
    recording = open_raw(tmp_path, datatype)
    whole, _ = read(recording)
    for start, count in ((0, 1), (7, 65_536), (123, 100_001), (recording.description.length - 3, 3)):
        np.testing.assert_array_equal(read(recording, start, count)[0], whole[start : start + count])


@pytest.mark.parametrize("dtype", ["<c8", ">c8", "<c16"])
def test_samples_that_are_not_finite_are_missing(tmp_path: Path, dtype: str) -> None:
    values = np.arange(100_000).astype(dtype)
    values[[3, 50_000]] = np.nan
    values[70_000] = complex(1, np.inf)
    write_raw(tmp_path, values)
    name = f"cf{values.dtype.itemsize * 4}_{'be' if dtype[0] == '>' else 'le'}"
    samples, missing = read(open_raw(tmp_path, name), double=False)
    assert np.flatnonzero(missing).tolist() == [3, 50_000, 70_000]
    np.testing.assert_array_equal(samples, np.where(missing, 0, values).astype(np.complex64))


def test_a_large_double_is_not_missing(tmp_path: Path) -> None:
    """1e300 is finite, though float32 cannot hold it: the transform must say so, not leave it out."""
    write_raw(tmp_path, np.array([1e300, 1.0]))
    samples, missing = read(open_raw(tmp_path, "rf64_le"), double=False)
    assert not missing.any()
    assert np.isinf(samples[0])


def test_what_lies_beyond_the_recording_is_missing(tmp_path: Path) -> None:
    write_raw(tmp_path, np.ones(10, "<f4"))
    samples, missing = read(open_raw(tmp_path, "rf32_le"), 8, 5)
    assert missing.tolist() == [False, False, True, True, True]
    assert samples.tolist() == [1, 1, 0, 0, 0]


def test_an_incomplete_last_sample_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "noise.raw").write_bytes(bytes(8 * 10 + 5))
    assert open_raw(tmp_path, "cf32_le").description.length == 10


def test_nothing_is_mapped_into_memory(tmp_path: Path) -> None:
    path = write_raw(tmp_path, np.zeros(100_000, "<c8"))
    recording = open_raw(tmp_path, "cf32_le")
    reader = recording.reader()
    reader.read(0, np.empty(100_000, np.complex64))
    assert str(path) not in Path("/proc/self/maps").read_text()
    reader.close()


EVENING = datetime(2026, 1, 31, 19, 45, 3, tzinfo=UTC)
BEFORE = datetime(2023, 8, 5, 18, 2, 45, 534_000, tzinfo=UTC)
UHF, HF = 433.92e6, 7.1e6
NAMES: dict[str, tuple[str | None, float | None, float | None, datetime | None, bool]] = {
    "gqrx_20260131_194503_433920000_250000_fc.raw": ("cf32_le", 250e3, UHF, EVENING, True),
    "gqrx_20260131_194503_433920000_250000_fc (1).raw": ("cf32_le", 250e3, UHF, EVENING, True),
    "meteor-gqrx_20260131_194503_433920000_250000_fc.raw": ("cf32_le", 250e3, UHF, EVENING, True),
    "gqrx_20260131_194503_433920000_250000_fc_door-open.raw": ("cf32_le", 250e3, UHF, EVENING, True),
    "gqrx_20231306_151838_428000000_200000_fc.raw": ("cf32_le", 200e3, 428e6, None, True),
    "2026-01-31_19-45-03_250000SPS_433920000Hz.cf32": ("cf32_le", 250e3, UHF, EVENING, True),
    "NOAA-19-2026-01-31_19-45-03_250000SPS_433920000Hz.cf32": ("cf32_le", 250e3, UHF, EVENING, True),
    "2026-01-31_19-45-03_250000SPS_433920000Hz (2).s8": ("ci8", 250e3, UHF, EVENING, True),
    "2026-01-31_19-45-03_2.5e+05SPS_433920000Hz.cf32": ("cf32_le", 250e3, UHF, EVENING, True),
    "2023-08-05_18-02-45-534_1000000SPS_100000000Hz.f32": ("cf32_le", 1e6, 100e6, BEFORE, True),
    "2023-08-05_18-02-45-1691258565.534000_8000000SPS_2284000000Hz.cs16": ("ci16_le", 8e6, 2284e6, BEFORE, True),
    "HDSDR_20260131_194503Z_7100kHz_RF.wav": (None, None, HF, EVENING, True),
    "HDSDR_20260131_194503_7100kHz_RF.wav": (None, None, HF, EVENING, False),
    "SDRuno_20260131_194503Z_7100kHz.wav": (None, None, HF, EVENING, True),
    "evening-SDRuno_20260131_194503Z_7100kHz (1).wav": (None, None, HF, EVENING, True),
    "SDRconnect_IQ_20260131_194503_7100000HZ.wav": (None, None, HF, EVENING, False),
    "SDRSharp_20260131_194503Z_7100000Hz_IQ.cu8": ("cu8", None, HF, EVENING, True),
    "baseband_7100000Hz_19-45-03_31-01-2026.wav": (None, None, HF, EVENING, False),
    "my baseband_7100000Hz_19-45-03_31-01-2026 (3).wav": (None, None, HF, EVENING, False),
    "31-Jan-2026 194503.000 7.100MHz.wav": (None, None, HF, EVENING, False),
    "31-Jan-2026 194503.000 7.100MHz 000.wav": (None, None, HF, EVENING, False),
    "31-Abc-2026 194503.000 7.100MHz.raw": (None, None, HF, None, True),
    "g001_433.92M_250k.cu8": ("cu8", 250e3, UHF, None, True),
    "g001_tamper-close_433.92M_250k.cu8": ("cu8", 250e3, UHF, None, True),
    "g001_433.92M_250k (1).cu8": ("cu8", 250e3, UHF, None, True),
    "433.92M_2.4M.cs16": ("ci16_le", 2.4e6, UHF, None, True),
    "HackRF-20260131_194503-433_92MHz-250KSps-250KHz.complex": ("cf32_le", 250e3, UHF, EVENING, False),
    "HackRF-20260131_194503-868MHz-2MSps-2MHz.complex16s": ("ci8", 2e6, 868e6, EVENING, False),
    "noise.cf32": ("cf32_le", None, None, None, True),
    "REC.CF32": ("cf32_le", None, None, None, True),
    "noise.raw": (None, None, None, None, True),
    "433_250k.cu8": ("cu8", None, None, None, True),
    "take 12M_3.cs8": ("ci8", None, None, None, True),
    "9e99M_250k.cu8": ("cu8", 250e3, None, None, True),
    "0" * 250: (None, None, None, None, True),
}


@pytest.mark.parametrize("name", NAMES)
def test_receivers_write_parameters_into_names(name: str) -> None:
    """Also with something before and after, as people rename and browsers number them."""
    datatype, rate, center, time, is_utc = NAMES[name]
    found = parameters_in_name(name)
    assert (found.datatype, found.start_time, found.is_utc) == (datatype, time, is_utc)
    assert found.sample_rate == pytest.approx(rate)
    assert found.center_frequency == pytest.approx(center)


def test_a_time_of_a_zone_that_nobody_says_is_taken_as_utc_with_a_warning(tmp_path: Path) -> None:
    name = "HackRF-20260131_194503-433_92MHz-250KSps-250KHz.complex"
    write_raw(tmp_path, np.ones(5, "<c8"), name)
    found = open_path(tmp_path, name).description
    assert found.start_time == EVENING
    (warning,) = found.warnings
    assert "does not say its zone: taken to be UTC" in warning


def test_a_portapack_writes_rate_and_centre_into_a_file_beside(tmp_path: Path) -> None:
    write_raw(tmp_path, np.ones(8, "<i2"), "BBD_0010.C16")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "BBD_0010.C16")
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.raw.sampleRate")
    (tmp_path / "BBD_0010.TXT").write_bytes(b"sample_rate=250000\r\ncenter_frequency=433920000\r\n\xff=7" + bytes(9000))
    found = open_path(tmp_path, "BBD_0010.C16").description
    assert (found.sample_type, float(found.sample_rate), found.center_frequency) == ("ci16_le", 250_000, UHF)
    found = open_path(tmp_path, "BBD_0010.C16", raw=Raw(sample_rate=5.0, datatype="cu8")).description
    assert (found.sample_type, float(found.sample_rate), found.center_frequency) == ("cu8", 5, UHF)


def test_a_name_is_enough(tmp_path: Path) -> None:
    name = "gqrx_20230806_151838_428000000_200000_fc.raw"
    write_raw(tmp_path, np.ones(5, "<c8"), name)
    found = open_path(tmp_path, name).description
    assert (found.format, float(found.sample_rate), found.center_frequency) == (InputFormat.RAW, 200e3, 428e6)
    assert found.start_time == datetime(2023, 8, 6, 15, 18, 38, tzinfo=UTC)


def test_what_the_job_says_beats_the_name(tmp_path: Path) -> None:
    name = "gqrx_20230806_151838_428000000_200000_fc.raw"
    write_raw(tmp_path, np.ones(8, "<i2"), name)
    said = Raw(datatype="ci16_le", sample_rate=5.5, center_frequency=0.0)
    found = open_path(tmp_path, name, raw=said).description
    assert (found.sample_type, float(found.sample_rate), found.center_frequency) == ("ci16_le", 5.5, 0.0)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (None, "input.raw.datatype"),
        (Raw(sample_rate=1.0), "input.raw.datatype"),
        (Raw(datatype="cf32_le"), "input.raw.sampleRate"),
    ],
)
def test_what_nobody_says_is_named(tmp_path: Path, raw: Raw | None, field: str) -> None:
    write_raw(tmp_path, np.ones(8, "<c8"))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "noise.raw", raw=raw)
    assert says(caught.value, ExitCode.INVALID_SPEC, field)


def test_a_path_with_nothing_there_is_not_found(tmp_path: Path) -> None:
    for path in ("absent.raw", "absent/noise.raw"):
        with pytest.raises(WorkerError) as caught:
            open_raw(tmp_path, "cf32_le", path)
        assert says(caught.value, ExitCode.INPUT_NOT_FOUND, path)


def test_an_empty_file_is_invalid(tmp_path: Path) -> None:
    write_raw(tmp_path, np.empty(0))
    with pytest.raises(WorkerError) as caught:
        open_raw(tmp_path, "cf32_le")
    assert says(caught.value, ExitCode.INPUT_INVALID, "noise.raw", "empty")


def test_a_file_that_shrinks_while_it_is_read_is_invalid(tmp_path: Path) -> None:
    path = write_raw(tmp_path, np.ones(1000, "<c8"))
    recording = open_raw(tmp_path, "cf32_le")
    os.truncate(path, 4000)
    with pytest.raises(WorkerError) as caught:
        read(recording)
    assert says(caught.value, ExitCode.INPUT_INVALID, "noise.raw", "was changed while it was read")


def test_a_file_without_read_permission_is_invalid(tmp_path: Path) -> None:
    write_raw(tmp_path, np.ones(10, "<c8")).chmod(0)
    with obeying_permissions(), pytest.raises(WorkerError) as caught:
        open_raw(tmp_path, "cf32_le")
    assert says(caught.value, ExitCode.INPUT_INVALID, "noise.raw", "read permission")


def test_a_failing_disk_is_an_io_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_raw(tmp_path, np.ones(10, "<c8"))
    recording = open_raw(tmp_path, "cf32_le")

    def fail(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(WorkerError) as caught:
        read(recording)
    assert says(caught.value, ExitCode.IO_ERROR, "noise.raw", "Input/output error")


def test_a_symbolic_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    secret = write_raw(tmp_path, np.ones(10, "<c8"), "secret.raw")
    (root / "noise.raw").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    for path in ("noise.raw", "folder/secret.raw"):
        with pytest.raises(WorkerError) as caught:
            open_raw(root, "cf32_le", path)
        assert says(caught.value, ExitCode.INPUT_INVALID, path, "out of the claim")


def test_a_symbolic_link_within_the_root_is_followed(tmp_path: Path) -> None:
    write_raw(tmp_path, np.ones(10, "<c8"), "recorded.raw")
    (tmp_path / "noise.raw").symlink_to("recorded.raw")
    assert open_raw(tmp_path, "cf32_le").description.length == 10


def test_a_link_swapped_in_after_opening_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    path = write_raw(root, np.ones(10, "<c8"))
    recording = open_raw(root, "cf32_le")
    path.unlink()
    path.symlink_to(write_raw(tmp_path, np.ones(10, "<c8"), "secret.raw"))
    with pytest.raises(WorkerError) as caught:
        recording.reader()
    assert says(caught.value, ExitCode.INPUT_INVALID, "out of the claim")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.raw").symlink_to("other.raw")
    (tmp_path / "other.raw").symlink_to("noise.raw")
    with pytest.raises(WorkerError) as caught:
        open_raw(tmp_path, "cf32_le")
    assert says(caught.value, ExitCode.INPUT_INVALID, "noise.raw", "circle")


def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "noise.raw")
    assert stat.S_ISFIFO((tmp_path / "noise.raw").stat().st_mode)
    with pytest.raises(WorkerError) as caught:
        open_raw(tmp_path, "cf32_le")
    assert says(caught.value, ExitCode.INPUT_INVALID, "not a regular file")
