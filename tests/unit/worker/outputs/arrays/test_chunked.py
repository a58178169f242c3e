"""spectrogram.zarr and spectrogram.h5: what xarray reads back is what was given, column by column."""

import errno
import json
import os
import subprocess
from contextlib import closing
from io import BufferedRandom, FileIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_worker.contract import WorkerDocument, memory
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.outputs.arrays.attributes import Signal
from spectrogram_worker.outputs.arrays.chunks import chunk_columns
from spectrogram_worker.outputs.arrays.hdf5_file import Hdf5File
from spectrogram_worker.outputs.arrays.zarr_folder import ZarrFolder
from spectrogram_worker.outputs.results import Results
from spectrogram_worker.spectrum.axes import Layout
from spectrogram_worker.storage.folders import Folder
from unit.worker.jobs import RATE, SIGNAL, columns_of, layout, parsed, values

NAMES = {"zarr": "spectrogram.zarr", "hdf5": "spectrogram.h5"}
BOTH = pytest.mark.parametrize("format", list(NAMES))
WITHOUT_START = Signal(name="fm.cf32", sample_rate=RATE, center_frequency=0.0, start_time=None)


@pytest.fixture
def three_columns_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of three of the default layout's six columns."""
    monkeypatch.setattr(memory, "CHUNK_BYTES", 3 * 4 * 8)


def written(
    folder: Path, format: str, shape: Layout | None = None, *, count: int | None = None, signal: Signal = SIGNAL
) -> tuple[Path, OutputFile]:
    """The output of the first `count` columns, or all, of a layout's noise, and its entry for the manifest."""
    shape = layout() if shape is None else shape
    (folder / "work").mkdir(parents=True)
    place = Folder.root(str(folder / "work"))
    results = Results(place, parsed(folder, output={"formats": [format]}), shape, signal)
    for column in list(columns_of(values(shape)))[:count]:
        results.add(column)
    (entry,) = results.write_arrays()
    results.close()
    assert place.names() == [NAMES[format]], "nothing else is left"
    place.close()
    return folder / "work" / NAMES[format], entry


def opened(path: Path) -> xarray.Dataset:
    """All of an output, as xarray reads it. A warning of any library is a failure of the test."""
    opening = xarray.open_zarr(path) if path.suffix == ".zarr" else xarray.open_dataset(path, engine="h5netcdf")
    with opening as data:
        return data.load()


@BOTH
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_xarray_reads_back_what_was_written(tmp_path: Path, format: str) -> None:
    shape, content = layout(), values(layout())
    data = opened(written(tmp_path, format)[0])
    assert set(data.data_vars) == {"frames", "max", "mean"}
    assert data["frames"].dims == ("time",)
    assert data["frames"].dtype == np.int32
    assert data["frames"].values.tolist() == [2, 0, 2, 2, 2, 2]
    for name, expected in zip(("max", "mean"), content, strict=True):
        assert data[name].dims == ("frequency", "time")
        assert data[name].dtype == np.float32
        assert data[name].values.tobytes() == expected.tobytes()
        assert np.isnan(data[name].encoding["_FillValue"])
        assert data[name].encoding["preferred_chunks"] == {"frequency": 8, "time": 3}
    np.testing.assert_array_equal(data.frequency, shape.frequencies)
    start = np.datetime64("2026-11-01T12:00:00", "ns")
    np.testing.assert_array_equal((data.time - start) / np.timedelta64(1, "ns"), np.round(shape.times * 1e9))


@BOTH
def test_attributes_say_what_the_numbers_are(tmp_path: Path, format: str) -> None:
    data = opened(written(tmp_path, format)[0])
    assert data["max"].attrs["units"] == "dB(FS²/Hz)"
    assert data["max"].attrs["long_name"] == "maximum power spectral density"
    assert [data[name].attrs["cell_methods"] for name in ("max", "mean")] == ["time: maximum", "time: mean"]
    assert data.frequency.attrs["units"] == "Hz"
    assert data.frequency.attrs["standard_name"] == "radiation_frequency"
    assert data.time.attrs["standard_name"] == "time"
    assert data.time.encoding["units"] == "seconds since 2026-11-01 12:00:00"
    assert data.attrs["title"] == "fm.sigmf"
    assert json.loads(data.attrs["metadata"])["fftSize"] == 64


@BOTH
def test_without_a_start_times_are_seconds(tmp_path: Path, format: str) -> None:
    data = opened(written(tmp_path, format, signal=WITHOUT_START)[0])
    np.testing.assert_array_equal(data.time, layout().times)
    assert data.time.attrs["units"] == "s"
    assert "standard_name" not in data.frequency.attrs


@BOTH
@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_a_partial_result_has_the_finished_columns(tmp_path: Path, format: str, count: int) -> None:
    data = opened(written(tmp_path, format, count=count)[0])
    np.testing.assert_array_equal(data["mean"], values(layout())[1, :, :count])
    assert data.sizes == {"frequency": 8, "time": count}


@BOTH
@pytest.mark.parametrize(("reduction", "name"), [("none", "power"), ("min", "min")])
def test_arrays_are_named_after_their_reduction(tmp_path: Path, format: str, reduction: str, name: str) -> None:
    assert set(opened(written(tmp_path, format, layout(reductions=(reduction,)))[0])) == {name, "frames"}


@pytest.mark.usefixtures("three_columns_a_chunk")
def test_the_zarr_library_reads_it_with_and_without_consolidated_metadata(tmp_path: Path) -> None:
    path, _ = written(tmp_path, "zarr", count=5)
    for consolidated in (True, False):
        group: Any = zarr.open_group(str(path), mode="r", use_consolidated=consolidated)
        assert sorted(group.array_keys()) == ["frames", "frequency", "max", "mean", "time"]
        np.testing.assert_array_equal(group["max"][:], values(layout())[0, :, :5])
        np.testing.assert_array_equal(group["time"][:], layout().times[:5])
        assert group["max"].fill_value != group["max"].fill_value, "what is not there is NaN"


@BOTH
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_the_rest_of_the_last_chunk_is_no_data(tmp_path: Path, format: str) -> None:
    """Not what an earlier chunk left there: whoever appends to the arrays or mends their shape finds NaN."""
    path, _ = written(tmp_path, format, count=4)
    if format == "zarr":
        stored = (path / "max/0.1").read_bytes()
    else:
        with h5py.File(path) as file:
            stored = file["max"].id.read_direct_chunk((0, 3))[1]
    last = np.frombuffer(stored, "<f4").reshape(8, 3)
    assert last[:, 0].tobytes() == values(layout())[0, :, 3].tobytes()
    assert np.isnan(last[:, 1:]).all()


@pytest.mark.usefixtures("three_columns_a_chunk")
def test_hdf5_has_dimension_scales_and_bare_seconds(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path, "hdf5", count=5)[0]) as file:
        assert file["max"].dims[0][0] == file["frequency"]
        assert file["max"].dims[1][0] == file["time"]
        np.testing.assert_array_equal(file["time"], layout().times[:5])
        assert file["max"].chunks == (8, 3)


@BOTH
@settings(max_examples=25, deadline=None)
@given(
    bins=st.integers(1, 40),
    columns=st.integers(3, 60),
    part=st.integers(1, 60),
    chunk_bytes=st.sampled_from([1, 100, 1000, memory.CHUNK_BYTES]),
    reductions=st.sampled_from([("none",), ("max", "mean", "min")]),
)
def test_every_shape_and_chunk_gives_the_columns_back(
    format: str, bins: int, columns: int, part: int, chunk_bytes: int, reductions: tuple[str, ...]
) -> None:
    shape = layout(bins=bins, columns=columns, reductions=reductions)
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(memory, "CHUNK_BYTES", chunk_bytes)
        data = opened(written(Path(folder), format, shape, count=part)[0])
    assert set(data) == {"frames", *(name if name != "none" else "power" for name in reductions)}
    for place, name in enumerate(name for name in data if name != "frames"):
        np.testing.assert_array_equal(data[name], values(shape)[place, :, :part])


@BOTH
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_the_same_columns_give_the_same_bytes(tmp_path: Path, format: str) -> None:
    assert written(tmp_path / "a", format)[1] == written(tmp_path / "b", format)[1]


@pytest.mark.usefixtures("three_columns_a_chunk")
def test_a_folders_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    path, entry = written(tmp_path, "zarr")
    command = r"find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=path, capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == entry.sha256
    assert entry.bytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert (entry.path, entry.media_type) == ("spectrogram.zarr", "application/vnd.zarr")


@pytest.mark.parametrize("bins", [5, 33, 1024, 65_536, 2**20])
@pytest.mark.parametrize("columns", [1, 4096, 65_536, 4_000_000])
def test_chunks_are_small_enough_to_hold_and_large_enough_to_read(bins: int, columns: int) -> None:
    shape = layout(bins=bins, columns=columns, reductions=("max", "mean", "min"))
    width = chunk_columns(shape)
    assert 4 * bins * width <= 4 * 2**20
    assert width == columns or 8 * bins * width >= 4 * 2**20


@BOTH
@pytest.mark.parametrize("shape", [layout(), layout(bins=1000, columns=700)], ids=["small", "large"])
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_the_space_that_is_asked_for_is_enough(tmp_path: Path, format: str, shape: Layout) -> None:
    path, _ = written(tmp_path, format, shape)
    taken = sum(512 * file.lstat().st_blocks for file in (path, *path.rglob("*")))
    needed = (ZarrFolder if format == "zarr" else Hdf5File).bytes_needed(shape)
    assert taken <= needed <= 3 * values(shape).nbytes + 500_000


@BOTH
def test_nothing_is_written_through_a_link(tmp_path: Path, format: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / NAMES[format]).symlink_to(outside if format == "zarr" else outside / "file")
    place = Folder.root(str(tmp_path / "work"))
    with pytest.raises(OSError, match=NAMES[format]):
        Results(place, parsed(tmp_path, output={"formats": [format]}), layout(), SIGNAL)
    place.close()
    assert os.listdir(outside) == []


class FullDisk(FileIO):
    """A file on a disk with room for `room` bytes."""

    room = 0

    def write(self, content: Any) -> int:
        FullDisk.room -= memoryview(content).nbytes
        if FullDisk.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def create_on_a_full_disk(place: Folder, name: str) -> BufferedRandom:
    """As Folder.create."""
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, dir_fd=place.descriptor)
    return BufferedRandom(FullDisk(descriptor, "r+"), 1024)


def write_all(place: Folder, document: WorkerDocument) -> None:
    """Write sixty columns, and close whatever happens."""
    shape = layout(columns=60)
    with closing(Results(place, document, shape, SIGNAL)) as results:
        for column in columns_of(values(shape)):
            results.add(column)
        results.write_arrays()


@BOTH
@pytest.mark.parametrize("room", [0, 100, 1000, 3000, 5000, 6000, 8000, 9000])
@pytest.mark.usefixtures("three_columns_a_chunk")
def test_a_full_disk_is_an_error_once_and_closing_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, room: int
) -> None:
    """HDF5 cannot close its objects after an error in a callback: the next file, or the end of the process, fails."""
    (tmp_path / "work").mkdir()
    place = Folder.root(str(tmp_path / "work"))
    FullDisk.room = room
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "create", create_on_a_full_disk)
        with pytest.raises(OSError, match="No space left") as caught:
            write_all(place, parsed(tmp_path, output={"formats": [format]}))
    assert caught.value.errno == errno.ENOSPC
    place.close()
    assert opened(written(tmp_path / "again", format)[0]).sizes["time"] == 6
