"""Files of a recording: found below the root, opened without following anything out of it, read exactly.

A recording comes from somebody else. Nothing here follows a path out of the root, opens a device or a pipe, or maps a
file into memory (file pages of a map count as resident memory, and a safeguard would stop a healthy worker).
"""

import errno
import os
import stat
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid, input_not_found


def shown(root: Path, path: Path) -> str:
    """`path` as people know it: relative to the root."""
    try:
        return str(path.relative_to(root)) or "."
    except ValueError:
        return path.name


def inside(root: Path, path: Path) -> Path:
    """The real path of `path`, which must exist and lie below `root`.

    Raises WorkerError: 66 where there is nothing, 65 where a symbolic link leads out of the root or in a circle.
    """
    try:
        real = path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise input_not_found(f"input.path: there is no {shown(root, path)}: check the path and the claim") from None
    except (OSError, RuntimeError) as error:
        raise unreadable(shown(root, path), error) from None
    if not real.is_relative_to(root.resolve()):
        raise input_invalid(
            f"{shown(root, path)} is a symbolic link that leads out of the volume: copy the data into the volume"
        )
    return real


def regular_file(root: Path, path: Path) -> Path:
    """The real path of `path`, which must be a regular file below `root`."""
    real = inside(root, path)
    try:
        mode = real.stat().st_mode
    except OSError as error:
        raise unreadable(shown(root, path), error) from None
    if not stat.S_ISREG(mode):
        raise input_invalid(f"{shown(root, path)} is not a regular file: name a file that holds samples")
    return real


def unreadable(name: str, error: Exception) -> WorkerError:
    """The error for a file that the system does not let us read: 65 where the user can mend it, else 74."""
    number = error.errno if isinstance(error, OSError) else errno.ELOOP
    if number in (errno.EACCES, errno.EPERM):
        return input_invalid(f"{name} cannot be read: give user {os.getuid()} read permission")
    if number == errno.ELOOP or isinstance(error, RuntimeError):
        return input_invalid(f"{name} is a symbolic link that leads in a circle: copy the data into the volume")
    return WorkerError(ExitCode.IO_ERROR, f"{name} cannot be read: {os.strerror(number or errno.EIO)}")


class SampleFile:
    """A regular file, read at byte offsets; safe to use from one thread at a time."""

    def __init__(self, root: Path, path: Path) -> None:
        self.name = shown(root, path)
        real = regular_file(root, path)
        try:
            self._descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            self.size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise unreadable(self.name, error) from None

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
                raise input_invalid(
                    f"{self.name} ends at byte {offset}, in the middle of its samples: it was cut off, copy it again"
                )
            rest, offset = rest[count:], offset + count

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
