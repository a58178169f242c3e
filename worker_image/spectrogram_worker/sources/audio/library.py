"""A file as libsndfile reads it: through a descriptor that was opened here, or through reads of its bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import soundfile

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.samples.byte_stream import ByteStream
from spectrogram_worker.sources.store import SampleFile


class LibraryFile:
    """An audio file, open in libsndfile as `sound`. Closing it leaves the file itself open."""

    def __init__(self, file: SampleFile) -> None:
        self._name = file.name
        self._stream = ByteStream(file) if file.descriptor is None else None
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
        if self._stream is not None:
            self._stream.raise_failure()

    def close(self) -> None:
        """Close the library's handle."""
        self.sound.close()
