"""Files below one folder, reached by descriptor: no name on the way may be a symbolic link that leads elsewhere."""

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BufferedRandom, BufferedReader, FileIO
from pathlib import Path

from spectrogram_worker.contract.memory import FILE_BUFFER_BYTES

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAY = _FOLDER | getattr(os, "O_PATH", 0)
"""To go through a folder needs no permission to list it."""


def synchronize(descriptor: int) -> None:
    """Have a file or folder on disk. Network file systems that cannot do this are trusted."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


class Folder:
    """An open folder. Every method takes the name of something directly in it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def root(cls, path: str) -> "Folder":
        """The folder that a store is mounted at; its own path may contain links."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    @classmethod
    def way(cls, path: str) -> "Folder":
        """As `root`, to reach what lies below it."""
        return cls(os.open(path, _WAY & ~os.O_NOFOLLOW))

    def folder(self, name: str, *, create: bool = False) -> "Folder":
        """The folder `name`, made if it may be and is not there. A symbolic link is an OSError."""
        if create:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=self.descriptor)
        return Folder(os.open(name, _FOLDER, dir_fd=self.descriptor))

    def enter(self, name: str) -> "Folder":
        """The folder `name`, to reach what lies in it. A symbolic link is an OSError."""
        return Folder(os.open(name, _WAY, dir_fd=self.descriptor))

    def create(self, name: str) -> BufferedRandom:
        """A new file, opened for writing and reading; one that exists is an OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return BufferedRandom(FileIO(os.open(name, flags, 0o666, dir_fd=self.descriptor), "r+"), FILE_BUFFER_BYTES)

    def open(self, name: str) -> BufferedReader:
        """The regular file `name`, for reading."""
        return os.fdopen(self.descriptor_of(name), "rb")

    def descriptor_of(self, name: str) -> int:
        """A descriptor of the regular file `name`, for reading. Anything else is an OSError, and is not opened."""
        status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", name)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was replaced meanwhile
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is not a regular file", name)
        return descriptor

    def names(self) -> list[str]:
        """Names in the folder, sorted."""
        return sorted(os.listdir(self.descriptor))

    def status(self, name: str) -> os.stat_result | None:
        """What `name` itself is, a link as a link; None where there is nothing."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def rename(self, name: str, new_name: str) -> None:
        """Give `name` another name in this folder, at once for every onlooker."""
        os.rename(name, new_name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove the file or the whole folder `name`; links in it are removed, never followed."""
        status = self.status(name)
        if status is not None and stat.S_ISDIR(status.st_mode):
            shutil.rmtree(name, dir_fd=self.descriptor)
        elif status is not None:
            os.unlink(name, dir_fd=self.descriptor)

    def touch(self) -> None:
        """Let the folder's time of change be now, by the clock of whoever keeps the files."""
        os.utime(self.descriptor)

    def free_bytes(self) -> int | None:
        """Free space of the file system for this user, in bytes; None where it does not say."""
        space = os.fstatvfs(self.descriptor)
        return space.f_bavail * space.f_frsize if space.f_blocks else None

    def synchronize(self) -> None:
        """Have the folder's entries on disk before anything else happens."""
        synchronize(self.descriptor)

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.descriptor)


class Renewal:
    """Renews a folder's time of change every so many seconds, from a thread of its own, until `close`."""

    def __init__(self, folder: Folder, seconds: float) -> None:
        self._folder, self._seconds = Folder(os.dup(folder.descriptor)), seconds
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="renewal", daemon=True).start()

    def _run(self) -> None:
        with closing(self._folder):
            while not self._closed.wait(self._seconds):
                with suppress(OSError):
                    self._folder.touch()

    def close(self) -> None:
        """End the thread, without waiting for it: a network file system may not answer."""
        self._closed.set()


def walk(folder: Folder, path: str = "", *, depth: int = 4) -> Iterator[tuple[str, Folder, str]]:
    """All that lies in `folder` and in the folders below it: path, the folder it is in, name.

    Links are named and not followed. Folders nested deeper than `depth` are an OSError: what is read may be anyone's.
    """
    if not depth:
        raise OSError(errno.ELOOP, "folders are nested too deeply", path)
    for name in folder.names():
        status = folder.status(name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            yield path + name, folder, name
            continue
        below = folder.folder(name)
        try:
            yield from walk(below, f"{path}{name}/", depth=depth - 1)
        finally:
            below.close()


def used_bytes(path: Path) -> int:
    """Bytes on disk of all that lies in the folder `path`; what vanishes meanwhile takes none."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total
