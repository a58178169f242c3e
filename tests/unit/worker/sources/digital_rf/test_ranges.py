"""Digital RF: what a range costs, and whether it can be read, follows from the range alone."""

import shutil
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.sources.digital_rf.recording import open_digital_rf
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import (
    FIRST_SAMPLE,
    integer_pairs,
    open_path,
    read,
    says,
    scaled,
    write_center_frequencies,
    write_digital_rf,
)

SPEED = 1000
"""Samples of a second here: files are many then, and small."""
FIRST = FIRST_SAMPLE // 1_000_000 * SPEED
RANGE = {"startSample": 4 * SPEED, "samples": SPEED}


class CountingStore(ClaimStore):
    """A claim that notes what is asked of it. `remote` ones have files copied, as from a bucket."""

    def __init__(self, root: Path, *, is_remote: bool = False) -> None:
        super().__init__(root)
        self.is_remote = is_remote
        self.opened: list[str] = []
        self.listed: list[str] = []
        self.fetched: set[str] = set()

    def open(self, path: PurePosixPath) -> Any:
        self.opened.append(path.name)
        return super().open(path)

    def names(self, path: PurePosixPath) -> list[str]:
        self.listed.append(path.name)
        return super().names(path)

    def fetch(self, paths: Iterable[PurePosixPath]) -> None:
        self.fetched.update(path.name for path in paths)


def write(root: Path, seconds: int, **fields: Any) -> Path:
    """A second of samples in each file."""
    pairs = integer_pairs(seconds * SPEED)
    return write_digital_rf(root, [(0, pairs)], rate=Fraction(SPEED), first=FIRST, file_milliseconds=1000, **fields)


def opened(store: ClaimStore, wanted: dict[str, Any], **fields: Any) -> Recording:
    return open_recording(store, RecordingSelection.model_validate({"path": "recording", "range": wanted, **fields}))


def samples_of(root: Path, **fields: Any) -> Any:
    """The samples of the range, with the recording's description."""
    recording = opened(ClaimStore(root), RANGE, **fields)
    found, missing = read(recording, 4 * SPEED, SPEED)
    return recording.description, found, missing


@pytest.mark.parametrize("continuous", [False, True])
def test_what_a_range_costs_does_not_grow_with_the_recording(tmp_path: Path, continuous: bool) -> None:
    """Of 2,000 files a second opened 2,000. Folders of an hour are listed where the range lies, and at the ends."""
    costs = []
    for seconds in (20, 4 * 3600):
        root = tmp_path / str(seconds)
        channel = root / "recording/ch0"
        write(root, min(seconds, 2000), continuous=continuous)
        last = max(channel.glob("*/rf@*.h5"))
        for hour in range(1, seconds // 3600):  # folders that nothing is wanted of, with files that are not read
            folder = channel / f"2023-11-1{5 + hour // 24}T{hour % 24:02}-00-00"
            folder.mkdir()
            shutil.copy(last, folder / f"rf@{1700006400 + hour * 3600}.000.h5")
        write_center_frequencies(channel, {FIRST: 98.5e6})
        for is_remote in (False, True):
            store = CountingStore(root, is_remote=is_remote)
            recording = opened(store, RANGE)
            np.testing.assert_array_equal(
                read(recording, 4 * SPEED, SPEED)[0], scaled(integer_pairs(min(seconds, 2000) * SPEED)[4000:5000])
            )
            costs.append((len(store.opened), len(store.listed), len(store.fetched)))
    few, many = costs[0], costs[2]
    assert few == costs[1]
    assert many == costs[3]
    assert many[0] <= few[0] <= 14
    assert many[1] <= few[1] + 1
    assert many[2] <= few[2] <= 7


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overlap(path: Path) -> None:
    """Another recording's file, which holds what a neighbour holds too."""
    other = path.with_name(f"rf@{int(path.name[3:-7]) - 1}.000.h5")
    path.unlink()
    shutil.copy(other if other.exists() else max(path.parent.glob("rf@*")), path)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("place", [0, 1, 3, 5, 8, 9])
@pytest.mark.parametrize("harm", [damage, empty, overlap])
def test_a_file_outside_the_range_is_not_judged(tmp_path: Path, harm: Any, place: int, continuous: bool) -> None:
    """Also the first, the last, and those beside the range, whose samples might be its first by rounding."""
    files = sorted(write(tmp_path, 10, continuous=continuous).glob("*/rf@*.h5"))
    harm(files[place])
    described, samples, missing = samples_of(tmp_path)
    np.testing.assert_array_equal(samples, scaled(integer_pairs(10 * SPEED)[4000:5000]))
    assert not missing.any()
    assert described.gaps == ()
    assert described.length == 10 * SPEED
    told = [warning for warning in described.warnings if "relative to the centre" not in warning]
    assert len(told) == (place in (0, 9))
    assert all(files[place].name in warning for warning in told)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert caught.value.code is ExitCode.INPUT_INVALID
    assert says(caught.value, ExitCode.INPUT_INVALID, "rf@17000000")


@pytest.mark.parametrize("harm", [damage, empty])
def test_a_file_that_the_range_needs_is_named(tmp_path: Path, harm: Any) -> None:
    file = sorted(write(tmp_path, 10).glob("*/rf@*.h5"))[4]
    harm(file)
    with pytest.raises(WorkerError) as caught:
        samples_of(tmp_path)
    assert says(caught.value, ExitCode.INPUT_INVALID, file.name, "damaged")


def test_gaps_are_those_of_the_range(tmp_path: Path) -> None:
    """Where a file is not there, at the head, at the end, or all over it."""
    files = sorted(write(tmp_path, 10).glob("*/rf@*.h5"))
    for place in (2, 4, 5):
        files[place].unlink()
    for start, count, gaps in (
        (3500, 1000, ((4000, 4500),)),
        (5500, 1000, ((5500, 6000),)),
        (4000, 1500, ((4000, 5500),)),
        (3500, 3000, ((4000, 6000),)),
        (0, 10_000, ((2000, 3000), (4000, 6000))),
    ):
        recording = opened(ClaimStore(tmp_path), {"startSample": start, "samples": count})
        assert recording.description.gaps == gaps
        assert recording.description.length == 10_000
        missing = read(recording, start, count)[1]
        expected = [any(first <= sample < stop for first, stop in gaps) for sample in range(start, start + count)]
        np.testing.assert_array_equal(missing, expected)


def test_centers_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    channel = write(tmp_path, 3)
    values = {FIRST: 98.5e6, FIRST + 1000: float(np.float32(98.5e6 + 3)), FIRST + 2000: 98.5e6 + 4.9}
    write_center_frequencies(channel, values, rate=Fraction(SPEED))
    selection = RecordingSelection(path="recording")
    assert abs(open_recording(ClaimStore(tmp_path), selection, 100).description.center_frequency - 98.5e6) < 5
    for fft_size in (103, 200, None):
        with pytest.raises(WorkerError) as caught:
            open_digital_rf(ClaimStore(tmp_path), selection, fft_size)
        assert says(caught.value, ExitCode.INPUT_INVALID, "several centre frequencies")
