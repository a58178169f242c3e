"""Results appear whole or not at all, and what stands in their place is never lost by mistake."""

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.manifest import describe_file, describe_folder
from spectrogram_worker.outputs.publishing.claim_destination import ClaimDestination
from spectrogram_worker.outputs.publishing.destination import Published, output_errors
from spectrogram_worker.storage.folders import Folder
from unit.worker.jobs import job


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def destination(
    root: Path, path: str = "fm-band", *, recording: Path = Path("/nowhere"), **changes: Any
) -> ClaimDestination:
    """The destination of one attempt of the job `team/fm-band`."""
    return ClaimDestination(str(root), path, job(**changes), recording)


def write(place: ClaimDestination, *, text: str = "result", complete: bool = True, **changes: Any) -> None:
    """Write one result and a manifest into the work folder."""
    with place.work.create("result.txt") as file:
        file.write(text.encode())
        file.flush()
        entry = describe_file("result.txt", "text/plain", file)
    manifest = {
        "version": 1,
        "job": job(**changes).to_document(),
        "complete": complete,
        "columns": 7,
        "outputs": [entry.to_document()],
    }
    with place.work.create("manifest.json") as file:
        file.write(json.dumps(manifest).encode())


def publish(root: Path, path: str = "fm-band", *, text: str = "result", partial: bool = False, **changes: Any) -> None:
    """Publish one result, as one attempt would."""
    place = destination(root, path, **changes)
    try:
        assert place.find() is None
        place.prepare()
        write(place, text=text, complete=not partial, **changes)
        place.publish(partial=partial)
    finally:
        place.close()


def found(root: Path, path: str = "fm-band", **changes: Any) -> Published | None:
    """What an attempt finds before it starts."""
    place = destination(root, path, **changes)
    try:
        return place.find()
    finally:
        place.close()


def refusal(root: Path, path: str = "fm-band", **changes: Any) -> str:
    """The message with which an attempt is refused for its place (73)."""
    with pytest.raises(WorkerError) as caught:
        found(root, path, **changes)
    assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
    return str(caught.value)


def test_results_appear_only_when_they_are_published(root: Path) -> None:
    place = destination(root, "a/b/fm-band")
    assert place.find() is None
    place.prepare()
    write(place)
    assert not (root / "a/b/fm-band").exists()
    place.publish(partial=False)
    place.close()
    assert sorted(os.listdir(root / "a/b")) == ["fm-band"]
    assert sorted(os.listdir(root / "a/b/fm-band")) == ["manifest.json", "result.txt"]


def test_what_is_not_published_leaves_nothing_behind(root: Path) -> None:
    place = destination(root)
    place.find()
    place.prepare()
    write(place)
    place.close()
    assert os.listdir(root) == []


def test_a_job_finds_what_it_published(root: Path) -> None:
    publish(root, "a/fm-band")
    published = found(root, "a/fm-band", attempt=2)
    assert published is not None
    assert [file.path for file in published.files] == ["a/fm-band/result.txt", "a/fm-band/manifest.json"]
    assert all(file.sha256 and file.bytes for file in published.files)
    assert published.columns == 7


def test_results_with_a_file_missing_or_cut_short_are_not_taken_for_done(root: Path) -> None:
    publish(root)
    (root / "fm-band/result.txt").write_text("cut")
    assert found(root) is None
    (root / "fm-band/result.txt").unlink()
    assert found(root) is None


@pytest.fixture
def with_folder(root: Path) -> Path:
    """The published results of the job, among them a folder; its path."""
    place = destination(root)
    assert place.find() is None
    place.prepare()
    folder = place.work.folder("arrays.zarr", create=True)
    below = folder.folder("max", create=True)
    for at, name in ((folder, ".zgroup"), (below, "0.0")):
        with at.create(name) as file:
            file.write(b"12345")
    entry = describe_folder("arrays.zarr", "application/vnd.zarr", folder)
    below.close()
    folder.close()
    content = {"version": 1, "job": job().to_document(), "complete": True, "outputs": [entry.to_document()]}
    with place.work.create("manifest.json") as file:
        file.write(json.dumps(content).encode())
    place.publish(partial=False)
    place.close()
    return root / "fm-band/arrays.zarr"


def test_a_folder_is_one_output(root: Path, with_folder: Path) -> None:
    published = found(root, attempt=2)
    assert published is not None
    assert [file.path for file in published.files] == ["fm-band/arrays.zarr", "fm-band/manifest.json"]
    assert published.files[0].bytes == 10


def test_a_folder_with_a_file_missing_or_cut_short_is_not_taken_for_done(root: Path, with_folder: Path) -> None:
    (with_folder / "max/0.0").write_text("123")
    assert found(root) is None
    (with_folder / "max/0.0").unlink()
    assert found(root) is None


def test_a_folder_with_links_or_endless_depth_is_not_taken_for_done(
    root: Path, with_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "0.0").write_text("12345")
    (with_folder / "max/0.0").unlink()
    (with_folder / "max/0.0").symlink_to(tmp_path / "0.0")
    assert found(root) is None
    (with_folder / "max/0.0").unlink()
    (with_folder / "max").rmdir()
    (with_folder / "max").symlink_to(tmp_path)
    assert found(root) is None
    (with_folder / "a/b/c/d/e/f").mkdir(parents=True)
    assert found(root) is None


@pytest.mark.parametrize("path", ["../outside.txt", "arrays.zarr/../../outside.txt", "..", "."])
def test_a_manifest_cannot_point_out_of_its_folder(root: Path, with_folder: Path, path: str) -> None:
    """A manifest on a claim may be anyone's: what it names elsewhere is not looked at."""
    (root / "outside.txt").write_text("secret")
    manifest = with_folder.parent / "manifest.json"
    content = json.loads(manifest.read_text())
    content["outputs"][0] |= {"path": path, "bytes": 6}
    manifest.write_text(json.dumps(content))
    assert found(root) is None


def test_leftovers_with_folders_in_them_are_removed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    left = root / ".spectrogram-uid-1-1.tmp/spectrogram.zarr/max"
    left.mkdir(parents=True)
    (left / "0.0").write_bytes(b"x")
    (left / "link").symlink_to(tmp_path)
    publish(root, attempt=2)
    assert os.listdir(root) == ["fm-band"]
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("change", [{"uid": "uid-2"}, {"spec_hash": "hash-2"}])
def test_results_of_a_job_of_this_name_are_replaced(root: Path, change: dict[str, Any]) -> None:
    publish(root, text="former")
    (root / "fm-band/notes.txt").write_text("part of the former folder")
    publish(root, text="new", **change)
    assert os.listdir(root) == ["fm-band"]
    assert sorted(os.listdir(root / "fm-band")) == ["manifest.json", "result.txt"]
    assert (root / "fm-band/result.txt").read_text() == "new"


def test_former_results_stay_until_the_new_ones_are_published(root: Path) -> None:
    publish(root, text="former")
    place = destination(root, uid="uid-2")
    place.find()
    place.prepare()
    write(place, text="new", uid="uid-2")
    assert (root / "fm-band/result.txt").read_text() == "former"
    place.close()
    assert (root / "fm-band/result.txt").read_text() == "former"


def test_anything_else_is_left_alone_and_named(root: Path) -> None:
    (root / "fm-band").write_text("mine")
    assert "fm-band is a file" in refusal(root)
    (root / "folder").mkdir()
    (root / "folder/notes.txt").write_text("mine")
    assert "holds notes.txt" in refusal(root, "folder")
    (root / "empty").mkdir()
    assert "holds nothing" in refusal(root, "empty")
    publish(root, "other", name="other-job")
    assert "results of the job team/other-job" in refusal(root, "other")
    (root / "link").symlink_to(root / "folder")
    assert "link is a symbolic link" in refusal(root, "link")
    (root / "folder/manifest.json").write_text("{}")
    assert "without a manifest" in refusal(root, "folder")
    os.mkfifo(root / "pipe")
    assert "pipe is a special file" in refusal(root, "pipe")


def test_what_appeared_meanwhile_is_not_overwritten(root: Path) -> None:
    place = destination(root)
    place.find()
    place.prepare()
    write(place)
    (root / "fm-band").mkdir()
    with pytest.raises(WorkerError, match="fm-band is a folder") as caught:
        place.publish(partial=False)
    place.close()
    assert caught.value.code is ExitCode.OUTPUT_NOT_WRITABLE
    assert os.listdir(root) == ["fm-band"]


def test_links_on_the_way_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "away").symlink_to(outside)
    assert "away is not a folder but a symbolic link" in refusal(root, "away/fm-band")
    assert os.listdir(outside) == []


def test_links_in_former_results_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    publish(root)
    (root / "fm-band/link").symlink_to(outside)
    publish(root, uid="uid-2")
    assert (outside / "precious.txt").read_text() == "precious"


@pytest.mark.parametrize("path", [".", "./", "//"])
def test_the_whole_claim_is_no_output_folder(root: Path, path: str) -> None:
    with pytest.raises(WorkerError, match="must name a folder"):
        destination(root, path)


def test_a_name_without_room_for_partial_results_is_refused(root: Path) -> None:
    with pytest.raises(WorkerError, match="247 bytes"):
        destination(root, "x" * 248)
    publish(root, "x" * 247, partial=True)


def test_former_results_that_hold_the_input_are_not_replaced(root: Path) -> None:
    publish(root, text="former")
    recording = root / "fm-band/result.txt"
    assert "holds the input" in refusal(root, uid="uid-2", recording=recording)
    assert recording.read_text() == "former"


def test_leftovers_of_earlier_attempts_of_this_job_are_removed(root: Path) -> None:
    for name in (".spectrogram-uid-1-1.tmp", ".spectrogram-uid-1-2.gone", ".spectrogram-uid-1-4.tmp"):
        (root / name).mkdir()
        (root / name / "max.columns").write_bytes(b"x")
    (root / ".spectrogram-uid-2-1.tmp").mkdir()
    publish(root, attempt=3)
    assert sorted(os.listdir(root)) == [".spectrogram-uid-1-4.tmp", ".spectrogram-uid-2-1.tmp", "fm-band"]


def test_former_results_that_an_attempt_had_put_aside_when_it_died_come_back(root: Path) -> None:
    publish(root, text="former", uid="uid-0")
    (root / "fm-band").rename(root / ".spectrogram-uid-1-1.old")
    assert found(root, attempt=2) is None
    assert (root / "fm-band/result.txt").read_text() == "former"


def test_an_identity_with_slashes_stays_in_its_folder(root: Path, tmp_path: Path) -> None:
    publish(root, uid="../../escape")
    assert sorted(os.listdir(tmp_path)) == ["output"]


def test_partial_results_have_a_name_of_their_own(root: Path) -> None:
    publish(root, partial=True, text="half")
    assert os.listdir(root) == ["fm-band.partial"]
    publish(root, partial=True, text="more", attempt=2)
    assert (root / "fm-band.partial/result.txt").read_text() == "more"
    assert found(root) is None
    publish(root, attempt=3)
    assert os.listdir(root) == ["fm-band"], "whole results make the partial ones superfluous"


def test_a_foreign_folder_in_the_place_of_partial_results_stays(root: Path) -> None:
    (root / "fm-band.partial").mkdir()
    with pytest.raises(WorkerError, match=r"fm-band\.partial"):
        publish(root, partial=True)
    publish(root)
    assert sorted(os.listdir(root)) == ["fm-band", "fm-band.partial"]


def test_incomplete_results_are_not_taken_for_done(root: Path) -> None:
    publish(root, partial=True)
    (root / "fm-band.partial").rename(root / "fm-band")
    assert found(root) is None


def test_a_failing_rename_brings_the_former_results_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(root, text="former")
    rename = Folder.rename

    def failing(self: Folder, name: str, new_name: str) -> None:
        if name.endswith(".tmp"):
            raise OSError(errno.EIO, "input/output error")
        rename(self, name, new_name)

    monkeypatch.setattr(Folder, "rename", failing)
    with pytest.raises(WorkerError) as caught:
        publish(root, text="new", uid="uid-2")
    assert caught.value.code is ExitCode.IO_ERROR
    assert (root / "fm-band/result.txt").read_text() == "former"


def test_space_is_asked_for_before_anything_is_computed(root: Path) -> None:
    place = destination(root)
    place.find()
    place.prepare()
    place.require_space(1)
    with pytest.raises(WorkerError, match="are free") as caught:
        place.require_space(2**62)
    place.close()
    assert caught.value.code is ExitCode.OUTPUT_NO_SPACE


def test_a_claim_that_is_not_mounted_is_not_writable(tmp_path: Path) -> None:
    assert "cannot write the output fm-band" in refusal(tmp_path / "absent")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, ExitCode.OUTPUT_NO_SPACE),
        (errno.EDQUOT, ExitCode.OUTPUT_NO_SPACE),
        (errno.EACCES, ExitCode.OUTPUT_NOT_WRITABLE),
        (errno.EROFS, ExitCode.OUTPUT_NOT_WRITABLE),
        (errno.EIO, ExitCode.IO_ERROR),
        (errno.ESTALE, ExitCode.IO_ERROR),
    ],
)
def test_errors_of_the_file_system_have_their_codes(number: int, code: ExitCode) -> None:
    with pytest.raises(WorkerError, match="fm-band") as caught, output_errors("fm-band"):
        raise OSError(number, os.strerror(number))
    assert caught.value.code is code


DAY = 86_400


def leave(root: Path, name: str, *, days: float, fresh: str | None = None) -> Path:
    """What an attempt left so long ago; the file `fresh` in it changed just now."""
    folder = root / name
    folder.mkdir()
    for file in ("max.columns", *([fresh] if fresh else [])):
        (folder / file).write_bytes(b"x" * 1000)
        if file != fresh:
            os.utime(folder / file, (time.time() - days * DAY,) * 2)
    os.utime(folder, (time.time() - days * DAY,) * 2)
    return folder


def test_what_attempts_of_other_jobs_left_is_removed_after_a_day(root: Path) -> None:
    leave(root, ".spectrogram-uid-8-1.tmp", days=1.1)
    leave(root, ".spectrogram-uid-8-2.gone", days=400)
    leave(root, ".spectrogram-uid-9-1.tmp", days=0.9)
    leave(root, ".spectrogram-uid-9-2.tmp", days=3, fresh="mean.columns")
    leave(root, ".spectrogram-uid-1-9.tmp", days=0.9)
    publish(root)
    kept = [".spectrogram-uid-1-9.tmp", ".spectrogram-uid-9-1.tmp", ".spectrogram-uid-9-2.tmp", "fm-band"]
    assert sorted(os.listdir(root)) == kept


def test_former_results_and_what_no_attempt_left_are_never_removed(root: Path) -> None:
    names = [
        ".spectrogram-uid-8-1.old",
        ".spectrogram-notes.tmp",
        ".spectrogram-uid-8-1.tmp.zip",
        "spectrogram-8-1.tmp",
    ]
    for name in names:
        leave(root, name, days=400)
    publish(root)
    assert sorted(os.listdir(root)) == sorted([*names, "fm-band"])


def test_what_cannot_be_removed_is_no_reason_to_fail(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(root, ".spectrogram-uid-8-1.tmp", days=2)
    (root / ".spectrogram-uid-8-2.tmp").symlink_to(tmp_path)
    (root / ".spectrogram-uid-8-3.tmp").write_text("a file")
    remove = Folder.remove

    def refusing(self: Folder, name: str) -> None:
        if "uid-8" in name:
            raise PermissionError(errno.EACCES, "Permission denied")
        remove(self, name)

    monkeypatch.setattr(Folder, "remove", refusing)
    publish(root)
    assert (root / "fm-band/result.txt").exists()
    assert tmp_path.exists()


def test_an_attempt_that_lives_keeps_its_work_whatever_its_limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes nothing for days: the picture is all that it makes. It renews its folder's time instead."""
    monkeypatch.setattr("spectrogram_worker.outputs.publishing.claim_destination._RENEWAL_SECONDS", 0.01)
    place = destination(root, "slow", uid="uid-7")
    place.find()
    place.prepare()
    work = root / ".spectrogram-uid-7-1.tmp"
    old = time.time() - 3 * DAY
    os.utime(work, (old, old))
    deadline = time.monotonic() + 60
    while work.stat().st_mtime == old and time.monotonic() < deadline:
        time.sleep(0.01)
    publish(root)
    write(place, uid="uid-7")
    place.publish(partial=False)
    place.close()
    assert sorted(os.listdir(root)) == ["fm-band", "slow"]


def test_published_results_are_not_renewed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectrogram_worker.outputs.publishing.claim_destination._RENEWAL_SECONDS", 0.01)
    publish(root)
    deadline = time.monotonic() + 60
    while any(thread.name == "renewal" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name == "renewal" for thread in threading.enumerate())


def test_ages_are_those_of_the_file_system_not_of_this_machines_clock(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(root, ".spectrogram-uid-8-1.tmp", days=0.5)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    publish(root)
    assert sorted(os.listdir(root)) == [".spectrogram-uid-8-1.tmp", "fm-band"]


def test_replaced_results_that_could_not_be_removed_are_named_as_gone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their name then says that nobody needs them: only what had no successor yet is called .old."""
    publish(root, text="former", uid="uid-0")
    remove = Folder.remove

    def killed(self: Folder, name: str) -> None:
        if name.endswith(".gone"):
            raise OSError(errno.EIO, "Input/output error")
        remove(self, name)

    monkeypatch.setattr(Folder, "remove", killed)
    publish(root, text="new")
    assert sorted(os.listdir(root)) == [".spectrogram-uid-1-1.gone", "fm-band"]
