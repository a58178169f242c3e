"""Results in a claim appear whole or not at all: they are written to a hidden folder, which is renamed at the end.

What stands in their place already is never lost by mistake. Results of this job and these parameters are left as they
are, and the job is done; results of another job of this name are put aside, replaced and then deleted; anything else is
an error.

An attempt that is killed leaves its hidden folder behind. The next attempt of its job removes it. So does an attempt of
any job that writes results beside it, once nothing in the folder has changed for a day: an attempt that is alive renews
the folder's time of change every five minutes. Times are those of the file system, because the clocks of nodes differ.
"""

import errno
import logging
import os
import re
from contextlib import closing
from pathlib import Path

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.errors import WorkerError, invalid_spec
from spectrogram_worker.outputs.publishing.claim_place import ClaimPlace, described
from spectrogram_worker.outputs.publishing.destination import (
    HIDDEN,
    PARTIAL,
    Published,
    hidden_name,
    output_errors,
    path_parts,
)
from spectrogram_worker.storage.folders import Folder, Renewal

_LONGEST_NAME = 255 - len(PARTIAL)
_RENEWAL_SECONDS = 300.0
_ABANDONED_SECONDS = 86_400.0
_ABANDONED = re.compile(rf"{re.escape(HIDDEN)}[A-Za-z0-9-]{{1,64}}-\d+\.(?:tmp|gone)")
"""Names of what any attempt may have left behind. Former results that it had put aside (.old) are not among them: only
an attempt of their own job may touch those."""

log = logging.getLogger(__name__)


class ClaimDestination:
    """The folder `path` of the claim that is mounted at `root`: a Destination. No output may replace `recording`."""

    def __init__(self, root: str, path: str, job: JobReference, recording: Path) -> None:
        parts = path_parts(path)
        if len(os.fsencode(parts[-1])) > _LONGEST_NAME:
            raise invalid_spec(f"output.path: the last name must not exceed {_LONGEST_NAME} bytes")
        self.path = "/".join(parts)
        self._root, self._parents, self._name = root, parts[:-1], parts[-1]
        self._job, self._recording = job, recording
        prefix = f"{hidden_name(job)}-"
        self._leftover = re.compile(re.escape(prefix) + r"(\d+)\.(?:tmp|old|gone)")
        self._work_name, self._aside = f"{prefix}{job.attempt}.tmp", f"{prefix}{job.attempt}"
        self._parent: Folder | None = None
        self._work: Folder | None = None
        self._renewal: Renewal | None = None

    @property
    def work(self) -> Folder:
        """The folder that results are written to before they are published."""
        assert self._work is not None, "prepare comes first"
        return self._work

    def find(self) -> Published | None:
        """Open the place. Returns what this job has published here already, or None where it has not.

        Raises OutputNotWritable (73) where something else is in the way.
        """
        with output_errors(self.path):
            self._parent = self._open_parent()
            self._restore()
            place = self._place()
            manifest = place.find()
            if manifest is None or not place.is_whole(manifest):
                return None
        return Published.by(manifest, self.path)

    def prepare(self) -> None:
        """Remove what earlier attempts left, make the work folder and try to write in it."""
        with output_errors(self.path):
            parent = self._open()
            names = parent.names()
            for name in names:
                if (left := self._leftover.fullmatch(name)) and int(left[1]) <= self._job.attempt:
                    parent.remove(name)
            self._work = parent.folder(self._work_name, create=True)
            self._renewal = Renewal(self._work, _RENEWAL_SECONDS)
            with self._work.create("probe") as probe:
                probe.write(b"\0")
            now = _changed(self._work)
            self._work.remove("probe")
        self._remove_abandoned(names, now)

    def require_space(self, needed: int) -> None:
        """Raise OutputNoSpace (86) unless `needed` bytes are free."""
        free = self._open().free_bytes()
        if free is not None and free < needed:
            message = f"the outputs need up to {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free"
            raise WorkerError(ExitCode.OUTPUT_NO_SPACE, message)

    def publish(self, *, partial: bool) -> str:
        """Make the results appear; returns their path, relative to the root. Partial ones get a name of their own."""
        place = self._place(partial=partial)
        with output_errors(self.path):
            self.work.synchronize()
            former = place.find()
            self._put_in_place(place.name, replace=former is not None)
            self._close_work()
            if not partial:
                self._remove_own_partial()
        return self.path + PARTIAL if partial else self.path

    def close(self) -> None:
        """Remove what was not published and release everything."""
        self._close_work()
        if self._parent is not None:
            self.discard()
            self._parent.close()
            self._parent = None

    def discard(self) -> None:
        """Remove the unpublished work, as far as that is possible."""
        try:
            if self._parent is not None:
                self._parent.remove(self._work_name)
        except OSError as error:
            log.warning("Cannot remove the unfinished output %s: %s", self._work_name, error.strerror)

    def _close_work(self) -> None:
        if self._renewal is not None:
            self._renewal.close()
            self._renewal = None
        if self._work is not None:
            self._work.close()
            self._work = None

    def _remove_abandoned(self, names: list[str], now: float) -> None:
        """Remove what abandoned attempts of other jobs left, as far as that is possible."""
        parent = self._open()
        for name in filter(_ABANDONED.fullmatch, names):
            try:
                with closing(parent.folder(name)) as folder:
                    changed = _changed(folder)
                if now - changed > _ABANDONED_SECONDS:
                    parent.remove(name)
                    log.info("Removed %s, which an attempt that is gone had left", name)
            except OSError as error:
                log.warning("Cannot remove %s, which another attempt left: %s", name, error.strerror)

    def _open(self) -> Folder:
        assert self._parent is not None, "find comes first"
        return self._parent

    def _open_parent(self) -> Folder:
        folder = Folder.root(self._root)
        for part in self._parents:
            try:
                below = folder.folder(part, create=True)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    message = f"output.path: {part} is not a folder but {described(folder.status(part))}"
                    raise WorkerError(ExitCode.OUTPUT_NOT_WRITABLE, message) from error
                raise
            finally:
                folder.close()
            folder = below
        return folder

    def _restore(self) -> None:
        """Give former results their name back, where an attempt died after it had put them aside."""
        parent = self._open()
        asides = [name for name in parent.names() if self._leftover.fullmatch(name) and name.endswith(".old")]
        if asides and parent.status(self._name) is None:
            parent.rename(asides[-1], self._name)

    def _place(self, *, partial: bool = False) -> ClaimPlace:
        name = self._name + PARTIAL if partial else self._name
        return ClaimPlace(self._open(), name, self._job, self._recording)

    def _put_in_place(self, name: str, *, replace: bool) -> None:
        parent = self._open()
        aside = self._aside + (".gone" if name.endswith(PARTIAL) else ".old")
        if replace:
            parent.rename(name, aside)
        try:
            parent.rename(self._work_name, name)
        except OSError:
            if replace:
                parent.rename(aside, name)
            raise
        parent.synchronize()
        if replace:
            self._remove_quietly(aside)

    def _remove_own_partial(self) -> None:
        place = self._place(partial=True)
        try:
            former = place.find()
        except WorkerError:  # it is not this job's
            return
        if former is not None:
            self._remove_quietly(place.name)

    def _remove_quietly(self, name: str) -> None:
        """Remove former results. The new ones are in place, so an error here fails nothing."""
        gone = f"{self._aside}.gone"  # if this attempt dies meanwhile, another one may remove what has this name
        try:
            if name != gone:
                self._open().rename(name, gone)
            self._open().remove(gone)
        except OSError as error:
            log.warning("Cannot remove the former output %s: %s", name, error.strerror)


def _changed(folder: Folder) -> float:
    """When the folder or anything directly in it changed last."""
    times = [status.st_mtime for name in folder.names() if (status := folder.status(name)) is not None]
    return max([os.fstat(folder.descriptor).st_mtime, *times])
