"""Jobs whose recording lies in a real S3 store, and what a job reads from there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.document import INPUT_CREDENTIALS
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.sources.store import RecordingStore
from spectrogram_worker.storage.input import open_input
from unit.worker.jobs import document

CREDENTIALS = {
    f"{INPUT_CREDENTIALS}AWS_ACCESS_KEY_ID": ACCESS_KEY,
    f"{INPUT_CREDENTIALS}AWS_SECRET_ACCESS_KEY": SECRET_KEY,
}


def in_bucket(store: ObjectStore, **changes: Any) -> dict[str, Any]:
    """The section `places` of a document whose input lies in the store, which people know as `archive-1`."""
    bucket = {"store": "archive-1", "bucket": BUCKET, "endpoint": store.endpoint, **changes}
    return {"inputBucket": bucket}


def job_of(folder: Path, path: str, **changes: Any) -> WorkerDocument:
    """A document that reads `path`; `changes` replace sections."""
    fields = changes.pop("fields", {})
    return WorkerDocument.model_validate(document(folder, input={"path": path, **fields}, **changes))


@contextmanager
def opened(
    job: WorkerDocument,
    environment: dict[str, str] | None = None,
    raise_if_stopped: Callable[[], None] = lambda: None,
) -> Iterator[tuple[RecordingStore, Recording]]:
    """The store and the recording of a job, as an attempt opens them."""
    state = ProgressState(job.job, MemoryGauge(job.limits.memory_bytes, None))
    place = open_input(job, CREDENTIALS if environment is None else environment, state, raise_if_stopped)
    try:
        recording = open_recording(place, job.input)
        try:
            yield place, recording
        finally:
            recording.close()
    finally:
        place.close()


def in_scratch(folder: Path) -> list[str]:
    """Everything in the job's scratch, files only."""
    root = folder / "scratch"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
