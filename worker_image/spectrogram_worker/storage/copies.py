"""Copies of remote files in scratch: refused before the first byte where there is no room, removed at the end."""

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import WorkerDocument
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.logs import megabytes
from spectrogram_worker.progress import ProgressState

LOG_SECONDS = 5.0

log = logging.getLogger(__name__)


class Download:
    """How far a download is, of `total` bytes or None where nobody knows: in log lines, and as a sign of life.

    Safe for one thread. `add` raises what `raise_if_stopped` does.
    """

    def __init__(
        self, title: str, total: int | None, state: ProgressState, raise_if_stopped: Callable[[], None]
    ) -> None:
        self._title, self._total, self._state = title, total, state
        self._raise_if_stopped = raise_if_stopped
        self._done = 0
        self._logged = time.monotonic()

    def add(self, count: int) -> None:
        """So many more bytes are here."""
        self._done += count
        self._raise_if_stopped()
        now = time.monotonic()
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            share = f"{100 * self._done // self._total} % of {megabytes(self._total)}" if self._total else ""
            log.info("Downloading %s: %s", self._title, share or f"{megabytes(self._done)} so far")
            self._state.enter("downloading")  # again: so the job does not look stale


class Copies:
    """A folder of copies in scratch, made when the first is wanted. `close` removes it."""

    def __init__(self, document: WorkerDocument, state: ProgressState, raise_if_stopped: Callable[[], None]) -> None:
        limits = document.limits
        self._scratch, self._most = document.folders.scratch, limits.scratch_bytes
        # How much of the files a range selects is known only when they are here: then the worker decides.
        self._large = limits.large_dataset_bytes if document.input.range is None else None
        self._state, self._raise_if_stopped = state, raise_if_stopped
        self._folder: Path | None = None
        self._copied = 0

    @property
    def folder(self) -> Path:
        """Where the copies are."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="recording-", dir=self._scratch))
        return self._folder

    def room(self) -> int:
        """How many bytes may still be copied."""
        space = os.statvfs(self._scratch)
        free = space.f_bavail * space.f_frsize
        return free if self._most is None else max(0, min(free, self._most - self._copied))

    @contextmanager
    def download(self, title: str, total: int | None) -> Iterator[Download]:
        """To copy `total` bytes within.

        Raises WorkerError: 87 where they belong on the large queue, 65 where there is no room, 74 where writing fails,
        and where the worker is to stop what `raise_if_stopped` does.
        """
        self._raise_if_stopped()
        if self._large is not None and (total or 0) > self._large:
            what = f"{title} has {megabytes(total or 0)}, more than {megabytes(self._large)}"
            raise WorkerError(ExitCode.REROUTE_LARGE, f"{what}: it belongs on the large queue")
        try:
            if (total or 0) > (room := self.room()):
                raise no_room(title, megabytes(total or 0), room)
            self._copied += total or 0
            self._state.enter("downloading")
            yield Download(title, total, self._state, self._raise_if_stopped)
            self._state.enter("reading")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise no_room(title, "more bytes than it has room for", 0) from error
            what = f"{title} cannot be copied to scratch: {error.strerror or type(error).__name__}"
            raise WorkerError(ExitCode.IO_ERROR, what) from error

    def place(self, path: PurePosixPath) -> Path:
        """Where the copy of `path` is to be written; the folders above it are made."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def close(self) -> None:
        """Remove the copies."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def no_room(title: str, size: str, room: int) -> WorkerError:
    """The error for a recording that is larger than scratch; `size` in words."""
    return input_invalid(
        f"{title} has {size}, scratch has room for {megabytes(room)}: raise the chart's worker.scratchSize, or store it"
        " in a bucket as one SigMF file, which is read without a copy"
    )
