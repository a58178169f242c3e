"""Results in a bucket: what is uploaded, when, and what may be replaced."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs import open_destination
from spectrogram_worker.outputs.publishing.bucket_place import BucketPlace, Upload
from unit.worker.outputs.publishing.bucket_site import (
    ALL,
    MARKER,
    Request,
    Site,
    keys,
    marker,
    write,
)


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
    upload = BucketPlace._upload

    def lose(self: BucketPlace, files: list[Upload], *, threads: int) -> None:
        upload(self, files, threads=threads)
        (site.root / "fm-band/spectrogram.zarr/.zgroup").unlink(missing_ok=True)

    monkeypatch.setattr(BucketPlace, "_upload", lose)
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
