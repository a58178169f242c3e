"""spectrogram.npz: what NumPy reads back is what was given, column by column."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spectrogram_worker.outputs.arrays.npz_file import ColumnFiles, write_arrays
from spectrogram_worker.storage.folders import Folder
from unit.worker.jobs import columns_of, layout, values


def written(folder: Path, *, count: int | None = None, reductions: tuple[str, ...] = ("max", "mean")) -> Path:
    """An archive of the first `count` columns, or all, in a new file; asserts that nothing else is left."""
    shape = layout(reductions=reductions)
    folder.mkdir()
    place = Folder.root(str(folder))
    columns = ColumnFiles(place, shape)
    taken = list(columns_of(values(shape)))[:count]
    for column in taken:
        columns.append(column)
    counts = np.array([column.frames for column in taken], np.int32)
    with place.create("out.npz") as file:
        write_arrays(file, shape, columns, counts, {"units": {"time": "s"}})
    assert place.names() == ["out.npz"], "each temporary file is deleted once it is copied"
    place.close()
    return folder / "out.npz"


def test_numpy_reads_back_what_was_written(tmp_path: Path) -> None:
    shape, content = layout(), values(layout())
    with np.load(written(tmp_path / "a"), allow_pickle=False) as arrays:
        assert sorted(arrays) == ["frames", "frequency", "max", "mean", "metadata", "time"]
        np.testing.assert_array_equal(arrays["max"], content[0])
        np.testing.assert_array_equal(arrays["mean"], content[1])
        np.testing.assert_array_equal(arrays["frequency"], shape.frequencies)
        np.testing.assert_array_equal(arrays["time"], shape.times)
        np.testing.assert_array_equal(arrays["frames"], [2, 0, 2, 2, 2, 2])
        assert arrays["max"].dtype == np.float32
        assert arrays["time"].dtype == arrays["frequency"].dtype == np.float64
        assert json.loads(str(arrays["metadata"])) == {"units": {"time": "s"}}


def test_members_are_stored_and_whole(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(tmp_path / "a")) as archive:
        assert archive.testzip() is None
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {member.date_time[0] for member in archive.infolist()} == {1980}, "no clock in the bytes"


def test_a_partial_result_has_the_finished_columns(tmp_path: Path) -> None:
    with np.load(written(tmp_path / "a", count=4), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["max"], values(layout())[0, :, :4])
        np.testing.assert_array_equal(arrays["time"], layout().times[:4])


@pytest.mark.parametrize(("reduction", "name"), [("none", "power"), ("min", "min")])
def test_arrays_are_named_after_their_reduction(tmp_path: Path, reduction: str, name: str) -> None:
    with np.load(written(tmp_path / "a", reductions=(reduction,)), allow_pickle=False) as arrays:
        assert name in arrays


def test_the_same_columns_give_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a").read_bytes() == written(tmp_path / "b").read_bytes()


def test_the_space_that_is_asked_for_is_enough(tmp_path: Path) -> None:
    assert ColumnFiles.bytes_needed(layout()) >= written(tmp_path / "a").stat().st_size + values(layout())[0].nbytes
