"""The whole worker as a process, with results that go to a bucket on a real S3 server."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from spectrogram_worker.contract import ExitCode
from unit.worker.jobs import document, job, write_endless
from unit.worker.worker_process import ALL, ENDLESS, Ended, assert_same_numbers, run, run_until

NAMES = ["manifest.json", "spectrogram.npz", "spectrogram.png"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A prefix of the bucket, which no other test uses, and the credentials for it."""
    monkeypatch.setenv("SPECTROGRAM_OUTPUT_AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("SPECTROGRAM_OUTPUT_AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return Store(server, tmp_path.name, tmp_path)


class Store:
    """The place of one test's results."""

    def __init__(self, server: ObjectStore, prefix: str, folder: Path) -> None:
        self.root, self._folder = server.root / prefix, folder
        self.bucket = {"store": "results", "bucket": BUCKET, "prefix": prefix, "endpoint": server.endpoint}

    @property
    def places(self) -> dict[str, Any]:
        return {"outputBucket": self.bucket}

    def objects(self) -> list[str]:
        """Keys of all objects, hidden ones too."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def run(self, **changes: Any) -> Ended:
        """Run a worker to its end; it leaves nothing in scratch."""
        ended = run(self._folder, **{"places": self.places, **changes})
        left = [path for path in (self._folder / "scratch").iterdir() if path.name != "matplotlib"]
        assert left == []
        return ended


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Noise, as cf32."""
    (tmp_path / "input").mkdir()
    path = tmp_path / "input/signal.cf32"
    np.random.default_rng(1).normal(0, 1e-3, 40_000).astype("<f4").tofile(path)
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    return write_endless(tmp_path)


@pytest.mark.usefixtures("recording")
def test_a_bucket_gets_the_files_that_a_claim_gets(tmp_path: Path, store: Store) -> None:
    report = store.run(output=ALL).assert_orderly(ExitCode.DONE)
    assert report.message.endswith("columns are in fm-band")
    local = run(tmp_path, output=ALL).assert_orderly(ExitCode.DONE)
    assert [output.path for output in report.outputs] == [output.path for output in local.outputs]
    assert report.outputs[:-1] == local.outputs[:-1]
    folder = tmp_path / "output"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert store.objects() == files
    for name in files:
        if name != "fm-band/manifest.json":
            assert (store.root / name).read_bytes() == (folder / name).read_bytes(), name
    assert_same_numbers(store.root / "fm-band")


@pytest.mark.usefixtures("recording")
def test_a_second_attempt_finds_the_results_and_uploads_nothing(tmp_path: Path, store: Store) -> None:
    first = store.run(output=ALL).assert_orderly(ExitCode.DONE)
    changed = {path: (store.root / path).stat().st_mtime_ns for path in store.objects()}
    (tmp_path / "input/signal.cf32").unlink()
    second = store.run(output=ALL, job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)
    assert second.outputs == first.outputs
    assert "earlier attempt" in second.message
    assert {path: (store.root / path).stat().st_mtime_ns for path in store.objects()} == changed


@pytest.mark.usefixtures("recording")
def test_a_foreign_object_is_73_before_anything_is_read(store: Store) -> None:
    (store.root / "fm-band").mkdir(parents=True)
    (store.root / "fm-band/thesis.tex").write_text("mine")
    ended = store.run()
    assert "fm-band holds thesis.tex" in ended.assert_orderly(ExitCode.OUTPUT_NOT_WRITABLE).message
    assert store.objects() == ["fm-band/thesis.tex"]
    assert not any("after_download" in message for message in ended.messages)


@pytest.mark.usefixtures("recording")
def test_wrong_credentials_and_a_missing_bucket_are_73_before_anything_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = store.run(places={"outputBucket": store.bucket | {"bucket": "nowhere"}})
    monkeypatch.setenv("SPECTROGRAM_OUTPUT_AWS_SECRET_ACCESS_KEY", "guessed")
    refused = store.run()
    for ended, words in ((missing, "its bucket does not exist"), (refused, "its credentials may not do this")):
        message = ended.assert_orderly(ExitCode.OUTPUT_NOT_WRITABLE).message
        assert message.startswith("store results")
        assert words in message
        text = "\n".join(ended.messages)
        assert "after_download" not in text
        for secret in (store.bucket["endpoint"], ACCESS_KEY, "guessed", "nowhere"):
            assert secret not in text
    assert store.objects() == []


@pytest.mark.usefixtures("recording")
def test_a_bucket_that_cannot_be_written_is_73_before_anything_is_read(store: Store) -> None:
    patch = """
from botocore.exceptions import ClientError
from spectrogram_worker.storage.bucket import BucketClient
make = BucketClient.__init__
def read_only(self, *arguments, **options):
    make(self, *arguments, **options)
    def refuse(**options):
        raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject")
    self._client.put_object = refuse
BucketClient.__init__ = read_only
"""
    ended = store.run(patch=patch)
    assert "credentials may not do this" in ended.assert_orderly(ExitCode.OUTPUT_NOT_WRITABLE).message
    assert not any("after_download" in message for message in ended.messages)


@pytest.mark.usefixtures("recording")
def test_a_scratch_folder_that_is_too_small_is_86_before_anything_is_computed(tmp_path: Path, store: Store) -> None:
    limits = document(tmp_path)["limits"] | {"scratchBytes": 8_000_000}
    store.run(limits=limits).assert_orderly(ExitCode.DONE)
    (tmp_path / "scratch/downloaded").mkdir()
    (tmp_path / "scratch/downloaded/signal.cf32").write_bytes(b"x" * 4_000_000)
    ended = run(tmp_path, places=store.places, limits=limits, job=job(uid="uid-2").to_document())
    message = ended.assert_orderly(ExitCode.OUTPUT_NO_SPACE).message
    assert "fewer formats or columns" in message
    assert "worker.scratchSize" in message
    assert not any("before_spectrogram" in message for message in ended.messages)
    assert store.objects() == [f"fm-band/{name}" for name in NAMES]


def test_the_soft_limit_keeps_what_is_done(store: Store, endless: Path) -> None:
    for seconds in (4, 8, 16, 32, 64):  # a slow machine may need longer for its first column
        ended = store.run(reduce=ENDLESS, limits={"softSeconds": seconds, "memoryBytes": 2**30})
        ended.assert_orderly(ExitCode.SOFT_TIME_LIMIT_EXCEEDED)
        if store.objects():
            break
    assert_partial(store, ended, ExitCode.SOFT_TIME_LIMIT_EXCEEDED)


def test_terminate_keeps_what_is_done(tmp_path: Path, store: Store, endless: Path) -> None:
    ended = run_until(
        tmp_path,
        lambda report: report.progress.columns_done > 3,
        signal.SIGTERM,
        reduce=ENDLESS,
        places=store.places,
    )
    assert_partial(store, ended, ExitCode.INTERRUPTED)


def assert_partial(store: Store, ended: Ended, code: ExitCode) -> None:
    """The finished columns are published as partial results, and nothing else is left."""
    report = ended.assert_orderly(code)
    assert store.objects() == [f"fm-band.partial/{name}" for name in NAMES]
    manifest = json.loads((store.root / "fm-band.partial/manifest.json").read_text())
    assert (manifest["complete"], manifest["reason"]) == (False, code.reason)
    done = manifest["columnsDone"]
    assert 0 < done < manifest["columns"]
    with np.load(store.root / "fm-band.partial/spectrogram.npz", allow_pickle=False) as arrays:
        assert arrays["max"].shape == (64, done)
    assert f"{done} of {manifest['columns']} columns are kept in fm-band.partial" in report.message


@pytest.mark.usefixtures("recording")
def test_terminate_during_the_upload_publishes_the_whole_and_is_85(store: Store) -> None:
    patch = """
import os, signal
from spectrogram_worker.storage.bucket import BucketClient
upload = BucketClient.upload
def interrupted(self, *arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    return upload(self, *arguments)
BucketClient.upload = interrupted
"""
    report = store.run(patch=patch).assert_orderly(ExitCode.INTERRUPTED)
    assert "fm-band are whole" in report.message
    assert store.objects() == [f"fm-band/{name}" for name in NAMES]
    store.run(job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)


@pytest.mark.usefixtures("recording")
def test_killed_during_the_upload_nothing_is_published_and_the_next_attempt_does(tmp_path: Path, store: Store) -> None:
    patch = """
import os, signal
from spectrogram_worker.storage.bucket import BucketClient
upload = BucketClient.upload
def killed(self, key, *arguments):
    if key.endswith("manifest.json"): os.kill(os.getpid(), signal.SIGKILL)
    return upload(self, key, *arguments)
BucketClient.upload = killed
"""
    ended = run(tmp_path, patch=patch, places=store.places, output=ALL)
    assert ended.code == -signal.SIGKILL
    left = store.objects()
    assert "fm-band/.spectrogram-uid-1" in left
    assert "fm-band/spectrogram.zarr/.zmetadata" in left
    assert "fm-band/manifest.json" not in left
    run(tmp_path, places=store.places, job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)
    assert store.objects() == [f"fm-band/{name}" for name in NAMES]


@pytest.mark.usefixtures("recording")
def test_a_worker_that_is_forced_to_end_leaves_its_marker_and_no_scratch(store: Store) -> None:
    patch = """
import time
from spectrogram_worker.guards import safeguard
from spectrogram_worker.progress import ProgressState
safeguard.SOFT_LIMIT_PATIENCE = safeguard.MEMORY_PATIENCE = 0.1
held = []
def hang(self, **done):
    held.append(b"x" * 400_000_000)
    time.sleep(3600)
ProgressState.advance = hang
"""
    ended = store.run(patch=patch, limits={"softSeconds": 600, "memoryBytes": 400_000_000})
    assert "did not react" in ended.assert_orderly(ExitCode.MEMORY_SAFEGUARD_EXCEEDED).message
    assert store.objects() == ["fm-band/.spectrogram-uid-1"]


@pytest.mark.usefixtures("recording")
def test_a_store_that_goes_away_during_the_upload_is_75(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECTROGRAM_OUTPUT_AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("SPECTROGRAM_OUTPUT_AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with ObjectStore(tmp_path / "store") as server:
        patch = f"""
import os, signal
from spectrogram_worker.storage import bucket
bucket._TRIES = 2
upload = bucket.BucketClient.upload
def alone(self, *arguments):
    os.kill({server._program.pid}, signal.SIGKILL)
    return upload(self, *arguments)
bucket.BucketClient.upload = alone
"""
        store = Store(server, "here", tmp_path)
        ended = store.run(patch=patch)
        report = ended.assert_orderly(ExitCode.TRANSIENT_ERROR)
        assert not any("Cannot remove" in message for message in ended.messages), "a dead store is not asked again"
        assert "store results cannot be reached" in report.message
        assert str(server.endpoint) not in report.message
        assert "fm-band/manifest.json" not in store.objects()


@pytest.mark.usefixtures("recording")
def test_boto3_is_not_loaded_for_a_claim(tmp_path: Path) -> None:
    patch = """
import atexit, os, sys
atexit.register(lambda: "boto3" in sys.modules and os._exit(99))
"""
    run(tmp_path, patch=patch).assert_orderly(ExitCode.DONE)
