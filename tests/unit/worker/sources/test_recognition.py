"""Auto: the format by content first, by name second; formats that are known but not read are named."""

import logging
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat, Raw
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import integer_pairs, open_path, says, write_digital_rf, write_raw, write_sigmf
from unit.worker.rights import obeying_permissions

GQRX = "gqrx_20230806_151838_428000000_200000_fc.raw"


@pytest.mark.parametrize(
    ("path", "format_", "seen"),
    [
        ("recording", InputFormat.DIGITAL_RF, "the folder holds channels"),
        ("recording/ch0", InputFormat.DIGITAL_RF, "the folder holds channels"),
        ("signal.sigmf-data", InputFormat.SIGMF, "signal.sigmf-meta describes it"),
        ("tar.raw", InputFormat.SIGMF, "tar archive"),
        ("wav.raw", InputFormat.AUDIO, "begins as a WAV file does"),
        ("rf64.raw", InputFormat.AUDIO, "begins as a RF64 file does"),
        ("w64.raw", InputFormat.AUDIO, "begins as a W64 file does"),
        ("flac.raw", InputFormat.AUDIO, "begins as a FLAC file does"),
        ("npy.raw", InputFormat.NUMPY, "begins as a NumPy file does"),
        (GQRX, InputFormat.RAW, "no header that is known"),
    ],
)
def test_each_format_is_recognised_by_its_content_and_a_log_line_says_how(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, format_: InputFormat, seen: str
) -> None:
    """All of these are called .raw, which says nothing, or else something wrong."""
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le")
    with tarfile.open(tmp_path / "tar.raw", "w") as archive:
        for end in ("meta", "data"):
            archive.add(tmp_path / f"signal.sigmf-{end}", f"signal.sigmf-{end}")
    for kind in ("wav", "rf64", "w64", "flac"):
        soundfile.write(tmp_path / f"{kind}.raw", np.zeros(10), 48_000, format=kind.upper(), subtype="PCM_16")
    with (tmp_path / "npy.raw").open("wb") as file:
        np.save(file, np.zeros(10))
    write_raw(tmp_path, np.ones(5, "<c8"), GQRX)
    with caplog.at_level(logging.INFO):
        found = open_path(tmp_path, path, raw=Raw(sample_rate=1.0)).description
    assert found.format is format_
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"Recognised {path} as {format_}: ")
    assert seen in line


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("noise.wav", "not a WAV, RF64, W64 or FLAC file"),
        ("noise.FLAC", "not a WAV, RF64, W64 or FLAC file"),
        ("noise.npy", "not a NumPy file"),
        ("noise.sigmf", "not a tar archive"),
    ],
)
def test_the_name_decides_where_the_content_says_nothing(tmp_path: Path, name: str, word: str) -> None:
    """Unless the job says how the samples lie: then it is a raw file."""
    (tmp_path / name).write_bytes(b"\1" * 800)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, name, raw=Raw(sample_rate=1.0))
    assert says(caught.value, ExitCode.INPUT_INVALID, name, word)
    found = open_path(tmp_path, name, raw=Raw(datatype="ci8", sample_rate=1.0)).description
    assert (found.format, found.length) == (InputFormat.RAW, 400)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"RIFF\0\0\0\0AVI LIST", "RIFF"),
        (b"FORM\0\0\0\0AIFF", "AIFF"),
        (b"BZh9", "bzip2"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\0\5\x16\7\0\2\0\0", "macOS"),
        (b".snd\0\0\0\x18", "AU"),
        (b"caff\0\1\0\0", "CAF"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "MATLAB"),
        (b"SIMPLE  =                    T", "FITS"),
    ],
)
def test_a_format_that_is_not_read_is_named_whatever_the_file_is_called(tmp_path: Path, head: bytes, word: str) -> None:
    (tmp_path / "noise.cf32").write_bytes(head + bytes(1000))
    raw = Raw(sample_rate=1.0)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "noise.cf32", raw=raw)
    assert says(caught.value, ExitCode.INPUT_INVALID, word, "input.format: Raw")
    found = open_path(tmp_path, "noise.cf32", raw=raw, format=InputFormat.RAW).description
    assert found.length > 0
    assert word in found.warnings[0]
    assert "its header is read as samples" in found.warnings[0]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", ("a WAV file", "input.format: Audio")),
        (b"fLaC\0\0\0\x22", ("a FLAC file", "input.format: Audio")),
        (b"\x93NUMPY\1\0", ("a NumPy file", "input.format: NumPy")),
        (bytes(257) + b"ustar", ("a tar archive",)),
        (bytes(16), ()),
    ],
)
def test_row_14_a_header_that_a_job_has_read_as_samples_is_a_warning(
    tmp_path: Path, head: bytes, words: tuple[str, ...]
) -> None:
    """Read as raw floats, the header of a WAV is a value of +279 dB; as 16 bits it may change I for Q."""
    (tmp_path / "long.wav").write_bytes(head + bytes(1000))
    raw = Raw(datatype="cf32_le", sample_rate=1.0, center_frequency=1.0)
    warnings = open_path(tmp_path, "long.wav", raw=raw, format=InputFormat.RAW).description.warnings
    assert len(warnings) == (1 if words else 0)
    assert all(word in text for text in warnings for word in ("long.wav", "read as samples", *words))


def test_the_claim_itself_is_a_recording(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    for root in (tmp_path / "recording", tmp_path / "recording/ch0"):
        for format_ in (InputFormat.AUTO, InputFormat.DIGITAL_RF):
            assert open_path(root, ".", format=format_).description.length == 100
    for format_ in (InputFormat.SIGMF, InputFormat.RAW, InputFormat.AUDIO, InputFormat.NUMPY):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, ".", format=format_, raw=Raw(sample_rate=1.0, datatype="cf32_le"))
        assert caught.value.code in (ExitCode.INPUT_INVALID, ExitCode.INPUT_NOT_FOUND, ExitCode.INVALID_SPEC)


def test_row_9_what_lies_beside_channels_and_is_closed_is_no_channel(tmp_path: Path) -> None:
    """An ext4 volume has a lost+found that is root's alone; links may lead anywhere."""
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    root = tmp_path / "recording"
    (root / "lost+found").mkdir(mode=0o000)
    (root / "circle").symlink_to("circle")
    (root / "latest").symlink_to("/etc")
    with obeying_permissions():
        assert open_path(root, ".").description.length == 100
        with pytest.raises(WorkerError) as caught:
            open_path(root, ".", channel="latest")
        assert says(caught.value, ExitCode.INPUT_INVALID, "latest", "leads out of the claim")
        shutil.rmtree(root / "ch0")
        with pytest.raises(WorkerError) as caught:
            open_path(root, ".")
        assert caught.value.code is ExitCode.INPUT_INVALID


@pytest.mark.parametrize("format_", [InputFormat.AUTO, InputFormat.SIGMF, InputFormat.RAW])
@pytest.mark.parametrize("target", ["/etc", "circle"])
def test_row_9_an_error_names_what_the_job_names(tmp_path: Path, target: str, format_: InputFormat) -> None:
    """And not the metadata beside it that is looked for."""
    (tmp_path / "circle").symlink_to(target)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "circle/a.cf32", format=format_, raw=Raw(datatype="cf32_le", sample_rate=1.0))
    assert says(caught.value, ExitCode.INPUT_INVALID, "circle/a.cf32 is a symbolic link")


def sdriq(bits: int = 16) -> bytes:
    head = struct.pack("<IQQII", 250_000, 433_920_000, 1_769_888_703_000, bits, 0)
    return head + struct.pack("<I", zlib.crc32(head))


FOREIGN = {
    "ZIQ": ("2026-01-31_19-45-03_250000SPS_433920000Hz.ziq", b"ZIQ_\1\x08", "SatDump (ZIQ)"),
    "ZIQ that is called something else": ("noise.cf32", b"ZIQ_\1\x08", "SatDump (ZIQ)"),
    "sdriq": ("test.sdriq", sdriq(), "sdriq file of SDRangel"),
    "sdriq of 24 bits": ("noise.cf32", sdriq(24), "sdriq file of SDRangel"),
    "BLUE": ("prefile.tmp", b"BLUEEEEIEEEI", "X-Midas BLUE"),
    "BLUE of a large machine": ("noise.cf32", b"BLUEIEEEIEEE", "X-Midas BLUE"),
    "collection": ("array.sigmf-collection", b'{"collection": {"core:streams": []}}', "SigMF collection"),
    "indented collection": ("array.json", b'{\n  "collection" : {}}', "SigMF collection"),
    "iq.tar": ("rec.iq.tar", b"rec.xml", "iq.tar file of Rohde & Schwarz"),
}


@pytest.mark.parametrize("format_", [InputFormat.AUTO, InputFormat.RAW])
@pytest.mark.parametrize("kind", FOREIGN)
def test_samples_behind_a_header_of_another_program_are_not_read_as_noise(
    tmp_path: Path, kind: str, format_: InputFormat
) -> None:
    """Whatever the job says of them."""
    name, head, words = FOREIGN[kind]
    (tmp_path / name).write_bytes(head + bytes(1000))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, name, raw=Raw(datatype="ci16_le", sample_rate=1.0), format=format_)
    assert says(caught.value, ExitCode.INPUT_INVALID, name, words, "which is not read")


def test_an_archive_of_rohde_schwarz_is_named_whatever_it_is_called(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rec.tar", "w") as archive:
        for member in ("rec.xml", "rec.complex.1ch.float32"):
            (tmp_path / member).write_bytes(bytes(80))
            archive.add(tmp_path / member, member)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "rec.tar")
    assert says(caught.value, ExitCode.INPUT_INVALID, "iq.tar file of Rohde & Schwarz")


def test_zeros_have_no_header(tmp_path: Path) -> None:
    for size in (0, 31, 32, 33, 600):
        (tmp_path / "noise.cs8").write_bytes(bytes(size))
        with nullcontext() if size else pytest.raises(WorkerError, match="empty"):
            assert open_path(tmp_path, "noise.cs8", raw=Raw(sample_rate=1.0)).description.length == size // 2


@pytest.mark.parametrize("format_", [InputFormat.AUTO, InputFormat.SIGMF])
def test_a_file_that_metadata_beside_it_names_is_its_samples(tmp_path: Path, format_: InputFormat) -> None:
    captures = [{"core:sample_start": 0, "core:frequency": 433.92e6}]
    write_sigmf(tmp_path, b"", captures=captures, name="capture", datatype="ci16_le", dataset="capture.ci16").unlink()
    (tmp_path / "capture.ci16").write_bytes(bytes(80))
    found = open_path(tmp_path, "capture.ci16", format=format_).description
    assert (found.format, found.length, found.center_frequency) == (InputFormat.SIGMF, 20, 433.92e6)


@pytest.mark.parametrize("metadata", [b"{", b'{"global": {"core:dataset": "other.ci16"}}', b'{"global": {}}'])
def test_metadata_that_does_not_name_the_file_says_nothing_of_it(tmp_path: Path, metadata: bytes) -> None:
    (tmp_path / "capture.sigmf-meta").write_bytes(metadata)
    (tmp_path / "capture.ci16").write_bytes(bytes(80))
    found = open_path(tmp_path, "capture.ci16", raw=Raw(datatype="ci16_le", sample_rate=1.0)).description
    assert (found.format, found.length) == (InputFormat.RAW, 20)


def test_a_folder_without_a_recording_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for format_ in (InputFormat.AUTO, InputFormat.DIGITAL_RF, InputFormat.RAW):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "folder", format=format_)
        assert says(caught.value, ExitCode.INPUT_INVALID, "folder")


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    for format_ in InputFormat:
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "absent", format=format_)
        assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "absent")


def test_a_folder_that_is_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    (root / "recording").symlink_to(tmp_path / "recording")
    for format_ in (InputFormat.AUTO, InputFormat.DIGITAL_RF):
        with pytest.raises(WorkerError) as caught:
            open_path(root, "recording", format=format_)
        assert says(caught.value, ExitCode.INPUT_INVALID, "out of the claim")


@pytest.mark.parametrize("path", ["noise.cf32", "signal.sigmf-meta"])
def test_a_library_is_loaded_only_for_the_format_that_needs_it(tmp_path: Path, path: str) -> None:
    write_raw(tmp_path, np.ones(5, "<c8"), "noise.cf32")
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le")
    program = (
        "import sys; from pathlib import Path; from spectrogram_worker.attempt import Attempt\n"
        "from spectrogram_worker.contract.parameters import Raw, RecordingSelection\n"
        "from spectrogram_worker.sources import open_recording\n"
        "from spectrogram_worker.storage.claim_store import ClaimStore\n"
        "selection = RecordingSelection(path=sys.argv[2], raw=Raw(sample_rate=1.0))\n"
        "open_recording(ClaimStore(Path(sys.argv[1])), selection).reader()\n"
        "print(sorted({'h5py', 'soundfile', 'sigmf', 'digital_rf', 'tarfile'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program, str(tmp_path), path], capture_output=True, text=True)
    assert (loaded.stdout.strip(), loaded.stderr) == ("[]", "")
