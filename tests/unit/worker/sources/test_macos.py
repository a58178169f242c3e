"""Recordings that passed through a Mac: what it puts beside and inside everything is not looked at."""

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.sources import open_recording
from spectrogram_worker.sources.store import is_left_by_macos
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import (
    FIRST_SAMPLE,
    integer_pairs,
    open_path,
    read,
    scaled,
    write_center_frequencies,
    write_digital_rf,
    write_sigmf,
)
from unit.worker.storage.test_input_keys import store_of

APPLE_DOUBLE = bytes.fromhex("00051607 00020000") + b"Mac OS X        " + bytes(46)


def litter(root: Path) -> None:
    """What macOS leaves on a disk that is not its own: a twin for each file and folder, notes in each folder."""
    for folder, folders, files in list(os.walk(root)):
        for name in ["._" + twin for twin in folders + files] + [".DS_Store"]:
            (Path(folder) / name).write_bytes(APPLE_DOUBLE)
    (root / "__MACOSX").mkdir()


@pytest.mark.parametrize(
    ("name", "is_left"),
    [
        *[(name, True) for name in ("._rf@1.000.h5", "._", ".DS_Store", "__MACOSX")],
        *[(name, False) for name in (".hidden.cf32", "_._", "DS_Store", "rf@1.000.h5", "MACOSX", ".", "..")],
    ],
)
def test_names_that_macos_gives_are_told_from_others(name: str, is_left: bool) -> None:
    assert is_left_by_macos(name) is is_left


def test_digital_rf_from_a_mac_reads_as_it_was_recorded(tmp_path: Path) -> None:
    """Twins look like metadata files, sample files, properties and channels."""
    pairs = integer_pairs(3000)
    channel = write_digital_rf(tmp_path, [(0, pairs)], file_milliseconds=1)
    write_center_frequencies(channel, {FIRST_SAMPLE: 98.5e6})
    litter(tmp_path)
    recording = open_path(tmp_path, "recording")
    assert (recording.description.name, recording.description.center_frequency) == ("recording/ch0", 98.5e6)
    np.testing.assert_array_equal(read(recording)[0], scaled(pairs))


def test_a_bucket_lists_nothing_of_a_mac(tmp_path: Path) -> None:
    """Also where a name of theirs would be refused, and where nothing else is there."""
    bucket, _ = store_of(tmp_path, "rec/._a", "rec/a", "rec/.DS_Store", "rec/__MACOSX/._a", "rec/._\n", "mac/.DS_Store")
    assert bucket.names(PurePosixPath("rec")) == ["a"]
    assert bucket.names(PurePosixPath("mac")) == []
    bucket.close()


def test_an_archive_of_a_mac_holds_one_recording(tmp_path: Path) -> None:
    """Whose tar puts a twin before each member; in the folder of a zip archive, in a folder of their own."""
    values = np.arange(1, 101).astype("<c8")
    data = write_sigmf(tmp_path, values.tobytes(), datatype="cf32_le")
    with tarfile.open(tmp_path / "packed.sigmf", "w") as archive:
        for name in ("signal.sigmf-meta", "signal.sigmf-data"):
            for twin in (f"./signal/._{name}", f"__MACOSX/signal/._{name}", f"__MACOSX/signal/{name}"):
                member = tarfile.TarInfo(twin)
                member.size = len(APPLE_DOUBLE)
                archive.addfile(member, io.BytesIO(APPLE_DOUBLE))
            archive.add(data.with_name(name), f"./signal/{name}")
    np.testing.assert_array_equal(read(open_path(tmp_path, "packed.sigmf"))[0], values)


def test_what_the_job_names_itself_is_read(tmp_path: Path) -> None:
    """A recording may be called so; it is only never found."""
    np.arange(1, 101).astype("<c8").tofile(tmp_path / "._noise.cf32")
    selection = RecordingSelection.model_validate({"path": "._noise.cf32", "raw": {"sampleRate": 1000}})
    assert open_recording(ClaimStore(tmp_path), selection).description.length == 100
