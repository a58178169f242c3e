"""SigMF: what the library writes is read the same; header bytes, channels, captures; metadata that lies."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat, Range, Raw, RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import open_recording
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import RATE, open_path, read, says, write_sigmf

VALUES = np.arange(1, 121)
DATATYPES = [
    f"{parts}{kind}{order}"
    for parts in "rc"
    for kind in ("f32", "f64", "i8", "i16", "i32", "u8", "u16", "u32")
    for order in (("",) if kind[1:] == "8" else ("_le", "_be"))
]


def component(datatype: str) -> np.dtype[Any]:
    kind, bits = datatype[1], int(datatype[2:].split("_")[0])
    return np.dtype(f"{'>' if datatype.endswith('_be') else '<'}{kind}{bits // 8}")


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_reads_as_the_library_reads_it(tmp_path: Path, datatype: str) -> None:
    data = tmp_path / "signal.sigmf-data"
    data.write_bytes(VALUES.astype(component(datatype)).tobytes())
    written = sigmf.SigMFFile(data_file=data, global_info={"core:datatype": datatype, "core:sample_rate": 48000})
    written.add_capture(0, metadata={"core:frequency": 433.92e6, "core:datetime": "2024-05-06T07:08:09.25Z"})
    written.tofile(tmp_path / "signal.sigmf-meta")

    recording = open_path(tmp_path, "signal.sigmf-meta")
    samples, missing = read(recording)

    assert recording.description.format is InputFormat.SIGMF
    assert recording.description.sample_type == datatype
    assert float(recording.description.sample_rate) == 48000
    assert recording.description.center_frequency == 433.92e6
    assert recording.description.start_time == datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)
    expected = sigmf.fromfile(tmp_path / "signal.sigmf-meta", skip_checksum=True).read_samples()
    if datatype[1] == "u":  # the library puts zero on a code, converters between two
        expected = expected + (1 + 1j if datatype[0] == "c" else 1) * 2.0 ** -int(datatype[2:].split("_")[0])
    np.testing.assert_allclose(samples, expected, rtol=0, atol=2**-24)  # the library converts to float32
    assert not missing.any()


@pytest.mark.parametrize("path", ["signal.sigmf-meta", "signal.sigmf-data", "signal"])
def test_either_file_or_their_common_name_opens_the_recording(tmp_path: Path, path: str) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le")
    assert open_path(tmp_path, path).description.length == 10


@pytest.mark.parametrize(
    "datatype", ["xcf32_le", "cf32_le!", "cf32", "ci8_le", "cf16_le", "ci64_le", "CF32_LE", "", 7, None]
)
def test_a_datatype_must_match_as_a_whole(tmp_path: Path, datatype: Any) -> None:
    write_sigmf(tmp_path, bytes(80), datatype=datatype)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:datatype", "cf32_le")


def test_header_bytes_before_each_capture_are_not_samples(tmp_path: Path) -> None:
    """Also as the library reads them, capture by capture."""
    parts = [np.arange(10, dtype="<i2"), np.arange(100, 106, dtype="<i2")]
    content = bytes(range(7)) + parts[0].tobytes() + b"head" + parts[1].tobytes() + b"tail!"
    captures = [
        {"core:sample_start": 0, "core:header_bytes": 7},
        {"core:sample_start": 10, "core:header_bytes": 4},
    ]
    write_sigmf(tmp_path, content, captures=captures, datatype="ri16_le", trailing_bytes=5)
    samples, _ = read(open_path(tmp_path, "signal"))
    np.testing.assert_array_equal(samples * 32768, np.concatenate(parts))
    only, _ = read(open_path(tmp_path, "signal", capture=1))
    np.testing.assert_array_equal(only * 32768, parts[1])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_interleaved_channels_are_told_apart(tmp_path: Path, channel: int) -> None:
    stored = np.arange(100_000 * 3 * 2).reshape(100_000, 3, 2).astype("<i4")
    write_sigmf(tmp_path, stored.tobytes(), datatype="ci32_le", num_channels=3)
    recording = open_path(tmp_path, "signal", channel=str(channel))
    samples, _ = read(recording)
    assert recording.description.length == 100_000
    np.testing.assert_array_equal(samples * 2**31, stored[:, channel, 0] + 1j * stored[:, channel, 1])


@pytest.mark.parametrize(("channel", "words"), [(None, "0 to 2"), ("3", "no channel 3"), ("first", "no channel first")])
def test_a_channel_that_is_not_there_is_named(tmp_path: Path, channel: str | None, words: str) -> None:
    write_sigmf(tmp_path, bytes(240), datatype="cf32_le", num_channels=3)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal", channel=channel)
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.channel", words)


def retuned(root: Path) -> None:
    """100 samples at 100 MHz, 100 at 200 MHz, 100 at 100 MHz again: each lasts 100 µs."""
    captures = [
        {"core:sample_start": start, "core:frequency": frequency, "core:datetime": f"2024-01-01T00:00:00.000{place}Z"}
        for place, (start, frequency) in enumerate(((0, 100e6), (100, 200e6), (200, 100e6)))
    ]
    write_sigmf(root, np.arange(300).astype("<f4").tobytes(), captures=captures, datatype="rf32_le")


def test_several_center_frequencies_in_the_range_are_listed(tmp_path: Path) -> None:
    retuned(tmp_path)
    for selected in (None, Range(start_sample=99, samples=2)):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "signal", range=selected)
        assert says(caught.value, ExitCode.INPUT_INVALID, "100000000, 200000000", "input.capture")


def test_row_4_the_jobs_centre_frequency_beats_several(tmp_path: Path) -> None:
    retuned(tmp_path)
    found = open_path(tmp_path, "signal", raw=Raw(center_frequency=7e6)).description
    assert found.center_frequency == 7e6
    assert ["100000000, 200000000 Hz" in text for text in found.warnings] == [True]


@pytest.mark.parametrize(("apart", "is_one"), [(0.001, True), (499.0, True), (501.0, False)])
def test_row_13_center_frequencies_within_half_a_bin_are_one(tmp_path: Path, apart: float, is_one: bool) -> None:
    """Some programs write the same frequency with each capture, rounded each time."""
    captures = [
        {"core:sample_start": 0, "core:frequency": 1e8},
        {"core:sample_start": 50, "core:frequency": 1e8 + apart},
    ]
    write_sigmf(tmp_path, bytes(800), captures=captures, datatype="cf32_le")
    selection = RecordingSelection(path="signal")
    with nullcontext() if is_one else pytest.raises(WorkerError, match="several centre frequencies"):
        found = open_recording(ClaimStore(tmp_path), selection, fft_size=RATE // 1000).description
        assert (found.center_frequency, found.warnings) == (1e8, ())
    with pytest.raises(WorkerError, match="several centre frequencies"):
        open_recording(ClaimStore(tmp_path), selection)


def test_a_capture_can_be_chosen(tmp_path: Path) -> None:
    retuned(tmp_path)
    recording = open_path(tmp_path, "signal", capture=1)
    assert (recording.description.center_frequency, recording.description.length) == (200e6, 100)
    assert recording.description.start_time == datetime(2024, 1, 1, 0, 0, 0, 100, tzinfo=UTC)
    np.testing.assert_array_equal(read(recording)[0], np.arange(100, 200))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal", capture=3)
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.capture", "3 captures")


def test_a_range_within_one_capture_is_enough(tmp_path: Path) -> None:
    retuned(tmp_path)
    recording = open_path(tmp_path, "signal", range=Range(start_sample=100, samples=100))
    assert (recording.description.center_frequency, recording.description.length) == (200e6, 300)


def test_what_was_not_recorded_between_captures_is_a_gap(tmp_path: Path) -> None:
    captures = [
        {"core:sample_start": 0, "core:global_index": 1000},
        {"core:sample_start": 50, "core:global_index": 1080},
    ]
    write_sigmf(tmp_path, np.arange(1, 101).astype("<f4").tobytes(), captures=captures, datatype="rf32_le")
    recording = open_path(tmp_path, "signal")
    samples, missing = read(recording)
    assert recording.description.gaps == ((50, 80),)
    assert np.flatnonzero(missing).tolist() == list(range(50, 80))
    np.testing.assert_array_equal(samples[~missing], np.arange(1, 101))


def test_indices_of_a_split_recording_count_from_its_first_file(tmp_path: Path) -> None:
    captures = [{"core:sample_start": 5000}, {"core:sample_start": 5060}]
    write_sigmf(tmp_path, np.arange(100).astype("<f4").tobytes(), captures=captures, datatype="rf32_le", offset=5000)
    np.testing.assert_array_equal(read(open_path(tmp_path, "signal"))[0], np.arange(100))


def test_samples_may_have_another_file_name_in_the_same_folder(tmp_path: Path) -> None:
    write_sigmf(tmp_path, b"", datatype="cf32_le", dataset="other.bin")
    (tmp_path / "other.bin").write_bytes(bytes(80))
    assert open_path(tmp_path, "signal.sigmf-meta").description.length == 10


@pytest.mark.parametrize("dataset", ["../secret.raw", "/etc/passwd", "..", "folder/file"])
def test_a_file_name_may_not_lead_elsewhere(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(80))
    root = tmp_path / "root"
    root.mkdir()
    write_sigmf(root, b"", datatype="cf32_le", dataset=dataset)
    with pytest.raises(WorkerError) as caught:
        open_path(root, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:dataset")


def test_a_missing_sample_rate_can_come_from_the_job(tmp_path: Path) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le", sample_rate=None)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INVALID_SPEC, "core:sample_rate", "input.raw.sampleRate")
    raw = Raw(sample_rate=RATE, center_frequency=5e6)
    found = open_path(tmp_path, "signal", raw=raw, format=InputFormat.SIGMF).description
    assert (float(found.sample_rate), found.center_frequency) == (RATE, 5e6)


def test_missing_samples_file_is_not_found(tmp_path: Path) -> None:
    write_sigmf(tmp_path, b"", datatype="cf32_le").unlink()
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "signal.sigmf-data")


def test_missing_metadata_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "signal.sigmf-data").write_bytes(bytes(80))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-data")
    assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "signal.sigmf-meta")


def test_a_samples_file_that_was_cut_off_is_invalid(tmp_path: Path) -> None:
    captures = [{"core:sample_start": 0}, {"core:sample_start": 50}]
    write_sigmf(tmp_path, bytes(4 * 40), captures=captures, datatype="rf32_le")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "160 bytes", "capture 0", "to byte 200", "cut off")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal", capture=1)
    assert says(caught.value, ExitCode.INPUT_INVALID, "160 bytes", "capture 1", "cut off")


@pytest.mark.parametrize(("stop", "is_there"), [(39, True), (40, True), (41, False), (50, False), (51, False)])
def test_row_7_what_is_there_of_a_file_that_was_cut_off_can_be_chosen(
    tmp_path: Path, stop: int, is_there: bool
) -> None:
    captures = [{"core:sample_start": 0}, {"core:sample_start": 20}, {"core:sample_start": 50}]
    values = np.arange(1, 41).astype("<f4")
    write_sigmf(tmp_path, values.tobytes() + b"ab", captures=captures, datatype="rf32_le")
    with nullcontext() if is_there else pytest.raises(WorkerError, match=r"capture 1 .* reaches to byte 200"):
        found = open_path(tmp_path, "signal", range=Range(start_sample=0, samples=stop))
        np.testing.assert_array_equal(read(found, 0, stop)[0], values[:stop])
        assert ["was cut off" in text for text in found.description.warnings] == [True]
    first = open_path(tmp_path, "signal", capture=0)
    assert (first.description.length, first.description.warnings) == (20, ())
    np.testing.assert_array_equal(read(first)[0], values[:20])


@pytest.mark.parametrize("content", [b"", b"}{", b"[1]", b'{"global": 3}', b"\xff\xfe", b"[" * 100_000])
def test_metadata_that_is_not_sigmf_is_invalid(tmp_path: Path, content: bytes) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le")
    (tmp_path / "signal.sigmf-meta").write_bytes(content)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_INVALID, "signal.sigmf-meta")


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({}, "core:sample_start"),
        ({"core:sample_start": -1}, "core:sample_start"),
        ({"core:sample_start": 0.5}, "core:sample_start"),
        ({"core:sample_start": True}, "core:sample_start"),
        ({"core:sample_start": 10**400}, "core:sample_start"),
        ({"core:sample_start": 0, "core:header_bytes": "7"}, "core:header_bytes"),
        ({"core:sample_start": 0, "core:frequency": "FM"}, "core:frequency"),
        ({"core:sample_start": 0, "core:frequency": 10**400}, "core:frequency"),
        ({"core:sample_start": 0, "core:frequency": float("nan")}, "core:frequency"),
        ("capture", "captures"),
    ],
)
def test_captures_that_cannot_be_are_named(tmp_path: Path, entry: Any, word: str) -> None:
    write_sigmf(tmp_path, bytes(80), captures=[entry], datatype="cf32_le")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, word)


def test_captures_out_of_order_are_invalid(tmp_path: Path) -> None:
    captures = [{"core:sample_start": 5}, {"core:sample_start": 0}]
    write_sigmf(tmp_path, bytes(80), captures=captures, datatype="cf32_le")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "order")


def test_no_capture_means_one_from_the_start(tmp_path: Path) -> None:
    write_sigmf(tmp_path, bytes(80), captures=[], datatype="cf32_le")
    assert open_path(tmp_path, "signal").description.length == 10


def test_metadata_only_and_empty_recordings_are_invalid(tmp_path: Path) -> None:
    write_sigmf(tmp_path, b"", datatype="cf32_le", metadata_only=True)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:metadata_only")
    write_sigmf(tmp_path, bytes(7), datatype="cf32_le")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "empty")


def test_large_metadata_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le")
    path = tmp_path / "signal.sigmf-meta"
    path.write_bytes(path.read_bytes() + b" " * 16 * 2**20)
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "16 MiB")


@pytest.mark.parametrize(
    "value",
    ["\ud800.bin", "a/b", "..", "", [1], 7, {"a": [[[]]]}],
    ids=["half a pair", "path", "above", "nothing", "list", "number", "object"],
)
def test_a_data_file_whose_name_no_file_has_is_named(tmp_path: Path, value: Any) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="ci16_le", dataset=value)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:dataset", "a file in the same folder")


def test_a_field_that_is_nested_deeply_is_named(tmp_path: Path) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="ci16_le")
    path = tmp_path / "signal.sigmf-meta"
    path.write_text(
        path.read_text().replace('"core:sample_rate": 1000000', '"core:sample_rate": ' + "[" * 60 + "]" * 60)
    )
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal.sigmf-meta")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:sample_rate is of the type list")
