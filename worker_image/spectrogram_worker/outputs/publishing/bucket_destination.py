"""Results in a bucket: written to the scratch folder, then uploaded; manifest.json, uploaded last, publishes them."""

import logging
import os
import uuid
from contextlib import closing
from pathlib import Path, PurePosixPath

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.document import OUTPUT_CREDENTIALS, Bucket
from spectrogram_worker.contract.report import MANIFEST_NAME
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.logs import megabytes
from spectrogram_worker.outputs.manifest import MANIFEST_MEDIA_TYPE, read_manifest
from spectrogram_worker.outputs.publishing.bucket_place import BucketPlace, Upload
from spectrogram_worker.outputs.publishing.destination import (
    PARTIAL,
    Published,
    hidden_name,
    in_the_way,
    output_errors,
    path_parts,
)
from spectrogram_worker.storage.bucket import BucketClient, credentials_in
from spectrogram_worker.storage.folders import Folder, used_bytes, walk

_IN_A_FOLDER = "application/octet-stream"

log = logging.getLogger(__name__)


class BucketDestination:
    """A folder of a bucket: a Destination."""

    def __init__(self, document: WorkerDocument, bucket: Bucket) -> None:
        self._document, self._bucket = document, bucket
        self.path = "/".join(path_parts(document.output_path))
        self._scratch, self._limit = Path(document.folders.scratch), document.limits.scratch_bytes
        self._work_name = f"{hidden_name(document.job)}-{document.job.attempt}.tmp"
        self._work: Folder | None = None
        credentials = credentials_in(os.environ, OUTPUT_CREDENTIALS)
        self._client = BucketClient(bucket, credentials, refused=ExitCode.OUTPUT_NOT_WRITABLE)
        process = uuid.uuid4().hex
        soft_seconds = document.limits.soft_seconds
        self._whole = BucketPlace(self._client, self.path, document.job, process, soft_seconds)
        self._partial = BucketPlace(self._client, self.path + PARTIAL, document.job, process, soft_seconds)

    @property
    def work(self) -> Folder:
        """The folder that results are written to before they are published."""
        assert self._work is not None, "prepare comes first"
        return self._work

    def find(self) -> Published | None:
        """What this job has published here already, or None where it has not. Raises OutputNotWritable (73)."""
        manifest = self._whole.find()
        if self._holds_recording():
            raise in_the_way(f"{self.path} holds the input")
        if manifest is None or not self._whole.is_whole(manifest):
            return None
        self._whole.remove_marker()
        return Published.by(manifest, self.path)

    def prepare(self) -> None:
        """Write the marker, which also shows that the bucket can be written to, and make the work folder."""
        self._whole.enter(uploading=False)
        try:
            with closing(Folder.root(str(self._scratch))) as scratch:
                scratch.remove(self._work_name)
                self._work = scratch.folder(self._work_name, create=True)
        except OSError as error:
            what = f"results for a bucket need a scratch folder that can be written: {self._scratch}: {error.strerror}"
            raise WorkerError(ExitCode.WORKER_CONFIG_ERROR, what) from error

    def require_space(self, needed: int) -> None:
        """Raise OutputNoSpace (86) unless scratch has room: recordings that were downloaded lie there too."""
        free = self.work.free_bytes()
        left = [] if free is None else [free]
        if self._limit is not None:
            left.append(max(0, self._limit - used_bytes(self._scratch)))
        if left and min(left) < needed:
            what = f"the outputs need up to {megabytes(needed)} of scratch space, {megabytes(min(left))} are left"
            change = "ask for fewer formats or columns, or have the chart's worker.scratchSize raised"
            raise WorkerError(ExitCode.OUTPUT_NO_SPACE, f"{what}: {change}")

    def publish(self, *, partial: bool) -> str:
        """Upload the results; returns their path in the store. Partial ones get a name of their own."""
        place = self._partial if partial else self._whole
        try:
            self._whole.require_entered()
            with output_errors(self.path):
                place.publish(self._files())
        except WorkerError as error:
            if error.code is ExitCode.TRANSIENT_ERROR:  # to clean up takes minutes where the store does not answer
                self._whole.abandon()
                self._partial.abandon()
            raise
        if not partial:
            self._partial.remove()
        return place.path

    def discard(self) -> None:
        """Remove the work folder. The marker stays: it tells the next attempt what to remove from the bucket."""
        try:
            with closing(Folder.root(str(self._scratch))) as scratch:
                scratch.remove(self._work_name)
        except OSError as error:
            log.warning("Cannot remove the unfinished output %s: %s", self._work_name, error.strerror)

    def close(self) -> None:
        """Remove what was not published and release everything."""
        if self._work is not None:
            self._work.close()
            self._work = None
            self.discard()
        self._whole.leave()
        self._partial.leave()
        self._client.close()

    def _files(self) -> list[Upload]:
        """What lies in the work folder, to be uploaded."""
        manifest = read_manifest(self.work)
        types = {file.path: file.media_type for file in manifest.files} if manifest else {}
        types[MANIFEST_NAME] = MANIFEST_MEDIA_TYPE
        files = []
        for path, folder, name in walk(self.work):
            with folder.open(name) as file:
                size = os.fstat(file.fileno()).st_size
            place = self._scratch / self._work_name / path
            files.append(Upload(path, place, size, types.get(path, _IN_A_FOLDER)))
        return files

    def _holds_recording(self) -> bool:
        """True when the recording lies where results would be replaced."""
        source, target = self._document.places.input_bucket, self._bucket
        if source is None or (source.endpoint, source.bucket) != (target.endpoint, target.bucket):
            return False
        recording = PurePosixPath(source.prefix.strip("/"), self._document.input.path)
        return recording.is_relative_to(PurePosixPath(target.prefix.strip("/"), self.path))
