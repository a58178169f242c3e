"""Attempts that publish to a bucket on a real S3 server, and what they leave there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.document import OUTPUT_CREDENTIALS
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs import open_destination
from spectrogram_worker.outputs.manifest import describe_file, describe_folder
from spectrogram_worker.outputs.publishing.bucket_destination import BucketDestination
from spectrogram_worker.outputs.publishing.destination import Published
from spectrogram_worker.storage.bucket import BucketClient
from unit.worker.jobs import job, parsed

ALL = ("spectrogram.png", "spectrogram.npz", "spectrogram.zarr")
MARKER = "fm-band/.spectrogram-uid-1"
Request = tuple[str, str]


class Killed(BaseException):
    """What the attempt does not live to see."""


class Site:
    """A prefix of the bucket, and the attempts that write there. Each has a client that can be made to die."""

    def __init__(self, server: ObjectStore, folder: Path, prefix: str) -> None:
        self.root, self._folder, self._prefix = server.root / prefix, folder, prefix
        self._bucket = {"store": "results", "bucket": BUCKET, "prefix": prefix, "endpoint": server.endpoint}
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda request: None
        """Called before each request that changes the bucket."""

    def document(self, path: str = "fm-band", **changes: Any) -> WorkerDocument:
        """The document of an attempt whose results, and whose input, are in this bucket."""
        places = {"outputBucket": self._bucket, "inputBucket": self._bucket}
        return parsed(self._folder, job=job(**changes).to_document(), output={"path": path}, places=places)

    def attempt(self, path: str = "fm-band", **changes: Any) -> BucketDestination:
        place = open_destination(self.document(path, **changes))
        assert isinstance(place, BucketDestination)
        self._watch(place._client)
        return place

    def _watch(self, bucket: BucketClient) -> None:
        client, dead = bucket._client, list[bool]()

        def watched(name: str, *, changes: bool) -> None:
            call = getattr(client, name)

            def instead(*arguments: Any, **options: Any) -> Any:
                request = (name.partition("_")[0], options.get("Key", "").removeprefix(f"{self._prefix}/"))
                try:
                    if changes and not dead:
                        self.before(request)
                except Killed:
                    dead.append(True)
                if dead:
                    raise Killed
                if changes:
                    self.requests.append(request)
                return call(*arguments, **options)

            setattr(client, name, instead)

        for name in ("put_object", "delete_object"):
            watched(name, changes=True)
        for name in ("get_paginator", "head_object", "get_object"):
            watched(name, changes=False)

    def objects(self) -> list[str]:
        """Keys of all objects, hidden ones too."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def write(self, key: str, text: str = "mine") -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def publish(self, path: str = "fm-band", *, partial: bool = False, **options: Any) -> None:
        """Publish results, as one attempt would."""
        names, text = options.pop("names", ALL), options.pop("text", "result")
        place = self.attempt(path, **options)
        try:
            assert place.find() is None
            place.prepare()
            write(place, names=names, text=text, complete=not partial, **options)
            place.publish(partial=partial)
        finally:
            place.close()

    def found(self, path: str = "fm-band", **changes: Any) -> Published | None:
        """What an attempt finds before it starts."""
        place = self.attempt(path, **changes)
        try:
            return place.find()
        finally:
            place.close()

    def refusal(self, path: str = "fm-band", **changes: Any) -> str:
        """The message with which an attempt is refused for its place (73)."""
        with pytest.raises(WorkerError) as caught:
            self.found(path, **changes)
        assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
        return str(caught.value)


def write(
    place: BucketDestination,
    *,
    names: tuple[str, ...] = ALL,
    text: str = "result",
    complete: bool = True,
    **changes: Any,
) -> None:
    """Write results and a manifest into the work folder."""
    entries = [_write(place, name, text) for name in names]
    manifest = {
        "version": 1,
        "job": job(**changes).to_document(),
        "complete": complete,
        "columns": 7,
        "outputs": [entry.to_document() for entry in entries],
    }
    with place.work.create("manifest.json") as file:
        file.write(json.dumps(manifest).encode())


def _write(place: BucketDestination, name: str, text: str) -> OutputFile:
    if not name.endswith(".zarr"):
        with place.work.create(name) as file:
            file.write(text.encode())
            file.flush()
            return describe_file(name, "text/plain", file)
    folder = place.work.folder(name, create=True)
    below = folder.folder("max", create=True)
    for at, part in ((folder, ".zgroup"), (below, "0.0"), (below, "0.1")):
        with at.create(part) as file:
            file.write(text.encode())
    entry = describe_folder(name, "application/vnd.zarr", folder)
    below.close()
    folder.close()
    return entry


def keys(*names: str, folder: str = "fm-band") -> list[str]:
    """Keys of these results."""
    files = ["manifest.json", *(name for name in names if not name.endswith(".zarr"))]
    files += [f"{n}/{part}" for n in names if n.endswith(".zarr") for part in (".zgroup", "max/0.0", "max/0.1")]
    return sorted(f"{folder}/{name}" for name in files)


def published_by(site: Site, folder: str = "fm-band") -> str | None:
    """The UID of the job whose results are published. They are whole, or this is a failure."""
    manifest = site.root / folder / "manifest.json"
    if not manifest.exists():
        return None
    uid: str = json.loads(manifest.read_text())["job"]["uid"]
    assert site.found(folder, uid=uid, attempt=9) is not None
    return uid


def kill_at(number: int) -> Callable[[Request], None]:
    """Let the attempt die before its request `number`."""
    count = iter(range(number + 1))

    def before(request: Request) -> None:
        if next(count, number) == number:
            raise Killed

    return before


def marker(**changes: Any) -> dict[str, Any]:
    reference = {"namespace": "team", "name": "fm-band", "uid": "uid-1", "attempt": 1}
    return {**reference, "process": "p", "uploading": True, **changes}


def site_of(server: ObjectStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that no other test uses, with the credentials for it."""
    monkeypatch.setenv(f"{OUTPUT_CREDENTIALS}AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv(f"{OUTPUT_CREDENTIALS}AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return Site(server, folder, re.sub(r"\W", "-", folder.name))
