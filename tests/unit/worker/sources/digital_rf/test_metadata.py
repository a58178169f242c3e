"""Digital RF: the centre frequency, from the metadata as the library writes it."""

import tracemalloc
from contextlib import closing
from pathlib import Path

import digital_rf
import h5py
import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Range, Raw
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.digital_rf import metadata
from unit.worker.recordings import (
    FIRST_SAMPLE,
    RATE,
    integer_pairs,
    open_path,
    says,
    write_center_frequencies,
    write_digital_rf,
)


def test_center_frequency_comes_from_the_metadata(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 98.5e6})
    with closing(digital_rf.DigitalRFReader(str(tmp_path / "recording"))) as reader:
        (metadata,) = reader.read_metadata(FIRST_SAMPLE, FIRST_SAMPLE + 99, "ch0").values()
    assert open_path(tmp_path, "recording").description.center_frequency == metadata["center_frequencies"] == 98.5e6


def test_center_frequency_holds_until_the_next_one(tmp_path: Path) -> None:
    """Written long before the first sample, as a recorder does that was started once."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE - 90_000 * RATE: 1e6, FIRST_SAMPLE - 86_400 * RATE: 2e6})
    assert open_path(tmp_path, "recording").description.center_frequency == 2e6


def test_center_frequency_of_a_subchannel(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, np.ones((100, 4), np.int16))], subchannels=2)
    write_center_frequencies(channel, {FIRST_SAMPLE: np.array([[98.5e6], [99.5e6]])})
    assert open_path(tmp_path, "recording", subchannel=1).description.center_frequency == 99.5e6


def test_retuning_within_the_range_is_refused(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(1000))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6, FIRST_SAMPLE + 500: 2e6, FIRST_SAMPLE + 5000: 3e6})
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "1000000, 2000000 Hz", "input.range")
    first = open_path(tmp_path, "recording", range=Range(samples=500))
    second = open_path(tmp_path, "recording", range=Range(start_sample=500))
    assert (first.description.center_frequency, second.description.center_frequency) == (1e6, 2e6)


def test_without_metadata_the_job_can_say_the_center_frequency(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    assert open_path(tmp_path, "recording").description.center_frequency == 0
    raw = Raw(center_frequency=7e6)
    assert open_path(tmp_path, "recording", raw=raw).description.center_frequency == 7e6


def test_a_damaged_metadata_file_is_named_and_not_removed(tmp_path: Path) -> None:
    """The library removes metadata files that it cannot read."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    (file,) = channel.glob("metadata/*/metadata@*.h5")
    file.write_bytes(b"damaged")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, file.name, "damaged")
    assert file.exists()


def test_row_13_metadata_that_cannot_be_used_stops_no_job_that_says_the_centre(tmp_path: Path) -> None:
    """Rule 32: the job wins, and a warning says over what."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(1000))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6, FIRST_SAMPLE + 500: 2e6})
    raw = Raw(center_frequency=7e6)
    found = open_path(tmp_path, "recording", raw=raw).description
    assert found.center_frequency == 7e6
    assert "1000000, 2000000 Hz" in found.warnings[0]
    (file,) = channel.glob("metadata/*/metadata@*.h5")
    file.write_bytes(b"damaged")
    found = open_path(tmp_path, "recording", raw=raw).description
    assert found.center_frequency == 7e6
    assert [f"{file.name} is damaged" in text for text in found.warnings] == [True]


def _entries(channel: Path, count: int) -> None:
    """Add entries without a value, one for each sample from the first on."""
    (path,) = channel.glob("metadata/*/metadata@*.h5")
    with h5py.File(path, "r+") as file:
        for number in range(1, count + 1):
            h5py.h5g.create(file.id, str(FIRST_SAMPLE + number).encode())


def test_many_entries_take_little_memory(tmp_path: Path) -> None:
    """As lists of names and of numbers these take half a megabyte."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(10_000))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    _entries(channel, 5000)
    open_path(tmp_path, "recording")
    tracemalloc.start()
    assert open_path(tmp_path, "recording").description.center_frequency == 1e6
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300_000


def test_more_entries_than_anybody_needs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_MAXIMUM_CHANGES", 50)
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(1000))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    _entries(channel, 49)
    assert open_path(tmp_path, "recording").description.center_frequency == 1e6
    with h5py.File(next(channel.glob("metadata/*/metadata@*.h5")), "r+") as file:
        file.create_group(str(FIRST_SAMPLE + 500))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "holds more than 50 entries of metadata")


@pytest.mark.parametrize("name", ["notes", "1" * 40, "१७", "-5"])
def test_names_that_are_no_sample_are_passed_over(tmp_path: Path, name: str) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    with h5py.File(next(channel.glob("metadata/*/metadata@*.h5")), "r+") as file:
        file.create_group(name)
    assert open_path(tmp_path, "recording").description.center_frequency == 1e6
