"""A place in a claim at which the results of one job appear: whose results stand there, and whether they are whole."""

import errno
import os
import stat
from contextlib import closing
from pathlib import Path

from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.outputs.manifest import PublishedManifest, read_manifest
from spectrogram_worker.outputs.publishing.destination import in_the_way, listed
from spectrogram_worker.storage.folders import Folder, walk


class ClaimPlace:
    """The folder `name` in `parent`, which need not be there; `recording` is the input, which no output may replace."""

    def __init__(self, parent: Folder, name: str, job: JobReference, recording: Path) -> None:
        self.name = name
        self._parent, self._job, self._recording = parent, job, recording

    def find(self) -> PublishedManifest | None:
        """The results of a job of this name that stand here; None where nothing does.

        Raises OutputNotWritable (73) where something else is here, and OSError.
        """
        status = self._parent.status(self.name)
        if status is None:
            return None
        if not stat.S_ISDIR(status.st_mode):
            raise in_the_way(f"{self.name} is {described(status)}")
        if self._holds_recording(status):
            raise in_the_way(f"{self.name} holds the input")
        with closing(self._parent.folder(self.name)) as folder:
            manifest, names = read_manifest(folder), folder.names()
        if manifest is None:
            what = f"{self.name} is a folder without a manifest of this job's; it holds {listed(names)}"
            raise in_the_way(what)
        if not manifest.is_of_job_named(self._job):
            raise in_the_way(f"{self.name} holds the results of the job {manifest.job_title}")
        return manifest

    def is_whole(self, manifest: PublishedManifest) -> bool:
        """True when this very job and these parameters gave the results that stand here, and all of them are there.

        Raises OSError.
        """
        if not (manifest.is_of(self._job) and manifest.complete):
            return False
        with closing(self._parent.folder(self.name)) as folder:
            return all(_size(folder, file.path) == file.bytes for file in manifest.files)

    def _holds_recording(self, folder: os.stat_result) -> bool:
        """True when the recording is this folder or lies in it, by whatever mount the two are reached."""
        for path in (self._recording, *self._recording.parents):
            try:
                if os.path.samestat(path.stat(), folder):
                    return True
            except OSError:
                continue
        return False


def described(status: os.stat_result | None) -> str:
    """What it is that is no folder, for a message."""
    if status is None:
        return "nothing"
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if stat.S_ISREG(status.st_mode):
        return "a file"
    return "a special file"


def _size(folder: Folder, name: str) -> int | None:
    """Bytes of the file `name` in `folder`, or of all files in the folder `name`; None where it is neither."""
    status = folder.status(name) if "/" not in name and name not in (".", "..") else None
    if status is None or not stat.S_ISDIR(status.st_mode):
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None
    with closing(folder.folder(name)) as below:
        try:
            found = [place.status(file) for _, place, file in walk(below)]
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return None  # nested more deeply than a worker nests
    return sum(entry.st_size for entry in found if entry is not None and stat.S_ISREG(entry.st_mode))
