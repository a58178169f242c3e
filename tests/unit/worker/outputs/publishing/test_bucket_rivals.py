"""Results in a bucket are whole, whenever an attempt dies and whoever else is at work there."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.publishing import bucket_place
from spectrogram_worker.outputs.publishing.bucket_place import BucketPlace, Upload
from unit.worker.jobs import job
from unit.worker.outputs.publishing.bucket_site import (
    ALL,
    MARKER,
    Killed,
    Request,
    Site,
    keys,
    kill_at,
    marker,
    published_by,
    write,
)


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


def test_what_an_attempt_left_is_replaced_and_its_marker_of_an_older_job_too(site: Site) -> None:
    site.write("fm-band/.spectrogram-uid-0", json.dumps(marker(uid="uid-0")))
    site.write("fm-band/spectrogram.h5", "half")
    site.publish()
    assert site.objects() == keys(*ALL)


def test_of_two_jobs_the_one_that_finds_the_other_uploading_gives_up(site: Site) -> None:
    site.write("fm-band/.spectrogram-uid-9", json.dumps(marker(name="other", uid="uid-9")))
    assert ".spectrogram-uid-9 says that the job team/other uploads its results here" in site.refusal()
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


def at_upload(monkeypatch: pytest.MonkeyPatch, number: int, meanwhile: Callable[[], None]) -> None:
    """Let `meanwhile` happen before the uploads of small files (0), of large ones (1), or of the manifest (2)."""
    upload, count = BucketPlace._upload, iter(range(100))

    def instead(self: BucketPlace, files: list[Upload], *, threads: int) -> None:
        if next(count) == number:
            meanwhile()
        upload(self, files, threads=threads)

    monkeypatch.setattr(BucketPlace, "_upload", instead)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_overtaken_attempt_touches_nothing_more(site: Site, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The former results had a picture, the overtaken attempt has none: it would remove the later attempt's."""
    site.publish(uid="uid-0", text="former")
    later = site.attempt(uid="uid-2")

    def overtake() -> None:
        later.find()
        later.prepare()
        write(later, names=("spectrogram.png",), uid="uid-2")
        later.publish(partial=False)

    at_upload(monkeypatch, number, overtake)
    with pytest.raises(WorkerError, match="another attempt of this job has taken over"):
        site.publish(names=("spectrogram.npz",))
    later.close()
    assert published_by(site) == "uid-2"
    assert site.objects() == keys("spectrogram.png")


def test_an_overtaken_attempt_begins_no_further_upload(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_place, "TRANSFER_THREADS", 1)

    def overtake(request: Request) -> None:
        if request[0] == "put" and request[1] != MARKER:
            site.write(MARKER, json.dumps(marker(attempt=2)))

    site.before = overtake
    with pytest.raises(WorkerError, match="another attempt"):
        site.publish()
    assert len([key for verb, key in site.requests if verb == "put" and key != MARKER]) == 1


def test_results_that_another_attempt_published_meanwhile_stay(site: Site) -> None:
    """They must not vanish for a moment: the attempt may be killed in it."""
    place = site.attempt(attempt=2)
    place.find()
    place.prepare()
    write(place, text="second", attempt=2)
    own = (site.root / MARKER).read_bytes()
    (site.root / MARKER).unlink()
    site.publish(text="first")
    (site.root / MARKER).write_bytes(own)
    with pytest.raises(WorkerError, match="the next attempt finds it") as caught:
        place.publish(partial=False)
    place.close()
    assert caught.value.code is ExitCode.TRANSIENT_ERROR
    assert (site.root / "fm-band/spectrogram.png").read_text() == "first"
    assert site.found(attempt=3) is not None
    assert site.objects() == keys(*ALL)


def test_an_overtaken_attempt_leaves_the_marker_of_the_later_one(site: Site) -> None:
    places = [site.attempt(attempt=number) for number in (1, 2)]
    for place in places:
        assert place.find() is None
        place.prepare()
    places[0].close()
    assert json.loads((site.root / MARKER).read_text())["attempt"] == 2
    places[1].close()
    assert site.objects() == []


def test_two_jobs_that_begin_to_upload_at_the_same_time_find_each_other(site: Site) -> None:
    """The other's marker arrives when this one has looked, and before its own is there."""
    place = site.attempt()
    place.find()
    place.prepare()
    write(place)
    other = json.dumps(marker(name="other", uid="uid-9"))
    site.before = lambda request: site.write("fm-band/.spectrogram-uid-9", other)
    with pytest.raises(WorkerError, match="the job team/other") as caught:
        place.publish(partial=False)
    place.close()
    assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
    assert site.objects() == ["fm-band/.spectrogram-uid-9"]
