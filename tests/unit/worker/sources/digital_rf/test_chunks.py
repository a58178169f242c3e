"""Rows of HDF5 datasets read without the HDF5 library: what that library reads, or a clear error; flat in memory."""

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.digital_rf import reader as digital_rf_reader
from spectrogram_worker.sources.digital_rf.chunks import ChunkReader, Chunks, find_chunks
from spectrogram_worker.storage.claim_store import ClaimFile, ClaimStore
from unit.worker.recordings import integer_pairs, open_path, read, says, scaled, write_digital_rf

SAMPLE = np.dtype([("r", "<i2"), ("i", "<i2")])
FILTERS: list[dict[str, Any]] = [
    {},
    {"compression": "gzip"},
    {"fletcher32": True},
    {"compression": "gzip", "fletcher32": True},
]
ROWS = 100_000


def samples(count: int, *, compressible: bool = True) -> NDArray[Any]:
    values = np.random.default_rng(1).integers(-9 if compressible else -32768, 9 if compressible else 32767, (count, 2))
    return values.astype("<i2").view(SAMPLE)


def chunks_of(path: Path) -> Chunks:
    with h5py.File(path) as file:
        return find_chunks(file, file["rf_data"].id, path.name)


@contextmanager
def reader_of(path: Path) -> Iterator[ChunkReader]:
    with closing(ClaimStore(path.parent).open(PurePosixPath(path.name))) as file:
        yield ChunkReader(file, chunks_of(path))


def rows_of(path: Path, row: int, count: int) -> NDArray[np.uint8]:
    """Rows of the file, by a reader of its own."""
    with reader_of(path) as reader:
        content = np.empty(count * reader.row_bytes, np.uint8)
        reader.read(row, content)
    return content


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_rows_in_any_order_are_those_that_the_library_reads(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Chunks that do not divide the rows, chunks that were never written, ones that did not get smaller."""
    length, channels = data.draw(st.integers(1, 5000)), data.draw(st.integers(1, 3))
    chunk = data.draw(st.integers(1, 6000))
    path = tmp_path_factory.mktemp("rows") / "rf@1.000.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "rf_data",
            (length, channels),
            SAMPLE,
            chunks=(chunk, channels),
            maxshape=(None, channels),
            fillvalue=np.array((-32768, 7), SAMPLE),
            **data.draw(st.sampled_from(FILTERS)),
        )
        for _ in range(data.draw(st.integers(0, 3))):
            first = data.draw(st.integers(0, length - 1))
            count = data.draw(st.integers(1, length - first))
            written = samples(count * channels, compressible=data.draw(st.booleans()))
            dataset[first : first + count] = written.reshape(count, channels)
    with h5py.File(path) as file:
        expected = file["rf_data"][...].view(np.uint8).reshape(length, -1)
    with reader_of(path) as reader:
        for _ in range(4):
            first = data.draw(st.integers(0, length - 1))
            count = data.draw(st.integers(1, length - first))
            content = np.empty(count * reader.row_bytes, np.uint8)
            reader.read(first, content)
            np.testing.assert_array_equal(content.reshape(count, -1), expected[first : first + count])


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 4), max_size=5, unique=True) | st.permutations(range(5)) | st.just(range(5)),
    filters=st.sampled_from(FILTERS) | st.just(FILTERS[0]),
)
def test_chunks_that_follow_each_other_are_one_piece(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], filters: dict[str, Any]
) -> None:
    """Whatever the order in which they were written, and where some never were."""
    path = tmp_path_factory.mktemp("chunks") / "rf@1.000.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("rf_data", (450, 1), SAMPLE, chunks=(100, 1), maxshape=(None, 1), **filters)
        for number in order:
            rows = dataset[100 * number : 100 * number + 100]
            dataset[100 * number : 100 * number + 100] = samples(len(rows), compressible=False)[:, :1]
            file.flush()
        expected = dataset[...].tobytes()
    offset = chunks_of(path).plain_offset
    assert (offset is not None) is (list(order) == list(range(5)) and not filters)
    if offset is not None:
        assert path.read_bytes()[offset:][: len(expected)] == expected


def test_chunks_of_another_size_are_no_piece() -> None:
    """Of several; a file that says so is refused as its chunks are read."""
    one, never = np.ones(3, np.int64), np.zeros(3, np.bool_)
    for size, is_piece in ((400, True), (396, False), (404, False)):
        chunks = Chunks(300, 100, 4, b"", 1000 + 400 * np.arange(3), one * size, never, never)
        assert (chunks.plain_offset is not None) is is_piece


def test_a_chunk_that_does_not_get_smaller_is_stored_as_it_is(tmp_path: Path) -> None:
    """The library leaves the filter out for such a chunk, and notes so in the index."""
    content = samples(1000, compressible=False)
    with h5py.File(tmp_path / "noise.h5", "w") as file:
        dataset = file.create_dataset("rf_data", (1000, 1), SAMPLE, chunks=(1000, 1), compression="gzip")
        dataset.id.write_direct_chunk((0, 0), content.tobytes(), filter_mask=1)
    np.testing.assert_array_equal(rows_of(tmp_path / "noise.h5", 0, 1000).view(SAMPLE), content[:, 0])


def test_a_dataset_that_was_never_written_is_filled(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("rf_data", (10, 1), SAMPLE, fillvalue=np.array((-32768, 7), SAMPLE))
    assert rows_of(tmp_path / "empty.h5", 3, 2).view("<i2").tolist() == [-32768, 7, -32768, 7]


@pytest.mark.parametrize("filters", FILTERS[1:])
@pytest.mark.parametrize("place", [0.3, 0.999])
def test_a_damaged_byte_is_found(tmp_path: Path, filters: dict[str, Any], place: float) -> None:
    """By the checksum of the chunk, or by that at the end of what was compressed, though not all of it is asked for."""
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        # As in many files, the last chunk has rows to spare.
        dataset = file.create_dataset(
            "rf_data", (ROWS, 1), SAMPLE, chunks=(ROWS + 99, 1), maxshape=(None, 1), **filters
        )
        dataset[:, 0] = samples(ROWS)[:, 0]
    chunks = chunks_of(path)
    assert rows_of(path, 0, ROWS).any()
    content = bytearray(path.read_bytes())
    content[int(chunks.offsets[0] + place * chunks.sizes[0])] ^= 1
    path.write_bytes(content)
    with pytest.raises(WorkerError) as caught:
        rows_of(path, ROWS - 10, 10)
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "damaged or cut off")


def write_stored(path: Path, stored: bytes, rows: int = ROWS) -> Path:
    """A file with one compressed chunk of these very bytes."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("rf_data", (rows, 1), SAMPLE, chunks=(rows, 1), compression="gzip")
        dataset.id.write_direct_chunk((0, 0), stored)
    return path


def deflated_zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj()
    return b"".join(packer.compress(bytes(2**20)) for _ in range(mebibytes)) + packer.flush()


def test_a_chunk_that_inflates_to_more_than_it_should_is_refused(tmp_path: Path) -> None:
    """The library inflates all of it, here half a gigabyte, before it looks at its size."""
    path = write_stored(tmp_path / "bomb.h5", deflated_zeros(512))
    tracemalloc.start()
    try:
        with pytest.raises(WorkerError) as caught:
            rows_of(path, 0, ROWS)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "longer than it should be")


@pytest.mark.parametrize("stored", [deflated_zeros(0), zlib.compress(bytes(100)), deflated_zeros(1)[:-900]])
def test_a_chunk_that_inflates_to_less_than_it_should_is_refused(tmp_path: Path, stored: bytes) -> None:
    path = write_stored(tmp_path / "short.h5", stored)
    with pytest.raises(WorkerError) as caught:
        rows_of(path, ROWS - 1, 1)
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "shorter than it should be")


def test_memory_does_not_grow_with_the_chunk(tmp_path: Path) -> None:
    path = write_stored(tmp_path / "large.h5", deflated_zeros(64), rows=64 * 2**18)
    with reader_of(path) as reader:
        content = np.empty(4096, np.uint8)
        tracemalloc.start()
        try:
            for row in (0, 32 * 2**18, 64 * 2**18 - 1024):
                reader.read(row, content)
            assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
        finally:
            tracemalloc.stop()


def test_overlapping_reads_inflate_a_chunk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames overlap, so that each read begins where it was before the last one ended."""
    path = tmp_path / "overlap.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("rf_data", data=samples(ROWS)[:, :1], chunks=(ROWS, 1), compression="gzip")
    taken: list[int] = []
    original = ClaimFile.read

    def note(file: ClaimFile, offset: int, content: NDArray[Any]) -> None:
        taken.append(content.nbytes)
        original(file, offset, content)

    monkeypatch.setattr(ClaimFile, "read", note)
    with reader_of(path) as reader:
        for row in range(0, ROWS - 20_000, 1000):
            reader.read(row, np.empty(20_000 * reader.row_bytes, np.uint8))
    assert sum(taken) <= path.stat().st_size


def compact(file: Any) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"rf_data", h5py.h5t.py_create(SAMPLE), h5py.h5s.create_simple((10, 1)), dcpl=properties)


UNUSUAL: dict[str, Callable[[Any], object]] = {
    "shuffle": lambda file: file.create_dataset("rf_data", (10, 1), SAMPLE, compression="gzip", shuffle=True),
    "lzf": lambda file: file.create_dataset("rf_data", (10, 1), SAMPLE, compression="lzf"),
    "columns apart": lambda file: file.create_dataset("rf_data", (10, 2), SAMPLE, chunks=(10, 1)),
    "compact": compact,
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_storage_that_digital_rf_does_not_use_is_refused_with_the_cure(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "unusual.h5"
    with h5py.File(path, "w") as file:
        UNUSUAL[kind](file)
    with pytest.raises(WorkerError) as caught:
        chunks_of(path)
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "h5repack")


def test_chunks_beyond_number_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "crumbs.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("rf_data", (10**9, 1), SAMPLE, chunks=(1, 1))
    with pytest.raises(WorkerError) as caught:
        chunks_of(path)
    assert says(caught.value, ExitCode.INPUT_INVALID, path.name, "1000000000 chunks")


@pytest.mark.parametrize("storage", [{"compression": 1}, {"checksum": True}, {"compression": 1, "checksum": True}])
def test_chunks_of_many_writes_are_read_as_they_were_written(tmp_path: Path, storage: dict[str, Any]) -> None:
    pairs = integer_pairs(30_000)
    blocks = [(first, pairs[first : first + 700]) for first in range(0, 30_000, 700)]
    channel = write_digital_rf(tmp_path, blocks, **storage)
    (path,) = channel.glob("*/rf@*.h5")
    assert len(chunks_of(path).offsets) == 5
    found, missing = read(open_path(tmp_path, "recording"))
    assert not missing.any()
    np.testing.assert_array_equal(found, scaled(pairs))


def test_chunks_of_many_writes_are_read_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = integer_pairs(30_000)
    blocks = [(first, pairs[first : first + 700]) for first in range(0, 30_000, 700)]
    (path,) = write_digital_rf(tmp_path, blocks).glob("*/rf@*.h5")
    assert len(chunks_of(path).offsets) == 5
    recording = open_path(tmp_path, "recording")
    assert not recording.description.is_compressed
    monkeypatch.setattr(digital_rf_reader, "open_hdf5", None)
    found, missing = read(recording)
    assert not missing.any()
    np.testing.assert_array_equal(found, scaled(pairs))
