"""Digital RF files that point out of themselves are refused before a sample is read: HDF5 can do it in four ways."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Range
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.digital_rf import index
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

SAMPLE = np.dtype([("r", "<i2"), ("i", "<i2")])


def external_link(file: Any, name: str, secret: Path) -> None:
    del file[name]
    file[name] = h5py.ExternalLink(str(secret), name)


def soft_link(file: Any, name: str, secret: Path) -> None:
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def external_storage(file: Any, name: str, secret: Path) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def virtual_dataset(file: Any, name: str, secret: Path) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource(str(secret), name, shape, dtype)
    file.create_virtual_dataset(name, layout)


WAYS = [external_link, soft_link, external_storage, virtual_dataset]


@pytest.mark.parametrize("name", ["rf_data", "rf_data_index"])
@pytest.mark.parametrize("way", WAYS)
def test_samples_that_lie_elsewhere_are_refused(
    tmp_path: Path, way: Callable[[Any, str, Path], None], name: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["rf_data"] = np.zeros((100, 1), SAMPLE)
        file["rf_data_index"] = np.zeros((1, 2), np.uint64)
    (path,) = channel.glob("*/rf@*.h5")
    with h5py.File(path, "r+") as file:
        way(file, name, secret)
    with pytest.raises(WorkerError) as caught:
        open_path(root, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, name, "store the samples in the file itself")


@pytest.mark.parametrize("way", WAYS)
def test_a_center_frequency_that_lies_elsewhere_is_refused(
    tmp_path: Path, way: Callable[[Any, str, Path], None]
) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: np.array([[1e6, 2e6]])})
    (path,) = channel.glob("metadata/*/metadata@*.h5")
    with h5py.File(path, "r+") as file:
        way(file[str(FIRST_SAMPLE)], "center_frequencies", tmp_path / "secret.h5")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "in the file itself")


def test_metadata_groups_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: np.array([[1e6, 2e6]])})
    (path,) = channel.glob("metadata/*/metadata@*.h5")
    with h5py.File(path, "r+") as file:
        external_link(file, str(FIRST_SAMPLE), tmp_path / "secret.h5")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "link")


@pytest.mark.parametrize("part", ["file", "folder", "properties", "metadata"])
def test_symbolic_links_out_of_the_root_are_refused(tmp_path: Path, part: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    patterns = {"file": "20*/rf@*.h5", "folder": "20*", "properties": "drf_properties.h5", "metadata": "metadata"}
    (path,) = channel.glob(patterns[part])
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(WorkerError) as caught:
        open_path(root, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "out of the claim")


def test_an_index_that_points_outside_the_file_is_refused(tmp_path: Path) -> None:
    for wrong in ([[FIRST_SAMPLE, 5]], [[FIRST_SAMPLE, 0], [FIRST_SAMPLE + 50, 100]], [[2**63, 0]]):
        channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))], name=f"recording{len(wrong)}{wrong[0][1]}")
        (path,) = channel.glob("*/rf@*.h5")
        with h5py.File(path, "r+") as file:
            del file["rf_data_index"]
            file["rf_data_index"] = np.array(wrong, np.uint64)
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, str(channel.parent.relative_to(tmp_path)))
        assert says(caught.value, ExitCode.INPUT_INVALID, "rf_data_index points outside")


def test_an_index_larger_than_its_samples_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A few bytes of a compressed file can say that they are terabytes."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    (path,) = channel.glob("*/rf@*.h5")
    with h5py.File(path, "r+") as file:
        del file["rf_data_index"]
        file.create_dataset("rf_data_index", (2**40, 2), np.uint64, chunks=(2**16, 2), compression="gzip")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "rf_data_index has the shape (1099511627776, 2)")


def _write_index(path: Path, samples: NDArray[Any], rows: NDArray[Any]) -> None:
    with h5py.File(path, "r+") as file:
        del file["rf_data_index"]
        file["rf_data_index"] = np.stack((samples, rows), axis=1).astype(np.uint64)


def _write_segments(path: Path, count: int) -> None:
    """An index of so many segments of one sample, a gap of one behind each."""
    _write_index(path, FIRST_SAMPLE + 2 * np.arange(count), np.arange(count))


def test_an_index_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = integer_pairs(1000)
    (path,) = write_digital_rf(tmp_path, [(0, pairs)]).glob("*/rf@*.h5")
    _write_segments(path, 1000)
    for rows in (1, 3, 999, 1000, 1001):
        monkeypatch.setattr(index, "_ROWS_AT_ONCE", rows)
        samples, missing = read(open_path(tmp_path, "recording"))
        np.testing.assert_array_equal(samples[::2], scaled(pairs))
        np.testing.assert_array_equal(np.flatnonzero(missing), np.arange(1, 1999, 2))


@pytest.mark.parametrize("place", [0, 400, 999])
def test_an_index_that_goes_back_is_refused_in_whichever_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(index, "_ROWS_AT_ONCE", 100)
    (path,) = write_digital_rf(tmp_path, [(0, integer_pairs(1000))]).glob("*/rf@*.h5")
    _write_segments(path, 1000)
    with h5py.File(path, "r+") as file:
        file["rf_data_index"][place, 1] = 998 if place == 999 else place + 1
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "rf_data_index")


def test_more_segments_than_there_is_room_for_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files together: the third one is too much. A shorter range has room."""
    monkeypatch.setattr(index, "_MAXIMUM_SEGMENTS", 250)
    channel, tens = write_digital_rf(tmp_path, [(0, integer_pairs(3000))], file_milliseconds=1), np.arange(0, 1000, 10)
    for number, path in enumerate(sorted(channel.glob("*/rf@*.h5"))):
        _write_index(path, FIRST_SAMPLE + 1000 * number + tens, tens)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "rf@1700000000.002.h5", "100 segments", "250", "input.range")
    assert open_path(tmp_path, "recording", range=Range(samples=1500)).description.length > 2000


def test_metadata_that_is_compressed_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    """digital_rf compresses samples alone; a filter may make gigabytes of a few bytes."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: np.array([[1e6, 2e6]])})
    for pattern, place, name in (
        ("metadata/*/metadata@*.h5", f"{FIRST_SAMPLE}/center_frequencies", "center_frequencies"),
        ("*/rf@*.h5", "rf_data_index", "rf_data_index"),
    ):
        (path,) = channel.glob(pattern)
        with h5py.File(path, "r+") as file:
            values = file[place][...]
            del file[place]
            file.create_dataset(place, data=values, chunks=True, compression="gzip")
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "recording")
        assert says(caught.value, ExitCode.INPUT_INVALID, path.name, name, "h5repack")
