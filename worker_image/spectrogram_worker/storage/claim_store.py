"""Recordings in a mounted claim: nothing is reached outside its folder, no device or pipe is opened, reads are exact.

A file that changes while it is read is noticed by its size and its time of modification. Neither the time of its
status nor its inode would do: the first changes for all files of a claim when the kubelet sets their group for another
pod, and some file systems that show a bucket give a file a new inode whenever it is opened.

No file is mapped into memory: its pages would count as the worker's, and the safeguard would stop a healthy worker.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid, input_not_found, unreadable
from spectrogram_worker.sources.store import is_left_by_macos
from spectrogram_worker.storage.folders import Folder
from spectrogram_worker.storage.way import LeadsOutError, way_to

_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


Version = tuple[int, int]
"""Size in bytes and time of change in nanoseconds: what tells that a file is no longer the same."""
_MOST_REMEMBERED = 1000
"""Files of a recording whose version is remembered from the first opening to the end."""


def _version(status: os.stat_result) -> Version:
    return status.st_size, status.st_mtime_ns


def _changed(name: str) -> WorkerError:
    return input_invalid(f"{name} was changed while it was read: run the job again when nothing writes to it")


class ClaimStore:
    """What lies below a folder of this machine: a mounted claim, or a copy in scratch. See `RecordingStore`.

    `shown` says what people call a path, `advice` what they can do where there is nothing. `raise_if_stopped` is called
    before each question to the file system: to index a recording can take a million of them.
    """

    is_remote = False
    read_ahead_bytes = 0

    def __init__(
        self,
        root: Path,
        shown: Callable[[PurePosixPath], str] = str,
        advice: str = "check the path and the claim",
        raise_if_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self._root = root.resolve()
        self._shown, self._advice, self._raise_if_stopped = shown, advice, raise_if_stopped
        self._versions: dict[PurePosixPath, Version] = {}

    def shown(self, path: PurePosixPath) -> str:
        """`path` as people know it."""
        return self._shown(path)

    def require(self, path: PurePosixPath) -> None:
        """Raise WorkerError 66 where nothing is at `path`, 65 for a link that leads out of the root or in a circle."""
        with self._way_to(path) as (folder, name):
            os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)

    def is_file(self, path: PurePosixPath) -> bool:
        """Whether a file is at `path`, or a link to one."""
        return stat.S_ISREG(self._mode(path))

    def is_folder(self, path: PurePosixPath) -> bool:
        """Whether a folder is at `path`, or a link to one."""
        return stat.S_ISDIR(self._mode(path))

    def names(self, path: PurePosixPath) -> list[str]:
        """What lies in a folder, but for `is_left_by_macos`."""
        with self._way_to(path) as (folder, name):
            below = folder.folder(name)
            try:
                return [found for found in below.names() if not is_left_by_macos(found)]
            finally:
                below.close()

    def open(self, path: PurePosixPath) -> "ClaimFile":
        """Open a regular file."""
        with self._way_to(path) as (folder, name):
            status = folder.status(name)
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise input_invalid(f"{self.shown(path)} is not a regular file: name a file that holds samples")
            file = ClaimFile(folder.descriptor_of(name), self.shown(path))
        if self._versions.get(path, file.version) != file.version:
            file.close()
            raise _changed(self.shown(path))
        if len(self._versions) < _MOST_REMEMBERED:
            self._versions[path] = file.version
        return file

    def fetch(self, paths: Iterable[PurePosixPath]) -> None:
        """They are here."""

    def require_unchanged(self) -> None:
        """Raise WorkerError 65 where one of the first thousand files is not as it was when it was first opened.

        Further ones are looked at while they are open. One that is gone by now was read as it was.
        """
        for path, version in self._versions.items():
            status = None
            with suppress(WorkerError), self._way_to(path) as (folder, name):
                status = folder.status(name)
            if status is not None and _version(status) != version:
                raise _changed(self.shown(path))

    def close(self) -> None:
        """Nothing is held open."""

    def _mode(self, path: PurePosixPath) -> int:
        """Kind and permissions of what is at `path`; 0 where there is nothing."""
        try:
            with self._way_to(path) as (folder, name):
                status = folder.status(name)
        except WorkerError as error:
            if error.code is not ExitCode.INPUT_NOT_FOUND:
                raise
            return 0
        return status.st_mode if status is not None else 0

    @contextmanager
    def _way_to(self, path: PurePosixPath) -> Iterator[tuple[Folder, str]]:
        """What `way_to` gives, to be used within; what the system refuses becomes a WorkerError."""
        self._raise_if_stopped()
        is_found = False
        try:
            with way_to(self._root, path) as found:
                is_found = True
                yield found
        except LeadsOutError:
            raise input_invalid(
                f"{self.shown(path)} is a symbolic link that leads out of the claim: copy the data into the claim"
            ) from None
        except PermissionError as error:
            closed = path if is_found else PurePosixPath(error.filename)
            what = "read" if is_found else "search"
            raise self._forbidden(path, closed, f"{what} permission") from None
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                raise input_not_found(f"input.path: there is no {self.shown(path)}: {self._advice}") from None
            raise unreadable(self.shown(path), error) from None

    def _forbidden(self, path: PurePosixPath, closed: PurePosixPath, permission: str) -> WorkerError:
        """The error for `path`, because `closed`, the file or folder itself or one on the way, is not open to us."""
        said = ""
        with suppress(LeadsOutError, OSError), way_to(self._root, closed) as (folder, name):
            status = os.fstat(folder.descriptor) if name == "." else folder.status(name)
            if status is not None:
                mode = stat.S_IMODE(status.st_mode)
                said = f" has the mode {mode:04o} and belongs to user {status.st_uid}, group {status.st_gid}"
        shown = self.shown(closed) if closed != path else "it"
        return input_invalid(
            f"{self.shown(path)} cannot be read:{f' {shown}{said}:' if said else ''} give user {os.getuid()}"
            f" {permission} to {shown}"
        )


class ClaimFile:
    """The regular file behind a descriptor, which `close` releases; see `SampleFile`."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self.version = _version(os.fstat(descriptor))
        self.size = self.version[0]
        self._descriptor = descriptor

    @property
    def descriptor(self) -> int:
        """The open file, for a library that reads it itself; closed with `close`."""
        return self._descriptor

    def read(self, offset: int, content: NDArray[Any]) -> None:
        """Fill `content` (contiguous) with the bytes from `offset` on. Raises WorkerError 65 where the file ends."""
        rest = content.data.cast("B")
        while rest:
            try:
                count = os.preadv(self._descriptor, [rest], offset)
            except OSError as error:
                raise unreadable(self.name, error) from None
            if count == 0:
                self.require_unchanged()
                raise input_invalid(
                    f"{self.name} ends at byte {offset}, in the middle of its samples: it was cut off, copy it again"
                )
            rest, offset = rest[count:], offset + count
        self.require_unchanged()

    def require_unchanged(self) -> None:
        """Raise WorkerError 65 where the file was changed since it was opened."""
        if _version(os.fstat(self._descriptor)) != self.version:
            raise _changed(self.name)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
