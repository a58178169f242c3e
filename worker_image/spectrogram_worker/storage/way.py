"""The way from a root to what a path below it names, through descriptors: nothing outside the root is ever reached.

A path is not checked and then opened, for what it names may be replaced in between. Each name on the way is opened for
itself, in the folder that was opened before it, and never as a link; what a link says is followed by hand.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spectrogram_worker.storage.folders import Folder

_MOST_LINKS = 40


class LeadsOutError(Exception):
    """A link on the way leads out of the root."""


@contextmanager
def way_to(root: Path, path: PurePosixPath) -> Iterator[tuple[Folder, str]]:
    """The folder in which lies what `path` names, and its name there, which is "." for a folder and never a link.

    `root` is a real path; a link may go through the folders above it as long as it comes back. Raises LeadsOutError,
    or the OSError that the system gives; the filename of a PermissionError is the folder that may not be entered.
    """
    way = [Folder.way(os.fspath(root))]
    try:
        yield _follow(way, root.parts, path)
    finally:
        for folder in way:
            folder.close()


def _follow(way: list[Folder], base: tuple[str, ...], path: PurePosixPath) -> tuple[Folder, str]:
    """Go along `path` from the last folder of `way`, whose path is `base`."""
    where, rest, links = list(base), list(reversed(path.parts)), 0
    while rest:
        part = rest.pop()
        if part in ("/", ".."):
            kept = 1 if part == "/" else max(1, len(where) - 1)
            _leave(way, max(0, len(where) - max(kept, len(base))))
            del where[kept:]
        elif len(where) < len(base):
            if base[len(where)] != part:
                raise LeadsOutError
            where.append(part)
        else:
            status = _status(way[-1], part, "/".join(where[len(base) :]))
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
                rest.extend(reversed(PurePosixPath(os.readlink(part, dir_fd=way[-1].descriptor)).parts))
            elif stat.S_ISDIR(status.st_mode):
                way.append(way[-1].enter(part))
                where.append(part)
            elif rest:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), part)
            else:
                return way[-1], part
    if len(where) < len(base):
        raise LeadsOutError
    return way[-1], "."


def _leave(way: list[Folder], count: int) -> None:
    for _ in range(count):
        way.pop().close()


def _status(folder: Folder, name: str, path: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
    except PermissionError as error:
        raise PermissionError(error.errno, error.strerror, path or ".") from None
