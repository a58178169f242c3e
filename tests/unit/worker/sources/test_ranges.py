"""`range` in seconds, samples and UTC, on a real file of every format: the samples that were meant come."""

import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spectrogram_worker.contract.parameters import Range
from spectrogram_worker.sources.selection import sample_time, select
from unit.worker.recordings import open_path, write_digital_rf, write_raw, write_sigmf

RATE = 200_000
COUNT = 50_000
PAIRS = np.stack((np.arange(COUNT) - 25_000, np.full(COUNT, 7)), axis=1).astype("<i2")
GQRX = "gqrx_20230806_151838_428000000_200000_fc"
GQRX_START = datetime(2023, 8, 6, 15, 18, 38, tzinfo=UTC)
SHARP = "SDRSharp_20150804_204000Z_100000000Hz_IQ.wav"
SHARP_START = datetime(2015, 8, 4, 20, 40, tzinfo=UTC)
FIRST = 1_700_000_000 * RATE + 50_000
Written = tuple[dict[str, Any], datetime]


def raw(root: Path) -> Written:
    write_raw(root, PAIRS, f"{GQRX}.raw")
    return {"path": f"{GQRX}.raw", "raw": {"datatype": "ci16_le"}}, GQRX_START


def numpy_file(root: Path) -> Written:
    np.save(root / f"{GQRX}.npy", PAIRS)
    return {"path": f"{GQRX}.npy"}, GQRX_START


def sigmf(root: Path) -> Written:
    captures = [{"core:sample_start": 0, "core:datetime": "2024-05-06T07:08:09.25Z"}]
    write_sigmf(root, PAIRS.tobytes(), captures=captures, datatype="ci16_le", sample_rate=RATE)
    return {"path": "signal.sigmf-meta"}, datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)


def archive(root: Path) -> Written:
    _, start = sigmf(root)
    with tarfile.open(root / "signal.sigmf", "w") as packed:
        for end in ("meta", "data"):
            packed.add(root / f"signal.sigmf-{end}", f"signal.sigmf-{end}")
            (root / f"signal.sigmf-{end}").unlink()
    return {"path": "signal.sigmf"}, start


def wav(root: Path) -> Written:
    soundfile.write(root / SHARP, PAIRS, RATE, subtype="PCM_16")
    return {"path": SHARP, "audio": {"iq": True}}, SHARP_START


def flac(root: Path) -> Written:
    name = SHARP.replace("wav", "flac")
    soundfile.write(root / name, PAIRS, RATE, subtype="PCM_16")
    return {"path": name, "audio": {"iq": True}}, SHARP_START


def digital_rf(root: Path) -> Written:
    write_digital_rf(root, [(0, PAIRS)], rate=Fraction(RATE), first=FIRST)
    return {"path": "recording"}, datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("write", [raw, numpy_file, sigmf, archive, wav, flac, digital_rf])
@pytest.mark.parametrize(
    "wanted",
    [
        {"start": "50ms", "duration": "100ms"},
        {"start_sample": 10_000, "samples": 20_000},
        {"start_time": timedelta(milliseconds=50), "duration": "0.1s"},
    ],
    ids=["seconds", "samples", "UTC"],
)
def test_the_same_samples_whatever_the_units(
    tmp_path: Path, write: Callable[[Path], Written], wanted: dict[str, Any]
) -> None:
    fields, start = write(tmp_path)
    if "start_time" in wanted:
        wanted = wanted | {"start_time": start + wanted["start_time"]}
    with closing(open_path(tmp_path, range=Range.model_validate(wanted), **fields)) as recording:
        found = recording.description
        selection = select(found, Range.model_validate(wanted))
        assert (found.start_time, found.length, float(found.sample_rate)) == (start, COUNT, RATE)
        assert (selection.start, selection.count, selection.warnings) == (10_000, 20_000, ())
        assert sample_time(found, selection.start) == start + timedelta(milliseconds=50)
        samples = np.empty(selection.count, np.complex128)
        with closing(recording.reader()) as reader:
            assert reader.read(selection.start, samples) is None
    np.testing.assert_array_equal(samples * 32768, PAIRS[10_000:30_000] @ np.array([1, 1j]))
