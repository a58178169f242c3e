"""Files of a recording below one folder: opened without following anything out of it, read exactly.

A recording comes from somebody else. Nothing here follows a path out of the root, opens a device or a pipe, or maps a
file into memory (file pages of a map count as resident memory, and a safeguard would stop a healthy worker).
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from spectrogram_worker.errors import input_invalid, input_not_found, unreadable


class ClaimStore:
    """What lies below a folder of this machine: a mounted claim, or a copy in scratch. See `RecordingStore`.

    `shown` says what people call a path, `advice` what they can do where there is nothing.
    """

    is_remote = False
    memory_bytes = 0

    def __init__(
        self,
        root: Path,
        shown: Callable[[PurePosixPath], str] = str,
        advice: str = "check the path and the claim",
    ) -> None:
        self._root = root.resolve()
        self._shown, self._advice = shown, advice

    def shown(self, path: PurePosixPath) -> str:
        """`path` as people know it."""
        return self._shown(path)

    def require(self, path: PurePosixPath) -> None:
        """Raise WorkerError 66 where nothing is at `path`, 65 for a link that leads out of the root or in a circle."""
        self._inside(path)

    def is_file(self, path: PurePosixPath) -> bool:
        """Whether a file is at `path`, or a link to one."""
        return (self._root / path).is_file()

    def is_folder(self, path: PurePosixPath) -> bool:
        """Whether a folder is at `path`, or a link to one."""
        return (self._root / path).is_dir()

    def names(self, path: PurePosixPath) -> list[str]:
        """What lies in a folder."""
        try:
            return os.listdir(self._inside(path))
        except OSError as error:
            raise unreadable(self.shown(path), error) from None

    def open(self, path: PurePosixPath) -> "ClaimFile":
        """Open a regular file."""
        return ClaimFile(self.on_disk(path), self.shown(path))

    def fetch(self, paths: Iterable[PurePosixPath]) -> None:
        """They are here."""

    def on_disk(self, path: PurePosixPath) -> Path:
        """The real path of `path`, which must be a regular file below the root."""
        real = self._inside(path)
        try:
            mode = real.stat().st_mode
        except OSError as error:
            raise unreadable(self.shown(path), error) from None
        if not stat.S_ISREG(mode):
            raise input_invalid(f"{self.shown(path)} is not a regular file: name a file that holds samples")
        return real

    def close(self) -> None:
        """Nothing is held open."""

    def _inside(self, path: PurePosixPath) -> Path:
        """The real path of `path`, which must exist and lie below the root."""
        try:
            real = (self._root / path).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            raise input_not_found(f"input.path: there is no {self.shown(path)}: {self._advice}") from None
        except (OSError, RuntimeError) as error:
            raise unreadable(self.shown(path), error) from None
        if not real.is_relative_to(self._root):
            raise input_invalid(
                f"{self.shown(path)} is a symbolic link that leads out of the volume: copy the data into the volume"
            )
        return real


class ClaimFile:
    """The regular file at `real`; see `SampleFile`."""

    def __init__(self, real: Path, name: str) -> None:
        self.name = name
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
