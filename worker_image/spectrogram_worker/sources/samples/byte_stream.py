"""A file of samples as a library reads files that it did not open."""

import io
import os
from typing import Any

import numpy as np

from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.store import SampleFile


class ByteStream(io.RawIOBase):
    """The bytes of `file`, from a position on. Behind its end there are none, or zeros where `pads` says so.

    No exception can pass through a library written in C: it is kept as `failure`, and every later read fails too. A
    read of more than `most` bytes fails likewise: a file that lies makes a library ask for any number.
    """

    def __init__(self, file: SampleFile, *, most: int | None = None, pads: bool = False) -> None:
        super().__init__()
        self._file, self._most, self._pads = file, most, pads
        self._position = 0
        self.failure: WorkerError | None = None

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` from the position on; returns how many bytes it got, none after a failure."""
        content = np.frombuffer(buffer, np.uint8)
        if self._most is not None and len(content) > self._most:
            self.failure = input_invalid(f"{self._file.name} is damaged: it asks for {len(content)} bytes at once")
        there = content[: max(0, self._file.size - self._position)]
        try:
            self.raise_failure()
            self._file.read(self._position, there)
        except WorkerError as error:
            self.failure = error
            if self._pads:
                raise OSError("the file cannot be read") from None
            return 0
        if self._pads:
            content[len(there) :] = 0
            there = content
        self._position += len(there)
        return len(there)

    def raise_failure(self) -> None:
        """Raise what reading raised, if it did."""
        if self.failure is not None:
            raise self.failure

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte of the file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position
