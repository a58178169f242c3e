"""Where the recording of a job is: in a claim, in a bucket, or at a web address.

The libraries for the last two are loaded only for jobs that need them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.document import INPUT_CREDENTIALS
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources.store import RecordingStore
from spectrogram_worker.storage.claim_store import ClaimStore
from spectrogram_worker.storage.copies import Copies


def open_input(
    document: WorkerDocument,
    environment: Mapping[str, str],
    state: ProgressState,
    raise_if_stopped: Callable[[], None],
) -> RecordingStore:
    """The store that holds `input.path`. A recording at a web address is downloaded here.

    Raises WorkerError: 64, 65 or 66 for an address or a download that cannot be used, 74 or 75 where it fails, 78 for a
    store that is not set up; and what `raise_if_stopped` raises, which is asked between pieces of a download, and by
    the store at each question.
    """
    bucket, address = document.places.input_bucket, document.places.input_url
    if bucket is None and address is None:
        return ClaimStore(Path(document.folders.input), raise_if_stopped=raise_if_stopped)
    copies = Copies(document, state, raise_if_stopped)
    if bucket is not None:
        from spectrogram_worker.storage.bucket import BucketClient, credentials_in
        from spectrogram_worker.storage.bucket_store import BucketStore

        client = BucketClient(bucket, credentials_in(environment, INPUT_CREDENTIALS), refused=ExitCode.INPUT_NOT_FOUND)
        return BucketStore(client, copies, threads=document.limits.threads, raise_if_stopped=raise_if_stopped)
    from spectrogram_worker.storage.web import WebFile
    from spectrogram_worker.storage.web_connection import Internet

    path = PurePosixPath(document.input.path)
    try:
        file = WebFile(str(address), document.places.allowed_url_hosts, Internet())
        file.download(path, copies)
    except BaseException:
        copies.close()
        raise
    return WebStore(path, file.title, copies)


class WebStore(ClaimStore):
    """A copy of one file from the web, which people know by its address. `close` removes it."""

    def __init__(self, path: PurePosixPath, title: str, copies: Copies) -> None:
        advice = "what lies in two files must be packed into one (.sigmf) to have one address"
        super().__init__(copies.folder, lambda asked: title if asked == path else str(asked), advice)
        self._copies = copies

    def close(self) -> None:
        """Remove the copy."""
        self._copies.close()
