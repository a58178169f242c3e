"""A place in a bucket at which the results of one job appear, whole or not at all: manifest.json publishes them.

A bucket has neither rename nor lock. So an attempt puts a marker there while it is at work (marker.py). The marker
tells whose objects lie there without a manifest. It also keeps attempts apart: an attempt that finds another marker in
place of its own stops uploading and publishes nothing.

One case is left. Another attempt may begin right after the last look at the marker, while an upload is under way, and
that upload may arrive after the other's results. If both attempts are of one job, it brings the same bytes, except for
the manifest. If it is of a former job of this name, it replaces a file of the new results; the manifest's checksum then
shows it.

The marker of another job's attempt is respected as long as that attempt may be alive. After that, whoever uploads
results here removes it, with what the attempt had uploaded and the parts of its unfinished uploads. The age of a marker
is measured by this machine's clock: stores refuse requests whose time is a quarter of an hour from theirs.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.contract.report import MANIFEST_NAME
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.arrays.hdf5_file import HDF5_NAME
from spectrogram_worker.outputs.arrays.npz_file import ARRAYS_NAME
from spectrogram_worker.outputs.arrays.zarr_folder import ZARR_NAME
from spectrogram_worker.outputs.manifest import (
    MANIFEST_MEDIA_TYPE,
    MOST_MANIFEST_BYTES,
    PublishedManifest,
    parse_manifest,
)
from spectrogram_worker.outputs.publishing.destination import HIDDEN, hidden_name, in_the_way, listed
from spectrogram_worker.outputs.publishing.marker import MOST_MARKER_BYTES, Marker, parse_marker
from spectrogram_worker.outputs.results import PICTURE_NAME
from spectrogram_worker.storage.bucket import PART_BYTES, TRANSFER_THREADS, BucketClient, Changed, Entry

_MOST_MARKERS = 16
_RESULTS = frozenset({PICTURE_NAME, ARRAYS_NAME, ZARR_NAME, HDF5_NAME, MANIFEST_NAME})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A result to upload: its path in the folder, where it is, its bytes."""

    path: str
    place: Path
    size: int
    media_type: str


class BucketPlace:
    """The folder `path` of a bucket, for the attempt of `job` that runs in this process."""

    def __init__(self, client: BucketClient, path: str, job: JobReference, process: str, soft_seconds: int) -> None:
        self.path = path
        self._client, self._job, self._process, self._soft_seconds = client, job, process, soft_seconds
        self._hidden = f"{path}/{HIDDEN}"
        self._marker_key, self._manifest_key = f"{path}/{hidden_name(job)}", f"{path}/{MANIFEST_NAME}"
        self._marker: Marker | None = None

    def find(self) -> PublishedManifest | None:
        """The results of a job of this name that stand here; None where nothing does, or only what an attempt left.

        Raises OutputNotWritable (73) where something else is here.
        """
        found = list(self._found_markers())
        for entry, marker in found:
            if marker.uploading and not self._may_remove(entry, marker):
                what = f"{entry.key} says that the job {marker.job_title} uploads its results here, or died doing so"
                raise in_the_way(f"{what} less than a day ago")
        manifest = self._manifest()
        if manifest is not None:
            if not manifest.is_of_job_named(self._job):
                raise in_the_way(f"{self.path} holds the results of the job {manifest.job_title}")
            return manifest
        if not any(marker.uploading or marker.job_title == self._job.title for _, marker in found):
            markers = {entry.key for entry, _ in found}
            start = f"{self.path}/"
            others = (entry.key for entry in self._client.list(start) if entry.key not in {start, *markers})
            if names := [key[len(start) :] for key in islice(others, 6)]:
                raise in_the_way(f"{self.path} holds {listed(names)}, and no manifest of this job's")
        return None

    def is_whole(self, manifest: PublishedManifest) -> bool:
        """True when this very job and these parameters gave the results that stand here, and all of them are there."""
        if not (manifest.is_of(self._job) and manifest.complete):
            return False
        sizes = self._sizes()
        for file in manifest.files:
            below = (size for path, size in sizes.items() if path.startswith(f"{file.path}/"))
            if sizes.get(file.path, sum(below)) != file.bytes:
                return False
        return True

    def enter(self, *, uploading: bool) -> PublishedManifest | None:
        """Leave the marker; returns what `find` does. Raises TransientError (75) where a later attempt is at work."""
        self.find()
        standing = self._markers().get(self._marker_key)
        if standing is not None and standing.uid == self._job.uid and standing.attempt > self._job.attempt:
            raise self._superseded()
        marker = Marker.of(self._job, self._process, self._soft_seconds, uploading=uploading)
        self._client.put(self._marker_key, marker.to_json(), MANIFEST_MEDIA_TYPE)
        self._marker = marker
        return self.find()  # once more: if two jobs come at the same time, at least one of them finds the other

    def require_entered(self) -> None:
        """Raise TransientError (75) where the marker is no longer this process's: another attempt has taken over."""
        if self._marker is None or self._markers().get(self._marker_key) != self._marker:
            raise self._superseded()

    def publish(self, files: Iterable[Upload]) -> None:
        """Upload the results, then the manifest, which is one of the files. After an error nothing is published."""
        self._replace({file.path: file for file in files})
        self.leave()

    def remove(self) -> None:
        """Remove the results of this job, its manifest first, as far as that is possible."""
        try:
            manifest = self.find()
            self._client.delete([self._manifest_key] if manifest else [])
            self._client.delete(self._keys(_RESULTS | _names(manifest)))
            self._client.delete(self._removable_markers())
        except WorkerError as error:
            log.warning("Cannot remove the former output %s: %s", self.path, error)

    def remove_marker(self) -> None:
        """Remove the marker of an attempt that died after it had published, as far as that is possible."""
        try:
            marker = self._markers().get(self._marker_key)
            if marker is not None and marker.attempt <= self._job.attempt:
                self._client.delete([self._marker_key])
        except WorkerError as error:
            log.warning("Cannot remove the marker of %s: %s", self.path, error)

    def abandon(self) -> None:
        """Do not clean up: the store does not answer, or another attempt is at work. The next attempt cleans up."""
        self._marker = None

    def leave(self) -> None:
        """Remove the marker and what is not published, unless another attempt has taken over."""
        marker, self._marker = self._marker, None
        if marker is None:
            return
        try:
            if self._markers().get(self._marker_key) == marker:
                if self._manifest() is None:
                    self._client.delete(self._keys(_RESULTS))
                self._client.delete([self._marker_key])
        except WorkerError as error:
            log.warning("Cannot remove the unfinished output %s: %s", self.path, error)

    def _replace(self, files: Mapping[str, Upload]) -> None:
        former = self.enter(uploading=True)
        if former is not None and self.is_whole(former):
            what = f"another attempt of this job has published {self.path}: the next attempt finds it"
            raise WorkerError(ExitCode.TRANSIENT_ERROR, what)
        old = self._keys(_RESULTS | _names(former))
        # Attempts of former jobs of this name, if any still run, publish nothing without their markers.
        self._client.delete(self._removable_markers() - {self._marker_key})
        self._client.delete(old & {self._manifest_key})
        self._abort_uploads()
        results = [file for path, file in files.items() if path != MANIFEST_NAME]
        self._upload([file for file in results if file.size <= PART_BYTES], threads=TRANSFER_THREADS)
        self._upload(
            [file for file in results if file.size > PART_BYTES], threads=1
        )  # the parts of each go side by side
        self.require_entered()
        self._client.delete(old - {f"{self.path}/{path}" for path in files})
        sizes = self._sizes()
        if missing := [file.path for file in results if sizes.get(file.path) != file.size]:
            what = f"{self._client.title}: {self.path}: {listed(missing)} went missing after the upload"
            raise WorkerError(ExitCode.TRANSIENT_ERROR, what)
        self._upload([files[MANIFEST_NAME]], threads=1)

    def _upload(self, files: list[Upload], *, threads: int) -> None:
        def upload(file: Upload) -> None:
            self.require_entered()
            self._client.upload(f"{self.path}/{file.path}", file.place, file.media_type)

        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(upload, files):  # an error cancels those that have not begun
                pass

    def _manifest(self) -> PublishedManifest | None:
        return parse_manifest(self._content(self._client.look(self._manifest_key), MOST_MANIFEST_BYTES))

    def _abort_uploads(self) -> None:
        """Remove the parts of unfinished uploads. No other attempt is at work here that could complete them."""
        try:
            self._client.abort_uploads(f"{self.path}/")
        except WorkerError as error:  # some stores have no such request, or do not allow it
            log.info("Cannot look for unfinished uploads in %s: %s", self.path, error)

    def _markers(self) -> dict[str, Marker]:
        """Markers by their keys."""
        return {entry.key: marker for entry, marker in self._found_markers()}

    def _removable_markers(self) -> set[str]:
        """Keys of the markers that this attempt may remove."""
        return {entry.key for entry, marker in self._found_markers() if self._may_remove(entry, marker)}

    def _may_remove(self, entry: Entry, marker: Marker) -> bool:
        """Whether a marker is of this job, of a former job of this name, or of an attempt that is gone."""
        if marker.job_title == self._job.title:
            return True
        return entry.stored is not None and marker.is_abandoned(datetime.now(UTC) - entry.stored)

    def _found_markers(self) -> Iterator[tuple[Entry, Marker]]:
        for entry in islice(self._client.list(self._hidden), _MOST_MARKERS):
            marker = parse_marker(self._content(entry, MOST_MARKER_BYTES))
            if marker is not None:
                yield entry, marker

    def _content(self, entry: Entry | None, most: int) -> bytes:
        """What the object holds; nothing where there is none or more than `most` bytes."""
        if entry is None or not 0 < entry.size <= most:
            return b""
        try:
            return bytes(self._client.read(entry, 0, entry.size))
        except Changed as error:
            what = f"{self._client.title}: {entry.key} changed while it was read: another attempt is at work"
            raise WorkerError(ExitCode.TRANSIENT_ERROR, what) from error

    def _sizes(self) -> dict[str, int]:
        """Bytes of everything in the folder, by path."""
        start = f"{self.path}/"
        return {entry.key[len(start) :]: entry.size for entry in self._client.list(start)}

    def _keys(self, names: frozenset[str]) -> set[str]:
        """Keys of the objects that have one of these names, or lie in a folder of that name."""
        return {f"{self.path}/{path}" for path in self._sizes() if path.partition("/")[0] in names}

    def _superseded(self) -> WorkerError:
        what = f"another attempt of this job has taken over {self.path}: this one publishes nothing"
        return WorkerError(ExitCode.TRANSIENT_ERROR, what)


def _names(manifest: PublishedManifest | None) -> frozenset[str]:
    return frozenset(file.path for file in manifest.files) if manifest else frozenset()
