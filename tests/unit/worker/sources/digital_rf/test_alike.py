"""Files whose headers are those of one before are looked at without the HDF5 library, and found to hold the same."""

import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.digital_rf import hdf5, index
from spectrogram_worker.sources.digital_rf.alike import Contents, KnownFiles, NotedFile
from spectrogram_worker.sources.digital_rf.folders import SampleFolders
from spectrogram_worker.sources.digital_rf.hdf5 import open_hdf5, read_properties, rows_of, stored_offset
from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import FIRST_SAMPLE, integer_pairs, open_path, read, scaled, write_digital_rf

FILES = 20
PER_FILE = 1000
_HEADERS, _INDEX = 8624, 1600
"""Bytes before the samples of a file, and behind them."""


def write(root: Path, files: int = FILES, **fields: Any) -> list[Path]:
    """A recording of a file for each millisecond; returns them in order."""
    pairs = integer_pairs(files * PER_FILE)
    return sorted(write_digital_rf(root, [(0, pairs)], file_milliseconds=1, **fields).glob("*/rf@*.h5"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the library was asked about."""
    names: list[str] = []
    original = hdf5.read_hdf5

    def note(file: Any) -> Any:
        names.append(file.name.rpartition("/")[2])
        return original(file)

    monkeypatch.setattr(index, "read_hdf5", note)
    return names


def found(root: Path) -> tuple[Any, ...] | str:
    """The index of all files of the recording, or why there is none."""
    store = ClaimStore(root)
    channel = PurePosixPath("recording/ch0")
    files = SampleFolders(store, channel).between(0, 2**60)
    try:
        index_of_all = index.build_index(store, files, read_properties(store, channel), 0)
    except WorkerError as error:
        return f"{error.code} {error}"
    columns = (index_of_all.starts, index_of_all.stops, index_of_all.files, index_of_all.rows, index_of_all.offsets)
    return index_of_all.sample_type, *(column.tolist() for column in columns)


def found_by_the_library(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...] | str:
    with monkeypatch.context() as patched:
        patched.setattr(KnownFiles, "contents_of", lambda known, file: None)
        return found(root)


@pytest.mark.parametrize("continuous", [False, True])
def test_the_library_is_asked_about_the_first_of_files_that_are_alike(
    tmp_path: Path, asked: list[str], continuous: bool
) -> None:
    paths = write(tmp_path, continuous=continuous)
    samples, missing = read(open_path(tmp_path, "recording"))
    np.testing.assert_array_equal(samples, scaled(integer_pairs(FILES * PER_FILE)))
    assert not missing.any()
    # Twice for the ends of the recording, and once for all the rest.
    assert asked == [paths[0].name, paths[-1].name, paths[0].name]


def test_when_a_file_was_written_and_what_its_attributes_say_is_no_matter(tmp_path: Path, asked: list[str]) -> None:
    paths = write(tmp_path, 3)
    last = paths[-1]
    content = last.read_bytes()
    changed, count = re.subn(rb"(\x12\0\x08\0.\0\0\0\x01\0\0\0)....", rb"\1abcd", content.replace(b"2.6.", b"9.9."))
    assert count == 2, "messages of both datasets that say when they were changed"
    last.write_bytes(changed)
    with h5py.File(last) as file:
        assert file["rf_data"].attrs["digital_rf_version"].startswith(b"9.9.")
        assert file["rf_data"].attrs["sequence_num"] == 2
    assert isinstance(found(tmp_path), tuple)
    assert asked == [paths[0].name]


def test_after_a_compressed_file_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two of its files are alike: after the first, noting what is read would only cost time."""
    noted: list[NotedFile] = []
    read_and_note = NotedFile.read

    def read_noted(file: NotedFile, offset: int, content: Any) -> None:
        noted.append(file)
        read_and_note(file, offset, content)

    monkeypatch.setattr(NotedFile, "read", read_noted)
    write(tmp_path, 5, compression=1)
    assert isinstance(found(tmp_path), tuple)
    assert len(set(noted)) == 1


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """Where a recording is, its last file, and what that holds."""
    root = tmp_path_factory.mktemp("alike")
    last = write(root, 3)[-1]
    return root, last, last.read_bytes()


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, _HEADERS + _INDEX - 1), value=st.integers(0, 255))
def test_a_byte_that_differs_anywhere_gives_what_the_library_gives(
    recording: tuple[Path, Path, bytes], place: int, value: int
) -> None:
    """The same words, or the same samples."""
    root, last, content = recording
    if place >= _HEADERS:  # behind the samples
        place = len(content) - (place - _HEADERS) - 1
    last.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert found(root) == found_by_the_library(root, monkeypatch)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(2000, 0), (2500, 1000)], "rf_data_index points outside the file"),
        ([(2000, 1), (2500, 500)], "rf_data_index points outside the file"),
        ([(2**62, 0), (2500, 500)], "rf_data_index points outside the file"),
        ([(2000, 0), (2500, 0)], "rf_data_index is not in order"),
        ([(2000, 0), (2100, 500)], "repeats samples of an earlier segment"),
        ([(1899, 0), (2500, 400)], "repeats samples of an earlier segment"),
    ],
)
def test_the_index_of_a_file_that_is_alike_is_checked_as_any(
    tmp_path: Path, asked: list[str], rows: list[tuple[int, int]], words: str
) -> None:
    """Each file has two segments of a part of a millisecond."""
    blocks = [(first + half, integer_pairs(400)) for first in (0, 1000, 2000) for half in (0, 500)]
    paths = sorted(write_digital_rf(tmp_path, blocks, file_milliseconds=1).glob("*/rf@*.h5"))
    assert isinstance(found(tmp_path), tuple)
    with h5py.File(paths[-1], "r+") as file:
        assert file["rf_data_index"].shape == (2, 2)
        file["rf_data_index"][...] = np.array(rows, np.uint64) + np.array((FIRST_SAMPLE, 0), np.uint64)
    asked.clear()
    answer = found(tmp_path)
    assert asked == [paths[0].name]
    assert isinstance(answer, str)
    assert answer.startswith("65 ")
    assert re.search(f"{re.escape(paths[-1].name)}.*{words}", answer)


def test_files_of_two_sizes_in_turns_are_known_both(tmp_path: Path, asked: list[str]) -> None:
    """A second has no whole number of samples."""
    rate = Fraction(2001, 2)
    pairs = integer_pairs(20_010)
    channel = write_digital_rf(tmp_path, [(0, pairs)], rate=rate, first=int(1_700_000_000 * rate))
    assert len({path.stat().st_size for path in channel.glob("*/rf@*.h5")}) == 2
    np.testing.assert_array_equal(read(open_path(tmp_path, "recording"))[0], scaled(pairs))
    assert len(asked) == 4


def test_files_of_one_size_and_two_kinds_are_known_both(tmp_path: Path, asked: list[str]) -> None:
    """Where a writer's block ends within a file, the file has two rows in its index."""
    pairs = integer_pairs(30_000)
    blocks = [(first, pairs[first : first + 1500]) for first in range(0, 30_000, 1500)]
    kinds = set()
    for path in write_digital_rf(tmp_path, blocks, file_milliseconds=1).glob("*/rf@*.h5"):
        with h5py.File(path) as file:
            kinds.add((path.stat().st_size, len(file["rf_data_index"])))
    assert sorted(kinds) == [(_HEADERS + 4000 + _INDEX, 1), (_HEADERS + 4000 + _INDEX, 2)]
    np.testing.assert_array_equal(read(open_path(tmp_path, "recording"))[0], scaled(pairs))
    assert len(asked) == 4


class Bytes:
    """A file in memory."""

    name, descriptor = "rf@1.000.h5", None

    def __init__(self, content: bytes) -> None:
        self.content, self.size = content, len(content)

    def read(self, offset: int, content: Any) -> None:
        content[:] = np.frombuffer(self.content, np.uint8)[offset : offset + len(content)]

    def require_unchanged(self) -> None: ...

    def close(self) -> None: ...


def contents(**fields: int) -> Contents:
    sample_type = SampleType(component=np.dtype("<i2"), is_complex=True)
    some = {"length": 1, "offset": 0, "segments": 1, "index_offset": 0} | fields
    return Contents(sample_type=sample_type, index_type=np.dtype("<u8"), **some)


def noted(content: bytes, *reads: tuple[int, int]) -> NotedFile:
    file = NotedFile(Bytes(content))
    for offset, count in reads:
        file.read(offset, np.empty(count, np.uint8))
    return file


@settings(max_examples=100, deadline=None)
@given(
    reads=st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 40)).map(lambda read: (read[0], min(read[1], 100 - read[0])))
    ),
    place=st.integers(0, 99),
)
def test_every_byte_that_was_read_counts_and_no_other(reads: list[tuple[int, int]], place: int) -> None:
    known, content = KnownFiles(), bytes(range(100))
    known.add(noted(content, *reads), contents(), [])
    other = content[:place] + b"\xff" + content[place + 1 :]
    was_read = any(offset <= place < offset + count for offset, count in reads)
    assert (known.contents_of(Bytes(other)) is None) is was_read
    assert known.contents_of(Bytes(content)) == contents()
    assert known.contents_of(Bytes(content + b"\0")) is None


def test_a_few_files_are_remembered_the_latest() -> None:
    known = KnownFiles()
    for size in range(100, 200):
        known.add(noted(bytes(size), (0, size)), contents(length=size), [])
    assert [size for size in range(100, 200) if known.contents_of(Bytes(bytes(size)))] == list(range(192, 200))


def test_files_whose_index_is_in_several_pieces_are_not_remembered(tmp_path: Path, asked: list[str]) -> None:
    """More than a hundred segments in each."""
    pairs = integer_pairs(4)
    channel = write_digital_rf(tmp_path, [(first, pairs) for first in range(0, 3000, 8)], file_milliseconds=1)
    starts = found(tmp_path)[1]
    assert starts == list(range(FIRST_SAMPLE, FIRST_SAMPLE + 3000, 8))
    assert asked == sorted(path.name for path in channel.glob("*/rf@*.h5"))


def test_files_of_long_headers_are_not_remembered() -> None:
    for size in (2**16, 2**16 + 1):
        known = KnownFiles()
        known.add(noted(bytes(size), (0, size)), contents(), [])
        assert (known.contents_of(Bytes(bytes(size))) is None) is (size > 2**16)


def header(*messages: tuple[int, bytes], version: int = 1) -> bytes:
    """The header of a dataset with messages of a type and a body each."""
    packed = b"".join(struct.pack("<HHBxxx", kind, len(body), 0) + body for kind, body in messages)
    return struct.pack("<BxHIIxxxx", version, len(messages), 1, len(packed)) + packed


@pytest.mark.parametrize(
    ("content", "skipped"),
    [
        (header((1, bytes(8)), (12, bytes(16)), (8, bytes(8))), range(40, 56)),
        (header((18, bytes(8))), range(28, 32)),
        (header((18, bytes(0)), (1, bytes(8))), range(0)),
        (header((12, bytes(16)), version=2), range(0)),
        (header((16, struct.pack("<QQ", 40, 24))) + struct.pack("<HHBxxx", 12, 16, 0) + bytes(16), range(0)),
    ],
)
def test_attributes_and_times_of_change_do_not_count(content: bytes, skipped: range) -> None:
    known = KnownFiles()
    known.add(noted(content, (0, len(content))), contents(), [0])
    for place in range(len(content)):
        other = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        assert (known.contents_of(Bytes(other)) is None) is (place not in skipped)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        header((16, struct.pack("<QQ", 0, 2**63))),
        header((16, struct.pack("<QQ", 2**63, 100))),
        header((16, struct.pack("<QQ", 16, 24))),
        header((16, b"")),
        header((12, bytes(8)))[:20],
    ],
)
def test_headers_that_lead_nowhere_come_to_an_end(content: bytes) -> None:
    """The library refuses them; who finds their attributes must not fail."""
    known = KnownFiles()
    known.add(noted(content, (0, len(content))), contents(), [0, 5])
    assert known.contents_of(Bytes(content)) == contents()


def contiguous(file: Any, rows: Any) -> None:
    file["rf_data_index"] = rows


def one_chunk(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", data=rows, chunks=(100, 2), maxshape=(None, 2))


def some_chunks(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", data=rows, chunks=(2, 2))


def columns_apart(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", data=rows, chunks=(100, 1), maxshape=(None, 2))


def wider_chunk(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", data=rows, chunks=(100, 3), maxshape=(None, None))


def never_written(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", rows.shape, rows.dtype)
    file.create_dataset("other", rows.shape, rows.dtype, chunks=(100, 2), maxshape=(None, 2))


def chunk_never_written(file: Any, rows: Any) -> None:
    file.create_dataset("rf_data_index", rows.shape, rows.dtype, chunks=(100, 2), maxshape=(None, 2))


def compact(file: Any, rows: Any) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    stored, space = h5py.h5t.py_create(rows.dtype), h5py.h5s.create_simple(rows.shape)
    h5py.h5d.create(file.id, b"rf_data_index", stored, space, dcpl=properties).write(h5py.h5s.ALL, h5py.h5s.ALL, rows)


def fewer_bits(file: Any, rows: Any) -> None:
    stored = h5py.h5t.py_create(rows.dtype)
    stored.set_precision(8 * rows.itemsize - 14)
    stored.set_offset(5)
    dataset = h5py.h5d.create(file.id, b"rf_data_index", stored, h5py.h5s.create_simple(rows.shape))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, rows)


@pytest.mark.parametrize("dtype", ["<u8", ">i8", "<u4"])
@pytest.mark.parametrize(
    ("store", "is_in_one_piece"),
    [
        (contiguous, True),
        (one_chunk, True),
        (some_chunks, False),
        (columns_apart, False),
        (wider_chunk, False),
        (never_written, False),
        (chunk_never_written, False),
        (compact, False),
        (fewer_bits, False),
    ],
)
def test_an_index_in_one_piece_is_where_it_is_said_to_be(
    tmp_path: Path, store: Callable[[Any, Any], None], is_in_one_piece: bool, dtype: str
) -> None:
    path = tmp_path / "index.h5"
    with h5py.File(path, "w") as file:
        store(file, np.arange(10).reshape(5, 2).astype(dtype))
    with open_hdf5(ClaimStore(tmp_path), PurePosixPath(path.name)) as file:
        dataset = file["rf_data_index"].id
        offset, rows = stored_offset(dataset), rows_of(dataset, 0, 5)
    assert (offset >= 0) is is_in_one_piece
    if is_in_one_piece:
        content = np.frombuffer(path.read_bytes()[offset:], dtype, 10)
        np.testing.assert_array_equal(content.reshape(5, 2), rows)
