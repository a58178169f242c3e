"""WAV, RF64, BW64 and W64 as recorders leave them: lengths that are not true, several data chunks, odd places."""

import os
import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.io import wavfile

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Audio, Range
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.audio import chunks
from unit.worker.recordings import integer_pairs, open_path, read, says, scaled

RATE = 48_000
IQ = Audio(iq=True, center_frequency=0)
PAIRS = integer_pairs(4000, dtype="<i2")
CONTENT = PAIRS.tobytes()
TENTH = len(CONTENT) // 10
RF64_LENGTHS = b"\xff\xff\xff\xff"
W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
ALL_READ = f"says {TENTH // 4} samples, but 4000 are there: all of them are read"
UNKNOWN = "does not say how many samples it holds: all 4000 to its end are read"


def fmt(encoding: int = 1, channels: int = 2, bits: int = 16, align: int | None = None) -> bytes:
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", encoding, channels, RATE, RATE * align, align, bits)


def extensible(valid_bits: int, bits: int, channels: int = 2) -> bytes:
    guid = struct.pack("<H", 1) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    return fmt(0xFFFE, channels, bits) + struct.pack("<HHI", 22, valid_bits, 3) + guid


def chunk(name: bytes, content: bytes, declared: int | None = None) -> bytes:
    size = len(content) if declared is None else declared
    return name + struct.pack("<I", size) + content + bytes(len(content) % 2)


def riff(*content: bytes, name: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(content)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def wide(data_size: int, name: bytes = b"RF64") -> bytes:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", data_size and data_size + 72, data_size, data_size // 4, 0))
    return riff(ds64, chunk(b"fmt ", fmt()), b"data" + RF64_LENGTHS + CONTENT, name=name, size=2**32 - 1)


def w64(declared: int, content: bytes = CONTENT) -> bytes:
    head = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00" + struct.pack("<Q", 0) + b"wave" + W64_TAIL
    head += b"fmt " + W64_TAIL + struct.pack("<Q", 40) + fmt()
    return head + b"data" + W64_TAIL + struct.pack("<Q", declared) + content


def wav(declared: int, *, before: bytes = b"", behind: bytes = b"") -> bytes:
    return riff(before, chunk(b"fmt ", fmt()), chunk(b"data", CONTENT, declared), behind)


def opened(root: Path, content: bytes, name: str = "pass.wav", **fields: Any) -> Any:
    (root / name).write_bytes(content)
    return open_path(root, name, **fields)


WHOLE = {
    "good": (wav(len(CONTENT)), ""),
    "length 0": (wav(0), UNKNOWN),
    "RF64 never filled in": (wide(0), UNKNOWN),
    "BW64 never filled in": (wide(0, b"BW64"), UNKNOWN),
    "RF64 without ds64": (riff(chunk(b"fmt ", fmt()), b"data" + RF64_LENGTHS + CONTENT, name=b"RF64"), UNKNOWN),
    "RIFF with room for RF64": (wav(0, before=chunk(b"JUNK", bytes(28))), UNKNOWN),
    "W64 never filled in": (w64(24), UNKNOWN),
    "W64 with length 0": (w64(0), UNKNOWN),
    "W64 with the largest length": (w64(2**63 - 1), UNKNOWN),
    "W64": (w64(24 + len(CONTENT)), ""),
    "W64, stale": (w64(24 + TENTH), ALL_READ),
    "W64 that forgets to count its head": (w64(len(CONTENT)), "says 3994 samples, but 4000 are there"),
    "stale": (wav(TENTH), ALL_READ),
    "stale RF64": (wide(TENTH), ALL_READ),
    "RF64": (wide(len(CONTENT)), ""),
    "BW64": (wide(len(CONTENT), b"BW64"), ""),
    "16 too many": (wav(len(CONTENT) + 16), "says 4004 samples, but 4000 are there"),
    "the whole file": (wav(len(CONTENT) + 44), "says 4011 samples, but 4000 are there"),
    **{
        f"{placeholder:x}": (wav(placeholder), UNKNOWN)
        for placeholder in (
            *(0x7FFFFF00, 0x7FFF0000, 0xFFFFFFDB, 0x7FFFFFDB),
            *(0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),  # into a pipe: sox, arecord, ffmpeg
        )
    },
    "a list behind": (wav(len(CONTENT), behind=chunk(b"LIST", b"INFOsome")), ""),
    "an unknown chunk behind": (wav(len(CONTENT), behind=chunk(b"mine", bytes(100))), ""),
    "a tag behind": (wav(len(CONTENT), behind=b"TAG" + bytes(125)), ""),
    "less than a chunk behind": (wav(len(CONTENT), behind=bytes(3)), ""),
}


@pytest.mark.parametrize(("content", "warning"), WHOLE.values(), ids=WHOLE)
def test_whatever_a_header_says_of_the_length_all_samples_are_read(
    tmp_path: Path, content: bytes, warning: str
) -> None:
    recording = opened(tmp_path, content, audio=IQ)
    assert recording.description.length == 4000
    np.testing.assert_array_equal(read(recording)[0], scaled(PAIRS))
    warnings = recording.description.warnings
    assert len(warnings) == (1 if warning else 0)
    assert all("pass.wav" in text and warning in text for text in warnings)


@pytest.mark.parametrize("extra", [64_000_000, 0, 2**32])
@pytest.mark.parametrize("behind", [b"", b"LIST\4\0\0\0INFO"])
def test_a_riff_of_more_than_4_gib_is_read_whole_where_its_length_began_again(
    tmp_path: Path, extra: int, behind: bytes
) -> None:
    path, total = tmp_path / "long.wav", 2**32 + extra + 4000
    path.write_bytes(riff(chunk(b"fmt ", fmt()), chunk(b"data", CONTENT, total % 2**32)))
    with path.open("r+b") as file:
        file.seek(44 + total)
        file.write(behind)
        file.truncate()
    os.truncate(path, 44 + total + len(behind))
    found = open_path(tmp_path, "long.wav", audio=IQ)
    assert (found.description.length, found.description.warnings) == (total // 4, ())
    np.testing.assert_array_equal(read(found, 0, 4000)[0], scaled(PAIRS))
    assert not read(found, total // 4 - 9, 9)[1].any()


def test_a_riff_of_more_than_4_gib_whose_length_stopped_earlier_is_read_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(wav(1_000_000))
    os.truncate(path, 44 + 2**32 + 64_000_000)
    found = open_path(tmp_path, "long.wav", audio=IQ).description
    assert found.length == (2**32 + 64_000_000) // 4
    assert "says 250000 samples, but 1089741824 are there" in found.warnings[0]


def test_what_was_cut_off_says_how_many_samples_are_there_and_gives_them_to_a_range(tmp_path: Path) -> None:
    content = wav(len(CONTENT))[: 44 + 4 * 1500 + 3]
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, content, audio=IQ)
    advice = "input.range to what is there: {startSample: 0, samples: 1500}"
    assert says(caught.value, ExitCode.INPUT_INVALID, "pass.wav was cut off", "4000 samples", "1500 samples", advice)
    found = opened(tmp_path, content, audio=IQ, range=Range(start_sample=0, samples=1500))
    assert found.description.length == 1500
    assert "was cut off" in found.description.warnings[0]
    np.testing.assert_array_equal(read(found)[0], scaled(PAIRS[:1500]))
    with pytest.raises(WorkerError, match="was cut off"):
        opened(tmp_path, content, audio=IQ, range=Range(start_sample=0, samples=1501))


SEVERAL = {
    "an empty one first": [b"", CONTENT],
    "two": [CONTENT[:1200], CONTENT[1200:]],
    "KiwiSDR": [CONTENT[first : first + 2048] for first in range(0, len(CONTENT), 2048)],
}


@pytest.mark.parametrize("between", [b"", chunk(b"kiwi", bytes(10)), chunk(b"mine", b"odd")], ids=["", "kiwi", "mine"])
@pytest.mark.parametrize("pieces", SEVERAL.values(), ids=SEVERAL)
def test_the_samples_of_several_data_chunks_are_one_recording(
    tmp_path: Path, pieces: list[bytes], between: bytes
) -> None:
    content = riff(chunk(b"fmt ", fmt()), *(between + chunk(b"data", piece) for piece in pieces))
    recording = opened(tmp_path, content, audio=IQ)
    assert recording.description.warnings == ()
    np.testing.assert_array_equal(read(recording)[0], scaled(PAIRS))


def test_row_10_data_chunks_that_end_within_a_sample_are_refused(tmp_path: Path) -> None:
    pieces = [chunk(b"data", CONTENT[first : first + 999]) for first in range(0, len(CONTENT), 999)]
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, riff(chunk(b"fmt ", fmt()), *pieces), audio=IQ)
    assert says(caught.value, ExitCode.INPUT_INVALID, "pass.wav has several data chunks", "whole samples of 4 bytes")


def test_row_7_a_file_that_a_recorder_only_made_is_empty(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, b"", audio=IQ)
    assert says(caught.value, ExitCode.INPUT_INVALID, "pass.wav is empty")


def test_a_recording_of_no_sample_is_empty(tmp_path: Path) -> None:
    for content in (riff(chunk(b"fmt ", fmt()), chunk(b"data", b"")), wav(0)[:44], w64(24, b"")):
        with pytest.raises(WorkerError) as caught:
            opened(tmp_path, content, audio=IQ)
        assert says(caught.value, ExitCode.INPUT_INVALID, "is empty")


VALUES = np.random.default_rng(4).integers(-(2**22), 2**22, (5000, 2)).astype("<i4")
VALUES_16 = VALUES >> 8
IN_FOUR = {
    "the lowest three, sign above": (fmt(bits=24, align=8), VALUES, 24),
    "the lowest three, 0 above": (fmt(bits=24, align=8), VALUES & 0xFFFFFF, 24),
    "the highest three": (fmt(bits=24, align=8), VALUES << 8, 24),
    "16 bits in the lowest two": (fmt(bits=16, align=8), VALUES_16, 16),
    "16 bits in the highest two": (fmt(bits=16, align=8), VALUES_16 << 16, 16),
    "as the standard has it": (extensible(24, 32), VALUES << 8, 24),
    "against the standard": (extensible(24, 32), VALUES, 24),
}


@pytest.mark.parametrize(("header", "stored", "bits"), IN_FOUR.values(), ids=IN_FOUR)
def test_integers_in_four_bytes_are_found_where_they_lie(
    tmp_path: Path, header: bytes, stored: NDArray[Any], bits: int
) -> None:
    values = (VALUES if bits == 24 else VALUES_16).astype(float) / 2.0 ** (bits - 1)
    recording = opened(tmp_path, riff(chunk(b"fmt ", header), chunk(b"data", stored.astype("<i4").tobytes())), audio=IQ)
    np.testing.assert_array_equal(read(recording)[0], values[:, 0] + 1j * values[:, 1])
    assert recording.description.sample_type == f"PCM_{bits} in 4 bytes I/Q"
    assert recording.description.bytes_per_sample == 8


def test_values_that_fit_in_two_ways_are_taken_as_the_standard_has_them_with_a_warning(tmp_path: Path) -> None:
    """Quiet values in the highest three bytes, or such in the lowest whose last 8 bits are all 0."""
    for values, warns in ((VALUES >> 8, True), (VALUES * 0, False)):
        content = riff(chunk(b"fmt ", fmt(bits=24, align=8)), chunk(b"data", (values << 8).astype("<i4").tobytes()))
        recording = opened(tmp_path, content, audio=IQ)
        np.testing.assert_array_equal(read(recording)[0], (values[:, 0] + 1j * values[:, 1]) / 2.0**23)
        assert ["calibrationOffsetDb: 48.16" in text for text in recording.description.warnings] == [True] * warns


def test_three_of_four_bytes_that_are_all_in_use_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 80_000).astype("u1").tobytes()
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, riff(chunk(b"fmt ", fmt(bits=24, align=8)), chunk(b"data", noise)), audio=IQ)
    assert says(caught.value, ExitCode.INPUT_INVALID, "24-bit samples in 4 bytes", "with 3 bytes for each")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("is_signed_above", [True, False])
@pytest.mark.parametrize(
    ("bits", "width", "shift"),
    [
        *((20, 3, 0), (20, 3, 4), (20, 4, 0), (20, 4, 12), (20, 4, 4), (20, 4, 8)),
        *((12, 2, 0), (12, 2, 4), (10, 2, 0), (14, 2, 0), (18, 3, 0), (33, 8, 0), (33, 8, 31)),
    ],
)
def test_row_1_bits_that_fill_no_bytes_are_found_where_they_lie(
    tmp_path: Path, bits: int, width: int, shift: int, is_signed_above: bool, order: str
) -> None:
    """S20_3LE, S20_LE and converters of 12 bits: right-justified, against the standard."""
    values = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (3000, 2), np.int64)
    stored = (values if is_signed_above else values & (2**bits - 1)) << shift
    parts = stored.astype(f"{order}i8").view("u1").reshape(3000, 2, 8)
    content = (parts[..., :width] if order == "<" else parts[..., 8 - width :]).tobytes()
    head = struct.pack(f"{order}HHIIHH", 1, 2, RATE, 2 * RATE * width, 2 * width, bits)
    body = b"WAVE" + b"".join(
        name + struct.pack(f"{order}I", len(said)) + said for name, said in ((b"fmt ", head), (b"data", content))
    )
    name = b"RIFF" if order == "<" else b"RIFX"
    recording = opened(tmp_path, name + struct.pack(f"{order}I", len(body)) + body, audio=IQ)
    expected = (values[:, 0] + 1j * values[:, 1]) / 2.0 ** (bits - 1)
    np.testing.assert_array_equal(read(recording)[0], expected)
    assert recording.description.warnings == ()
    if (shift + bits) % 8:  # else it is not known that the largest value is not that of whole bytes
        reader = recording.reader()
        reader.read(0, np.empty(3000, np.complex64), counted=3000)
        ends = (values == -(2 ** (bits - 1))) | (values == 2 ** (bits - 1) - 1)
        assert reader.at_full_scale == np.count_nonzero(ends.any(axis=1))


@pytest.mark.parametrize(("shift", "warns"), [(0, True), (8, False), (1, False)])
def test_32_bits_that_may_be_24_are_read_as_32_with_a_warning(tmp_path: Path, shift: int, warns: bool) -> None:
    """A recording below −48 dBFS looks the same, so that nothing can tell them apart."""
    loud = VALUES << 1
    content = riff(chunk(b"fmt ", fmt(bits=32)), chunk(b"data", (loud << shift).tobytes()))
    recording = opened(tmp_path, content, audio=IQ)
    values = (loud << shift) / 2.0**31
    np.testing.assert_array_equal(read(recording)[0], values[:, 0] + 1j * values[:, 1])
    assert ["calibrationOffsetDb: 48.16" in text for text in recording.description.warnings] == [True] * warns


@pytest.mark.parametrize("align", [0, 3, 2, 5])
def test_a_block_align_that_cannot_be_is_refused_unless_the_byte_rate_tells(tmp_path: Path, align: int) -> None:
    header = struct.pack("<HHIIHH", 1, 2, RATE, RATE * 4, align, 16)
    recording = opened(tmp_path, riff(chunk(b"fmt ", header), chunk(b"data", CONTENT)), audio=IQ)
    np.testing.assert_array_equal(read(recording)[0], scaled(PAIRS))
    if align:
        with pytest.raises(WorkerError, match="block align"):
            opened(tmp_path, riff(chunk(b"fmt ", fmt(align=align)), chunk(b"data", CONTENT)), audio=IQ)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [12, 20, 24, 33, 36, 45, 53, 64])
def test_integers_of_up_to_64_bits_are_read_as_scipy_reads_them(tmp_path: Path, bits: int, order: str) -> None:
    size = -(-bits // 8)
    values = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 500, np.int64)
    shifted = (values << (8 * size - bits)).astype(f"{order}i8").view("u1").reshape(-1, 8)
    content = (shifted[:, :size] if order == "<" else shifted[:, 8 - size :]).tobytes()
    head = struct.pack(f"{order}HHIIHH", 1, 1, RATE, RATE * size, size, bits)
    body = (
        b"WAVEfmt " + struct.pack(f"{order}I", 16) + head + b"data" + struct.pack(f"{order}I", len(content)) + content
    )
    whole = (b"RIFF" if order == "<" else b"RIFX") + struct.pack(f"{order}I", len(body)) + body
    stored = wavfile.read(BytesIO(whole))[1]
    np.testing.assert_array_equal(read(opened(tmp_path, whole))[0], stored / 2.0 ** (8 * stored.dtype.itemsize - 1))


def test_integers_of_more_than_64_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, riff(chunk(b"fmt ", fmt(bits=72)), chunk(b"data", bytes(180))), audio=IQ)
    assert says(caught.value, ExitCode.INPUT_INVALID, "72 bits", "up to 8 bytes are read")


AUXI_START = struct.pack("<8H", 2026, 1, 6, 31, 19, 45, 3, 250)
AUXI = (
    AUXI_START + struct.pack("<8H", 2026, 1, 6, 31, 19, 45, 4, 0) + struct.pack("<9I", 7_100_000, *8 * [0]) + bytes(96)
)
XML = '<?xml version="1.0"?><SDR-XML-Root><Definition RadioCenterFreq="10489750000" UTCSeconds="1769888703"/>'
NAMED = "SDRSharp_20150804_204000Z_100000000Hz_IQ.wav"
SAID = {
    "structure": (AUXI, 7.1e6, datetime(2026, 1, 31, 19, 45, 3, 250_000, UTC)),
    "centre and no time": (bytes(32) + AUXI[32:], 7.1e6, datetime(2015, 8, 4, 20, 40, tzinfo=UTC)),
    "time and no centre": (AUXI_START + bytes(148), 100e6, datetime(2026, 1, 31, 19, 45, 3, 250_000, UTC)),
    "XML": (XML.encode(), 10_489_750_000, datetime(2026, 1, 31, 19, 45, 3, tzinfo=UTC)),
    "XML of 16 bits": (XML.encode("utf-16-le"), 10_489_750_000, datetime(2026, 1, 31, 19, 45, 3, tzinfo=UTC)),
    "no more than its beginning": (AUXI[:20], 100e6, datetime(2015, 8, 4, 20, 40, tzinfo=UTC)),
    "noise": (b"\xff" * 164, 2**32 - 1, datetime(2015, 8, 4, 20, 40, tzinfo=UTC)),
}


@pytest.mark.parametrize(("auxi", "centre", "start"), SAID.values(), ids=SAID)
def test_the_job_beats_the_auxi_chunk_and_that_the_name(
    tmp_path: Path, auxi: bytes, centre: float, start: datetime
) -> None:
    content = wav(len(CONTENT), before=chunk(b"auxi", auxi))
    found = opened(tmp_path, content, NAMED, audio=Audio(iq=True)).description
    assert (found.center_frequency, found.start_time) == (centre, start)
    told = Audio(iq=True, center_frequency=5)
    assert opened(tmp_path, content, NAMED, audio=told).description.center_frequency == 5
    assert opened(tmp_path, content, NAMED, channel="0").description.center_frequency == 0


def test_eight_bits_of_i_and_q_are_a_converters_counts_and_of_sound_are_not(tmp_path: Path) -> None:
    """A receiver's zero lies between 127 and 128; silence is 128."""
    content = riff(chunk(b"fmt ", fmt(bits=8)), chunk(b"data", bytes([127, 128, 0, 255])))
    assert read(opened(tmp_path, content, audio=IQ))[0].tolist() == [-1 / 256 + 1j / 256, -255 / 256 + 255j / 256]
    assert read(opened(tmp_path, content, channel="1"))[0].tolist() == [0, 127 / 128]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (2, 3), (3, 0), (2, 1), (0, 2)])
def test_any_two_channels_can_be_i_and_q_in_either_order(
    tmp_path: Path, kind: str, subtype: str, pair: tuple[int, int]
) -> None:
    if kind == "FLAC" and subtype not in ("PCM_16", "PCM_24"):
        return
    samples = np.clip(np.random.default_rng(1).normal(0, 0.2, (70_000, 4)), -1, 0.99)
    path = tmp_path / f"four.{kind.lower()}"
    soundfile.write(path, samples, RATE, subtype=subtype, format=kind)
    stored = soundfile.read(path)[0] + (1 / 256 if subtype == "PCM_U8" else 0)
    recording = open_path(tmp_path, path.name, iq_channels=pair, audio=Audio(iq=True, center_frequency=1e6))
    np.testing.assert_array_equal(read(recording)[0], stored[:, pair[0]] + 1j * stored[:, pair[1]])
    assert recording.description.center_frequency == 1e6


@pytest.mark.parametrize("size", [2, 3, 4])
def test_no_iq_channel_is_beyond_the_file(tmp_path: Path, size: int) -> None:
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, wav(len(CONTENT)), iq_channels=(size, 0))
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.iqChannels", f"no channel {size}", "0 to 1")


def test_chunks_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAXIMUM_CHUNKS", 1000)
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, riff(chunk(b"fmt ", fmt()), chunk(b"data", b"") * 1000))
    assert says(caught.value, ExitCode.INPUT_INVALID, "pass.wav", "1000 chunks")


def test_telephone_samples_whose_length_is_not_true_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", PAIRS[:, 0], RATE, subtype="ULAW", format="WAV")
    content = (tmp_path / "good.wav").read_bytes()
    at = content.index(b"data") + 4
    with pytest.raises(WorkerError) as caught:
        opened(tmp_path, content[:at] + bytes(4) + content[at + 4 :])
    assert says(caught.value, ExitCode.INPUT_INVALID, "compressed samples", "convert it to PCM")
