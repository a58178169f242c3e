"""Not one bit of a file depends on the read size or the threads, and all formats hold the same bits."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract import memory
from spectrogram_worker.contract.parameters import Reduce, Transform
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.results import Results
from spectrogram_worker.storage.folders import Folder
from unit.worker.jobs import SIGNAL, parsed
from unit.worker.spectrum.signals import MemoryRecording, stream
from unit.worker.spectrum.test_stream_bits import READ_BYTES, jobs

Job = tuple[NDArray[Any], Transform, Reduce]


def written(folder: Path, job: Job, threads: int, read_bytes: int) -> tuple[OutputFile, ...]:
    """The job's arrays as all three formats in `folder`; none where the job cannot be computed."""
    samples, transform, reduce = job
    columns = stream(MemoryRecording(samples), transform, reduce, threads=threads, read_bytes=read_bytes)
    document = parsed(folder.parent, output={"formats": ["npz", "zarr", "hdf5"]})
    folder.mkdir()
    place = Folder.root(str(folder))
    try:
        with closing(Results(place, document, columns.layout, SIGNAL)) as results:
            for column in columns.columns():
                results.add(column)
            return results.write_arrays()
    except WorkerError:
        return ()
    finally:
        place.close()


@settings(max_examples=60, deadline=None)
@given(
    job=jobs(),
    threads=st.integers(1, 4),
    read_bytes=st.sampled_from(READ_BYTES),
    chunk_bytes=st.sampled_from([10_000, 300_000, memory.CHUNK_BYTES]),
)
def test_any_read_size_and_thread_count_gives_the_same_files(
    job: Job, threads: int, read_bytes: int, chunk_bytes: int
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "CHUNK_BYTES", chunk_bytes)
        folder = Path(name)
        files = written(folder / "a", job, threads, read_bytes)
        assert files == written(folder / "b", job, 1, 1)
        if files:
            assert_equal_arrays(folder / "a")


def assert_equal_arrays(folder: Path) -> None:
    """Zarr and HDF5 hold what NPZ holds, bit for bit."""
    group: Any = zarr.open_group(str(folder / "spectrogram.zarr"), mode="r")
    with np.load(folder / "spectrogram.npz") as arrays, h5py.File(folder / "spectrogram.h5") as file:
        assert set(arrays) - {"metadata"} == set(group.array_keys()) == set(file)
        for name in file:
            assert arrays[name].tobytes() == group[name][:].tobytes() == file[name][:].tobytes()
            assert arrays[name].dtype == group[name].dtype == file[name].dtype
