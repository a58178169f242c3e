"""Results: the files that a job leaves behind, and their way to the place where they appear, whole or not at all."""

from pathlib import Path

from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.outputs.publishing.claim_destination import ClaimDestination
from spectrogram_worker.outputs.publishing.destination import Destination

__all__ = ["open_destination"]


def open_destination(document: WorkerDocument) -> Destination:
    """The place that the document names, not yet looked at. Raises WorkerError (64) where its path is none."""
    if document.places.output_bucket is None:
        recording = Path(document.folders.input) / document.input.path
        return ClaimDestination(document.folders.output, document.output_path, document.job, recording)
    # boto3 takes longer to load than a short job takes: only for a job that needs it.
    from spectrogram_worker.outputs.publishing.bucket_destination import BucketDestination

    return BucketDestination(document, document.places.output_bucket)
