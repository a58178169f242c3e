"""A file as libsndfile reads it: through a descriptor that was opened here, or through reads of its bytes."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile

from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.store import SampleFile


class LibraryFile:
    """An audio file, open in libsndfile as `sound`. Closing it leaves the file itself open."""

    def __init__(self, file: SampleFile) -> None:
        self._name = file.name
        self._stream = _Stream(file) if file.descriptor is None else None
        with self.errors():
            self.sound: Any = soundfile.SoundFile(self._stream or file.descriptor, closefd=False)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """To use `sound` within: what reading the bytes raised, or WorkerError 65 where libsndfile finds damage."""
        try:
            yield
        except (soundfile.SoundFileError, ValueError, TypeError, OverflowError) as error:
            self._raise_failure()
            reason = " ".join(str(getattr(error, "error_string", error)).split())[:120]
            raise input_invalid(f"{self._name} is damaged or cut off ({reason}): copy it again") from None
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._stream is not None and self._stream.failure is not None:
            raise self._stream.failure

    def close(self) -> None:
        """Close the library's handle."""
        self.sound.close()


class _Stream(io.RawIOBase):
    """The bytes of a file without a descriptor. No exception can pass through libsndfile: it is kept as `failure`."""

    def __init__(self, file: SampleFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0
        self.failure: WorkerError | None = None

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` from the position on, up to the end of the file; returns how many bytes it got."""
        content = np.frombuffer(buffer, np.uint8)[: max(0, self._file.size - self._position)]
        try:
            self._file.read(self._position, content)
        except WorkerError as error:
            self.failure = error
            return 0
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte of the file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position
