"""Results in a bucket appear whole or not at all, whenever an attempt dies and whoever else is at work there."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.document import OUTPUT_CREDENTIALS
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs import open_destination
from spectrogram_worker.outputs.bucket_destination import BucketDestination
from spectrogram_worker.outputs.bucket_folder import BucketFolder, LocalFile
from spectrogram_worker.outputs.destination import Published
from spectrogram_worker.outputs.manifest import describe_file, describe_folder
from spectrogram_worker.storage.bucket import BucketClient
from unit.worker.jobs import job, parsed

ALL = ("spectrogram.png", "spectrogram.npz", "spectrogram.zarr")
MARKER = "fm-band/.spectrogram-uid-1"
Request = tuple[str, str]


class Killed(BaseException):
    """What the attempt does not live to see."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path_factory.mktemp("store")) as store:
        yield store


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


@pytest.fixture
def site(server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv(f"{OUTPUT_CREDENTIALS}AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv(f"{OUTPUT_CREDENTIALS}AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return Site(server, tmp_path, re.sub(r"\W", "-", tmp_path.name))


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


def test_the_manifest_is_uploaded_last_and_then_the_marker_goes(site: Site) -> None:
    site.publish()
    uploaded = [key for verb, key in site.requests if verb == "put" and key != MARKER]
    assert sorted(uploaded) == keys(*ALL)
    assert uploaded[-1] == "fm-band/manifest.json"
    after = site.requests[site.requests.index(("put", "fm-band/manifest.json")) + 1 :]
    assert after == [("delete", MARKER)]
    assert site.objects() == keys(*ALL)


def test_a_large_file_goes_up_in_parts(site: Site) -> None:
    content = np.random.default_rng(1).bytes(20 * 2**20)
    place = site.attempt()
    place.find()
    place.prepare()
    with place.work.create("spectrogram.npz") as file:
        file.write(content)
    write(place, names=())
    place.publish(partial=False)
    place.close()
    assert (site.root / "fm-band/spectrogram.npz").read_bytes() == content
    assert ("put", "fm-band/spectrogram.npz") not in site.requests


def test_a_job_finds_what_it_published_and_changes_nothing(site: Site) -> None:
    site.publish("a/fm-band")
    site.requests.clear()
    published = site.found("a/fm-band", attempt=2)
    assert published is not None
    assert [file.path for file in published.files] == [f"a/fm-band/{name}" for name in (*ALL, "manifest.json")]
    assert published.columns == 7
    assert site.requests == []


@pytest.mark.parametrize("lost", ["spectrogram.png", "spectrogram.zarr/max/0.0"])
def test_results_with_an_object_missing_or_cut_short_are_made_anew(site: Site, lost: str) -> None:
    site.publish()
    site.write(f"fm-band/{lost}", "cut")
    assert site.found() is None
    (site.root / "fm-band" / lost).unlink()
    assert site.found() is None
    site.publish(attempt=2)
    assert site.objects() == keys(*ALL)


@pytest.mark.parametrize("change", [{"uid": "uid-2"}, {"spec_hash": "hash-2"}])
def test_results_of_a_job_of_this_name_are_replaced_without_strays(site: Site, change: dict[str, Any]) -> None:
    site.publish(text="former")
    site.requests.clear()
    site.publish(names=("spectrogram.h5", "spectrogram.png"), text="new", **change)
    assert site.objects() == keys("spectrogram.h5", "spectrogram.png")
    assert (site.root / "fm-band/spectrogram.png").read_text() == "new"
    first = next(request for request in site.requests if not request[1].startswith("fm-band/.spectrogram-"))
    assert first == ("delete", "fm-band/manifest.json")


def test_former_results_stay_until_new_ones_are_uploaded(site: Site) -> None:
    site.publish(text="former")
    place = site.attempt(uid="uid-2")
    place.find()
    place.prepare()
    write(place, text="new", uid="uid-2")
    place.close()
    assert site.objects() == keys(*ALL)
    assert (site.root / "fm-band/spectrogram.png").read_text() == "former"


def test_anything_else_is_left_alone_and_named(site: Site) -> None:
    site.write("foreign/notes.txt")
    assert "foreign holds notes.txt, and no manifest" in site.refusal("foreign")
    site.write("foreign/manifest.json", "{}")
    assert "foreign holds manifest.json, notes.txt" in site.refusal("foreign")
    for number in range(8):
        site.write(f"many/{number}.txt")
    assert "holds 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, …" in site.refusal("many")
    site.publish("other", name="other-job")
    assert "holds the results of the job team/other-job" in site.refusal("other")
    site.write("torn/.spectrogram-uid-1", "{")
    assert "torn holds .spectrogram-uid-1" in site.refusal("torn")
    site.write("long/.spectrogram-uid-1", json.dumps(marker() | {"more": "x" * 5000}))
    assert "long holds .spectrogram-uid-1" in site.refusal("long")
    before = site.objects()
    assert "choose another path" in site.refusal("other", uid="uid-3")
    assert site.objects() == before


def test_neighbours_whose_names_begin_alike_are_left_alone(site: Site) -> None:
    site.write("fm-band-2/notes.txt")
    site.write("fm-band.txt")
    site.publish()
    assert site.objects() == sorted([*keys(*ALL), "fm-band-2/notes.txt", "fm-band.txt"])


def test_notes_beside_former_results_are_kept(site: Site) -> None:
    site.publish()
    site.write("fm-band/notes.txt")
    site.publish(uid="uid-2")
    assert (site.root / "fm-band/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("path", ["fm-band/recording.npy", "fm-band", "./fm-band/deep/recording.npy"])
def test_results_do_not_replace_their_own_input(site: Site, path: str) -> None:
    site.publish()
    document = site.document(uid="uid-2")
    document = document.model_copy(update={"input": document.input.model_copy(update={"path": path})})
    place = open_destination(document)
    with pytest.raises(WorkerError, match="fm-band holds the input") as caught:
        place.find()
    place.close()
    assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
    elsewhere = document.input.model_copy(update={"path": "fm-band-2/recording.npy"})
    place = open_destination(document.model_copy(update={"input": elsewhere}))
    assert place.find() is None
    place.close()


def kill_at(number: int) -> Callable[[Request], None]:
    """Let the attempt die before its request `number`."""
    count = iter(range(number + 1))

    def before(request: Request) -> None:
        if next(count, number) == number:
            raise Killed

    return before


@pytest.mark.parametrize("former", [False, True])
def test_an_attempt_may_die_before_any_request(site: Site, former: bool) -> None:
    """Nothing or the former results or the whole ones are published, and the next attempt leaves whole ones alone."""
    deaths = 0
    for number in range(100):
        folder = f"{number}/fm-band"
        if former:
            site.publish(folder, uid="uid-0", names=(*ALL, "spectrogram.h5"), text="former")
        site.before = kill_at(number)
        try:
            site.publish(folder)
        except Killed:
            deaths += 1
        else:
            break
        finally:
            site.before = lambda request: None
        standing = published_by(site, folder)
        assert standing in {None, "uid-1", "uid-0" if former else None}
        if standing != "uid-1":
            site.publish(folder, attempt=2, names=("spectrogram.npz",), text="next")
        names = ALL if standing == "uid-1" else ("spectrogram.npz",)
        left = [key for key in site.objects() if key.startswith(f"{folder}/")]
        assert left == keys(*names, folder=folder), number
    assert deaths >= 8


def marker(**changes: Any) -> dict[str, Any]:
    reference = {"namespace": "team", "name": "fm-band", "uid": "uid-1", "attempt": 1}
    return {**reference, "process": "p", "uploading": True, **changes}


def test_what_an_attempt_left_is_replaced_and_its_marker_of_an_older_job_too(site: Site) -> None:
    site.write("fm-band/.spectrogram-uid-0", json.dumps(marker(uid="uid-0")))
    site.write("fm-band/spectrogram.h5", "half")
    site.publish()
    assert site.objects() == keys(*ALL)


def test_of_two_jobs_the_one_that_finds_the_other_uploading_gives_up(site: Site) -> None:
    site.write("fm-band/.spectrogram-uid-9", json.dumps(marker(name="other", uid="uid-9")))
    assert "the job team/other uploads its results to fm-band, or died doing so" in site.refusal()
    site.write("fm-band/.spectrogram-uid-9", json.dumps(marker(name="other", uid="uid-9", uploading=False)))
    place = site.attempt()
    place.find()
    place.prepare()
    write(place)
    site.write("fm-band/.spectrogram-uid-9", json.dumps(marker(name="other", uid="uid-9")))
    with pytest.raises(WorkerError, match="team/other") as caught:
        place.publish(partial=False)
    place.close()
    assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
    assert site.objects() == ["fm-band/.spectrogram-uid-9"]


@pytest.mark.parametrize("change", [{"attempt": 2}, {"uid": "uid-2"}, {}])
@pytest.mark.parametrize("at", ["spectrogram.npz", "spectrogram.png"])
def test_an_attempt_that_another_has_overtaken_publishes_nothing(site: Site, change: dict[str, Any], at: str) -> None:
    """A later attempt, a job of the same name made anew, or the same pod a second time."""
    later = site.attempt(**change)
    overtaken: list[bool] = []

    def overtake(request: Request) -> None:
        if request == ("put", f"fm-band/{at}") and not overtaken:
            overtaken.append(True)
            assert later.find() is None
            later.prepare()
            write(later, **change)
            later.publish(partial=False)

    site.before = overtake
    with pytest.raises(WorkerError, match="another attempt") as caught:
        site.publish()
    later.close()
    assert caught.value.code is ExitCode.TRANSIENT_ERROR
    assert published_by(site) == job(**change).uid
    assert json.loads((site.root / "fm-band/manifest.json").read_text())["job"] == job(**change).to_document()


def test_an_attempt_does_not_overtake_a_later_one(site: Site) -> None:
    site.write(MARKER, json.dumps(marker(attempt=2, uploading=False)))
    with pytest.raises(WorkerError, match="another attempt of this job has taken over") as caught:
        site.publish()
    assert caught.value.code is ExitCode.TRANSIENT_ERROR
    assert json.loads((site.root / MARKER).read_text())["attempt"] == 2


def test_a_failed_upload_publishes_nothing_and_cleans_up(site: Site) -> None:
    site.publish(uid="uid-0", text="former")

    def full(request: Request) -> None:
        if request == ("put", "fm-band/spectrogram.zarr/max/0.1"):
            raise WorkerError(ExitCode.OUTPUT_NO_SPACE, "store results has no space")

    site.before = full
    with pytest.raises(WorkerError, match="no space"):
        site.publish()
    assert site.objects() == []


def test_an_object_that_is_lost_during_the_upload_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = BucketFolder._upload

    def lose(self: BucketFolder, files: list[LocalFile], *, threads: int) -> None:
        upload(self, files, threads=threads)
        (site.root / "fm-band/spectrogram.zarr/.zgroup").unlink(missing_ok=True)

    monkeypatch.setattr(BucketFolder, "_upload", lose)
    with pytest.raises(WorkerError, match=r"spectrogram.zarr/.zgroup went missing") as caught:
        site.publish()
    assert caught.value.code is ExitCode.TRANSIENT_ERROR
    assert "fm-band/manifest.json" not in site.objects()


def test_partial_results_have_a_name_of_their_own(site: Site) -> None:
    site.publish(partial=True, text="half")
    assert site.objects() == keys(*ALL, folder="fm-band.partial")
    site.publish(partial=True, text="more", attempt=2, names=("spectrogram.npz",))
    assert site.objects() == keys("spectrogram.npz", folder="fm-band.partial")
    assert (site.root / "fm-band.partial/spectrogram.npz").read_text() == "more"
    site.publish(attempt=3)
    assert site.objects() == keys(*ALL), "whole results make the partial ones superfluous"


def test_foreign_objects_in_the_place_of_partial_results_stay(site: Site) -> None:
    site.write("fm-band.partial/notes.txt")
    with pytest.raises(WorkerError, match=r"fm-band\.partial holds notes\.txt"):
        site.publish(partial=True)
    assert site.objects() == ["fm-band.partial/notes.txt"]
    site.publish()
    assert site.objects() == sorted([*keys(*ALL), "fm-band.partial/notes.txt"])


def test_a_forced_end_removes_the_work_and_leaves_the_marker(site: Site, tmp_path: Path) -> None:
    place = site.attempt()
    place.find()
    place.prepare()
    write(place)
    place.discard()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert site.objects() == [MARKER]
    site.publish(attempt=2)
    assert site.objects() == keys(*ALL)


def test_an_identity_with_slashes_stays_in_its_folder(site: Site) -> None:
    site.publish(uid="../../escape")
    assert site.objects() == keys(*ALL)


@pytest.mark.parametrize("path", [".", "./", "//"])
def test_the_whole_bucket_is_no_output_folder(site: Site, path: str) -> None:
    document = site.document()
    output = document.output.model_copy(update={"path": path})
    with pytest.raises(WorkerError, match="must name a folder") as caught:
        open_destination(document.model_copy(update={"output": output}))
    assert caught.value.code is ExitCode.INVALID_SPEC


def test_a_scratch_folder_that_is_not_there_is_the_installations_fault(site: Site, tmp_path: Path) -> None:
    place = site.attempt()
    (tmp_path / "scratch").rmdir()
    place.find()
    with pytest.raises(WorkerError, match="scratch folder") as caught:
        place.prepare()
    place.close()
    assert caught.value.code is ExitCode.WORKER_CONFIG_ERROR
    assert site.objects() == []
