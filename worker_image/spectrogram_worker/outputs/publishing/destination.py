"""The place of one job's results: what an attempt does with it, in a claim or in a bucket."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import WorkerError, invalid_spec
from spectrogram_worker.outputs.manifest import PublishedManifest
from spectrogram_worker.storage.folders import Folder

PARTIAL = ".partial"
HIDDEN = ".spectrogram-"
"""Names of what is there only until results are published begin so."""


@dataclass(frozen=True)
class Published:
    """Results that stand in their place. Paths of the files are relative to the claim or store."""

    files: tuple[OutputFile, ...]
    columns: int
    warnings: tuple[str, ...]

    @classmethod
    def by(cls, manifest: PublishedManifest, path: str) -> "Published":
        """What a manifest says that was found in the folder `path`."""
        files = at_path(path, (*manifest.files, manifest.own_entry))
        return cls(files, manifest.content.columns, manifest.content.warnings)


class Destination(Protocol):
    """Call `find` first, then `prepare`, and `close` at the end. What stands there already is never lost by mistake."""

    path: str
    """Where the results appear, relative to the claim or store."""

    @property
    def work(self) -> Folder:
        """The folder that results are written to before they are published."""

    def find(self) -> Published | None:
        """What this job has published here already, or None. Raises OutputNotWritable (73) for anything else here."""

    def prepare(self) -> None:
        """Make the work folder, and try to write where the results will be."""

    def require_space(self, needed: int) -> None:
        """Raise OutputNoSpace (86) unless there is room for `needed` bytes."""

    def publish(self, *, partial: bool) -> str:
        """Make the results appear, whole; returns their path. Partial results get a name of their own."""

    def discard(self) -> None:
        """Remove the unpublished work as far as that is possible; from any thread."""

    def close(self) -> None:
        """Remove what was not published and release everything."""


def at_path(folder: str, files: tuple[OutputFile, ...]) -> tuple[OutputFile, ...]:
    """The files with their paths relative to the claim or store instead of `folder`."""
    return tuple(file.model_copy(update={"path": f"{folder}/{file.path}"}) for file in files)


def path_parts(path: str) -> list[str]:
    """The names in `path`, of which there is at least one and none that leads up."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise invalid_spec(f"output.path must name a folder below the claim or store, not {path!r}")
    return parts


def hidden_name(job: JobReference) -> str:
    """How names begin of what is there only until the results of this job are published."""
    return f"{HIDDEN}{re.sub(r'[^A-Za-z0-9-]', '-', job.uid)[:64]}"


def in_the_way(what: str) -> WorkerError:
    """Something stands where the results are to appear (73)."""
    return WorkerError(ExitCode.OUTPUT_NOT_WRITABLE, f"output.path: {what}; remove it or choose another path")


def listed(names: list[str], *, most: int = 5) -> str:
    """The first names, for a message."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "") if names else "nothing"


@contextmanager
def output_errors(path: str) -> Iterator[None]:
    """Errors of the file system while writing results to `path`, as what they mean for the job: 73, 74 or 86."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkerError(ExitCode.OUTPUT_NO_SPACE, f"no space for the output {path}: {reason}") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise WorkerError(ExitCode.OUTPUT_NOT_WRITABLE, f"cannot write the output {path}: {reason}") from error
        raise WorkerError(ExitCode.IO_ERROR, f"error while writing the output {path}: {reason}") from error
