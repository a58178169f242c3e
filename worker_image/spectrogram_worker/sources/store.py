"""The seam between formats and places: a format asks a `RecordingStore` for names, bytes and files, wherever those lie.

Paths are relative to the store. What they name comes from somebody else: a store leads nowhere but into itself.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Protocol

from numpy.typing import NDArray


def is_left_by_macos(name: str) -> bool:
    """Whether a file of this name is one that macOS adds for itself: an AppleDouble file (._NAME) or .DS_Store.

    Such names are no part of a recording: no store lists them, and no archive holds them.
    """
    return name.startswith("._") or name in (".DS_Store", "__MACOSX")


class SampleFile(Protocol):
    """A file, read at byte offsets; safe to use from one thread at a time.

    name: as people know it. size: in bytes. descriptor: the open file for a library that reads it itself, or None where
    there is none.
    """

    name: str
    size: int

    @property
    def descriptor(self) -> int | None: ...

    def read(self, offset: int, content: NDArray[Any]) -> None:
        """Fill `content` (contiguous) with the bytes from `offset` on. Raises WorkerError 65 where the file ends."""
        ...

    def require_unchanged(self) -> None:
        """Raise WorkerError 65 where the file was changed since it was opened; `read` does so by itself."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class RecordingStore(Protocol):
    """A place that holds a recording. Questions raise WorkerError 74 or 75 where the place cannot answer."""

    @property
    def is_remote(self) -> bool:
        """Whether files must be copied to this machine before a library that wants a file can read them."""
        ...

    @property
    def read_ahead_bytes(self) -> int:
        """Memory of the cache that all readers share, at most; 0 where there is none."""
        ...

    def shown(self, path: PurePosixPath) -> str:
        """`path` as people know it."""
        ...

    def require(self, path: PurePosixPath) -> None:
        """Raise WorkerError 66 where nothing is at `path`, 65 where what is there leads out of the store."""
        ...

    def is_file(self, path: PurePosixPath) -> bool:
        """Whether a file is at `path`, which may still turn out not to be readable."""
        ...

    def is_folder(self, path: PurePosixPath) -> bool:
        """Whether a folder is at `path`."""
        ...

    def names(self, path: PurePosixPath) -> list[str]:
        """What lies in a folder, but for `is_left_by_macos`. Raises WorkerError as `require` does."""
        ...

    def open(self, path: PurePosixPath) -> SampleFile:
        """Open a file. Raises WorkerError as `require` does, and 65 for what is not a regular file."""
        ...

    def fetch(self, paths: Iterable[PurePosixPath]) -> None:
        """Have files on this machine, many at once. Raises WorkerError 65 where there is no room for them."""
        ...

    def require_unchanged(self) -> None:
        """Raise WorkerError 65 where a file is not as it was when it was first opened."""
        ...

    def close(self) -> None:
        """Release what was opened, and remove copies; a second time does nothing."""
        ...
