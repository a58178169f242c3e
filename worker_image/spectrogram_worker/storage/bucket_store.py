"""A bucket as the place of a recording: single files are read where they lie, by ranges of bytes.

What cannot be read so (Digital RF, whose files an HDF5 library opens, and FLAC) is copied to scratch first, as far as
it is needed. Keys are somebody else's: only what could be a file's name becomes one.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any, Protocol

from numpy.typing import NDArray

from spectrogram_worker.contract.memory import CACHED_BLOCK_BYTES, cached_blocks
from spectrogram_worker.errors import input_invalid, input_not_found
from spectrogram_worker.sources.store import SampleFile, is_left_by_macos
from spectrogram_worker.storage.bucket import TRANSFER_THREADS, Changed, Entry
from spectrogram_worker.storage.claim_store import ClaimStore
from spectrogram_worker.storage.copies import Copies
from spectrogram_worker.storage.read_ahead import ReadAheadCache, new_room

MOST_LISTED = 1_000_000
_LONGEST_NAME = 255
_PARTS_UNDER_WAY = 2 * TRANSFER_THREADS


class Client(Protocol):
    """What is asked of a BucketClient."""

    @property
    def title(self) -> str: ...

    def children(self, folder: str) -> Iterator[Entry | str]: ...

    def look(self, key: str) -> Entry | None: ...

    def read_into(self, entry: Entry, start: int, content: memoryview) -> None: ...

    def close(self) -> None: ...


class BucketStore:
    """What lies in a bucket; see `RecordingStore`. `threads` will read at the same time.

    An object is the one that was first seen: WorkerError 65 where it is replaced while it is read.
    """

    is_remote = True

    def __init__(
        self, client: Client, copies: Copies, *, threads: int, raise_if_stopped: Callable[[], None] = lambda: None
    ) -> None:
        self._client, self._copies, self._raise_if_stopped = client, copies, raise_if_stopped
        self._seen: dict[str, Entry | None] = {}
        self._listed = 0
        self._listed_folders: set[str] = set()
        self._folders: set[str] = set()
        self._copied: set[PurePosixPath] = set()
        self._streamed: set[PurePosixPath] = set()
        self._cache: ReadAheadCache[Entry] = ReadAheadCache(self._read, cached_blocks(threads), raise_if_stopped)

    @property
    def read_ahead_bytes(self) -> int:
        """What the cache takes, at most: no more than the files that are read through it."""
        sizes = sum(entry.size for path in self._streamed if (entry := self._look(path)) is not None)
        return min(sizes, self._cache.memory_bytes)

    def shown(self, path: PurePosixPath) -> str:
        """`path` as people know it, from the store's prefix on."""
        return str(path)

    def require(self, path: PurePosixPath) -> None:
        """Raise WorkerError 66 where there is neither an object nor a folder, 65 where there are both."""
        is_file, is_folder = self.is_file(path), self.is_folder(path)
        if not is_file and not is_folder:
            raise input_not_found(f"input.path: there is no {path} in {self._client.title}: check the path")
        if is_file and is_folder:
            raise self._refuse(path, "both an object and the beginning of others' keys")

    def is_file(self, path: PurePosixPath) -> bool:
        """Whether an object has this key."""
        return self._look(path) is not None

    def is_folder(self, path: PurePosixPath) -> bool:
        """Whether objects' keys begin with `path` and a slash."""
        folder = _folder_key(path)
        if path.name and _folder_key(path.parent) in self._listed_folders:
            return folder in self._folders
        return any(_key(child) != folder for child in self._client.children(folder))

    def names(self, path: PurePosixPath) -> list[str]:
        """The last parts of the keys in a folder, but for `is_left_by_macos`.

        Raises WorkerError 65 for one that is no name, or for too many.
        """
        folder = _folder_key(path)
        files: set[str] = set()
        folders: set[str] = set()
        is_there = False
        for child in self._client.children(folder):
            self._raise_if_stopped()
            self._listed += 1
            if self._listed > MOST_LISTED:
                raise input_invalid(f"{path} has more than {MOST_LISTED} objects: name a part of it, or pack it")
            name = _key(child)[len(folder) :]
            if isinstance(child, Entry) and not name:  # stands for the folder itself
                continue
            is_there = True
            if is_left_by_macos(name.removesuffix("/")):
                continue
            if isinstance(child, Entry):
                self._seen[child.key] = child
                files.add(name)
            else:
                name = name.removesuffix("/")
                folders.add(name)
            if not _is_name(name):
                raise self._refuse(path, f"the name {name[:80]!r} in it, which cannot be a file's")
        if not is_there:
            raise input_not_found(f"input.path: there is no {path} in {self._client.title}: check the path")
        if both := files & folders:
            raise self._refuse(path / min(both), "both an object and the beginning of others' keys")
        self._listed_folders.add(folder)
        self._folders.update(f"{folder}{name}/" for name in folders)
        return sorted(files | folders)

    def open(self, path: PurePosixPath) -> SampleFile:
        """Open an object, to be read by ranges of its bytes, or its copy where there is one."""
        if path in self._copied:
            return self._local().open(path)
        entry = self._entry(path)
        self._streamed.add(path)
        return BucketFile(self.shown(path), entry, self._cache, self._raise_if_stopped)

    def fetch(self, paths: Iterable[PurePosixPath]) -> None:
        """Copy objects to scratch that are not there yet, a few parts at a time."""
        wanted = {path: self._entry(path) for path in paths if path not in self._copied}
        if not wanted:
            return
        total = sum(entry.size for entry in wanted.values())
        first = os.path.commonpath([str(path) for path in wanted])
        with self._copies.download(f"{first} from {self._client.title}", total) as download:
            for path in wanted:
                self._copies.place(path).touch()
            with ThreadPoolExecutor(TRANSFER_THREADS, thread_name_prefix="download") as pool:
                under_way: deque[Future[int]] = deque()
                try:
                    for path, start, count in _parts(wanted.items()):
                        under_way.append(pool.submit(self._copy, path, wanted[path], start, count))
                        if len(under_way) == _PARTS_UNDER_WAY:
                            download.add(under_way.popleft().result())
                    while under_way:
                        download.add(under_way.popleft().result())
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
        self._copied.update(wanted)
        self._streamed.difference_update(wanted)

    def require_unchanged(self) -> None:
        """Every read has asked for the object that was first seen."""

    def close(self) -> None:
        """Close the connections, give back the memory, remove the copies."""
        self._cache.close()
        self._client.close()
        self._copies.close()

    def _local(self) -> ClaimStore:
        return ClaimStore(self._copies.folder, self.shown)

    def _look(self, path: PurePosixPath) -> Entry | None:
        key = str(path)
        if key not in self._seen:
            self._raise_if_stopped()
            self._seen[key] = self._client.look(key) if path.name and not self._is_unlisted(path) else None
        return self._seen[key]

    def _is_unlisted(self, path: PurePosixPath) -> bool:
        """Whether a list of the folder, or of the one above it, has told already that no such object is there."""
        folder, above = path.parent, path.parent.parent
        in_no_folder = folder.name and _folder_key(folder) not in self._folders
        return _folder_key(folder) in self._listed_folders or bool(
            in_no_folder and _folder_key(above) in self._listed_folders
        )

    def _entry(self, path: PurePosixPath) -> Entry:
        entry = self._look(path)
        if entry is None:
            self.require(path)
            raise input_invalid(f"{path} in {self._client.title} is a folder: name a file that holds samples")
        return entry

    def _read(self, entry: Entry, start: int, content: memoryview) -> None:
        try:
            self._client.read_into(entry, start, content)
        except Changed:
            raise input_invalid(
                f"{entry.key} in {self._client.title} was changed while it was read: run the job again"
            ) from None

    def _copy(self, path: PurePosixPath, entry: Entry, start: int, count: int) -> int:
        content = new_room(count)
        self._read(entry, start, content)
        descriptor = os.open(self._copies.folder / path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while content:
                written = os.pwrite(descriptor, content, start)
                content, start = content[written:], start + written
        finally:
            os.close(descriptor)
        return count

    def _refuse(self, path: PurePosixPath, what: str) -> Exception:
        return input_invalid(f"{path} in {self._client.title} has {what}: store the recording under another key")


class BucketFile:
    """An object, read by ranges of its bytes; see `SampleFile`."""

    descriptor = None

    def __init__(
        self, name: str, entry: Entry, cache: ReadAheadCache[Entry], raise_if_stopped: Callable[[], None]
    ) -> None:
        self.name, self.size = name, entry.size
        self._entry, self._cache, self._raise_if_stopped = entry, cache, raise_if_stopped

    def read(self, offset: int, content: NDArray[Any]) -> None:
        """Fill `content` (contiguous) with the bytes from `offset` on. Raises WorkerError 65 where the object ends."""
        self._raise_if_stopped()
        if offset + content.nbytes > self.size:
            raise input_invalid(
                f"{self.name} ends at byte {self.size}, in the middle of its samples: it was cut off, copy it again"
            )
        self._cache.read(self._entry, self.size, offset, content.data.cast("B"))

    def require_unchanged(self) -> None:
        """Every read asks for the object that was first seen."""

    def close(self) -> None:
        """The connections stay open for the other readers."""


def _key(child: Entry | str) -> str:
    return child.key if isinstance(child, Entry) else child


def _folder_key(path: PurePosixPath) -> str:
    return f"{path}/" if path.name else ""


def _is_name(name: str) -> bool:
    """Whether a key's part can be the name of a file or folder, and be said in a line of text."""
    is_safe = name not in ("", ".", "..") and "/" not in name and name.isprintable()
    return is_safe and len(name.encode()) <= _LONGEST_NAME


def _parts(entries: Iterable[tuple[PurePosixPath, Entry]]) -> Iterator[tuple[PurePosixPath, int, int]]:
    """The objects in parts of up to 4 MiB: path, first byte, number of bytes."""
    for path, entry in entries:
        for start in range(0, entry.size, CACHED_BLOCK_BYTES):
            yield path, start, min(CACHED_BLOCK_BYTES, entry.size - start)
