"""Keys that somebody made to do harm: nothing is written outside scratch, and what cannot be a name is refused."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources.digital_rf.folders import channel_names
from spectrogram_worker.storage import bucket_store
from spectrogram_worker.storage.bucket import Changed, Entry
from spectrogram_worker.storage.bucket_store import BucketStore
from spectrogram_worker.storage.copies import Copies
from unit.worker.jobs import parsed
from unit.worker.recordings import says


class Objects:
    """A bucket in memory, whose keys may be anything."""

    title = "store archive-1"

    def __init__(self, *keys: str) -> None:
        self.keys = sorted(keys)
        self.changed: set[str] = set()
        self.asked: list[str] = []
        """What was listed, and what was looked at."""

    def children(self, folder: str) -> Iterator[Entry | str]:
        self.asked.append(f"list {folder}")
        folders = set()
        for key in self.keys:
            if key.startswith(folder):
                name, slash, _ = key[len(folder) :].partition("/")
                if not slash:
                    yield Entry(key, 5, "tag")
                elif name not in folders:
                    folders.add(name)
                    yield f"{folder}{name}/"

    def look(self, key: str) -> Entry | None:
        self.asked.append(f"look {key}")
        return Entry(key, 5, "tag") if key in self.keys else None

    def read_into(self, entry: Entry, start: int, content: memoryview) -> None:
        if entry.key in self.changed:
            raise Changed(entry.key)
        content[:] = b"bytes"[start : start + len(content)]

    def close(self) -> None:
        """Nothing is open."""


def store_of(folder: Path, *keys: str) -> tuple[BucketStore, Objects]:
    document, objects = parsed(folder), Objects(*keys)
    state = ProgressState(document.job, MemoryGauge(2**30, None))
    return BucketStore(objects, Copies(document, state, lambda: None), threads=1), objects


EVIL = ["..", ".", "", "a\nb", "a\x1b[31m", "a\x00b", "a\x7f", "\ud800", "x" * 256, "é" * 128]


@pytest.mark.parametrize("below", [*filter(None, EVIL), *(f"{name}/rf@1.000.h5" for name in EVIL)])
def test_a_key_that_is_no_name_is_refused(tmp_path: Path, below: str) -> None:
    bucket, _ = store_of(tmp_path, f"rec/{below}", "rec/good")
    with pytest.raises(WorkerError) as caught:
        bucket.names(PurePosixPath("rec"))
    assert says(caught.value, ExitCode.INPUT_INVALID, "rec in store archive-1", "cannot be a file's")
    assert str(caught.value).isprintable()
    bucket.close()


def test_a_marker_of_a_folder_is_passed_over(tmp_path: Path) -> None:
    bucket, _ = store_of(tmp_path, "rec/", "rec/good")
    assert bucket.names(PurePosixPath("rec")) == ["good"]
    assert bucket.is_folder(PurePosixPath("rec"))
    bucket.close()
    bucket, _ = store_of(tmp_path, "rec/")
    assert not bucket.is_folder(PurePosixPath("rec"))
    bucket.close()


def test_an_object_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    bucket, _ = store_of(tmp_path, "rec/a", "rec/a/b", "rec/c")
    for ask in (lambda: bucket.names(PurePosixPath("rec")), lambda: bucket.require(PurePosixPath("rec/a"))):
        with pytest.raises(WorkerError) as caught:
            ask()
        assert says(caught.value, ExitCode.INPUT_INVALID, "rec/a", "both an object and the beginning of others")
    bucket.require(PurePosixPath("rec/c"))
    bucket.close()


def test_too_many_objects_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_store, "MOST_LISTED", 10)
    bucket, _ = store_of(tmp_path, *(f"rec/a/{number}" for number in range(6)), *(f"rec/b/{n}" for n in range(6)))
    assert len(bucket.names(PurePosixPath("rec/a"))) == 6
    with pytest.raises(WorkerError) as caught:
        bucket.names(PurePosixPath("rec/b"))
    assert says(caught.value, ExitCode.INPUT_INVALID, "more than 10 objects")
    bucket.close()


def test_copies_lie_in_scratch_and_are_removed(tmp_path: Path) -> None:
    bucket, _ = store_of(tmp_path, "rec/ch0/a", "rec/ch0/b", "rec/ch1/a")
    bucket.fetch([PurePosixPath("rec/ch0/a"), PurePosixPath("rec/ch0/b")])
    with closing(bucket.open(PurePosixPath("rec/ch0/a"))) as file:
        assert os.pread(file.descriptor or -1, 10, 0) == b"bytes"
    found = sorted(path for path in (tmp_path / "scratch").rglob("*") if path.is_file())
    assert [path.name for path in found] == ["a", "b"]
    assert not any("ch1" in str(path) for path in found)
    bucket.close()
    bucket.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_link_in_place_of_a_copy_is_never_written_through(tmp_path: Path) -> None:
    bucket, _ = store_of(tmp_path, "rec/a")
    (tmp_path / "secret").write_bytes(b"kept")
    (bucket._copies.folder / "rec").mkdir()
    (bucket._copies.folder / "rec/a").symlink_to(tmp_path / "secret")
    with pytest.raises(WorkerError) as caught:
        bucket.fetch([PurePosixPath("rec/a")])
    assert caught.value.code is ExitCode.IO_ERROR
    assert (tmp_path / "secret").read_bytes() == b"kept"
    bucket.close()


def test_an_object_that_changes_while_it_is_copied_is_invalid(tmp_path: Path) -> None:
    bucket, objects = store_of(tmp_path, "rec/a")
    objects.changed.add("rec/a")
    with pytest.raises(WorkerError) as caught:
        bucket.fetch([PurePosixPath("rec/a")])
    assert says(caught.value, ExitCode.INPUT_INVALID, "rec/a in store archive-1", "was changed while it was read")
    bucket.close()


def test_what_a_list_told_is_not_asked_again(tmp_path: Path) -> None:
    """The channels of a folder of 5,000 objects were looked for with 10,000 requests."""
    objects = [f"rec/noise-{number}.cf32" for number in range(5000)]
    bucket, asked = store_of(tmp_path, *objects, "rec/ch0/drf_properties.h5", "rec/other/notes")
    assert channel_names(bucket, PurePosixPath("rec")) == ["ch0"]
    looked = [f"look rec/{path}" for path in ("ch0/drf_properties.h5", "other/drf_properties.h5", "other/metadata.h5")]
    assert asked.asked == ["list rec/", *looked]
    assert bucket.is_file(PurePosixPath("rec/noise-7.cf32"))
    assert not bucket.is_file(PurePosixPath("rec/noise.cf32"))
    assert [bucket.is_folder(PurePosixPath(path)) for path in ("rec/ch0", "rec/noise-7.cf32", "rec/none")] == [
        True,
        False,
        False,
    ]
    assert len(asked.asked) == 4
    bucket.close()
