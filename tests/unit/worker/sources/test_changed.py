"""A recording on a claim that is changed while it is read gives no results, as one in a bucket."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.jobs import document, write_endless
from unit.worker.recordings import integer_pairs, says, write_digital_rf
from unit.worker.worker_process import ENDLESS, outputs, run

PATH = PurePosixPath("signal.cf32")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / PATH
    np.random.default_rng(1).normal(0, 1e-3, 40_000).astype("<f4").tofile(path)
    return path


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(800))


def overwrite(path: Path) -> None:
    """With as many bytes, some time later."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 8)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    os.utime(other, (1e9, 1e9))
    other.rename(path)


CHANGES = [append, overwrite, cut, replace]


@pytest.mark.parametrize("change", [append, overwrite, cut])
def test_a_read_notices_that_its_file_was_changed(recording: Path, change: Callable[[Path], None]) -> None:
    with closing(ClaimStore(recording.parent).open(PATH)) as file:
        content = np.zeros(800, np.uint8)
        file.read(0, content)
        change(recording)
        with pytest.raises(WorkerError) as caught:
            file.read(recording.stat().st_size - 400, content)
    words = "signal.cf32 was changed while it was read: run the job again when nothing writes to it"
    assert says(caught.value, ExitCode.INPUT_INVALID, words)


@pytest.mark.parametrize("change", CHANGES)
def test_a_claim_notices_that_a_file_is_not_the_one_that_was_opened_first(
    recording: Path, change: Callable[[Path], None]
) -> None:
    store = ClaimStore(recording.parent)
    store.open(PATH).close()
    store.require_unchanged()
    change(recording)
    for again in (store.require_unchanged, lambda: store.open(PATH)):
        with pytest.raises(WorkerError, match="was changed while it was read"):
            again()


def test_who_may_read_a_file_and_what_else_it_is_called_is_no_change(recording: Path) -> None:
    """The kubelet sets owner and mode of every file of a claim when it mounts that for another pod."""
    store = ClaimStore(recording.parent)
    with closing(store.open(PATH)) as file:
        recording.chmod(0o640)
        os.link(recording, recording.with_name("link"))
        file.read(0, np.zeros(800, np.uint8))
        store.require_unchanged()
        recording.unlink()
        file.read(0, np.zeros(800, np.uint8))
        store.require_unchanged()


def test_only_so_many_files_are_remembered(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectrogram_worker.storage.claim_store._MOST_REMEMBERED", 1)
    store = ClaimStore(recording.parent)
    store.open(PATH).close()
    other = recording.with_name("other")
    other.write_bytes(b"12345678")
    store.open(PurePosixPath("other")).close()
    append(other)
    store.require_unchanged()


def after_a_column(path: Path) -> str:
    """A patch that changes a file when the first column is done; everything may have been read by then."""
    return f"""
import os
from spectrogram_worker.progress import ProgressState
advance = ProgressState.advance
def late(self, *, columns=None, samples=None):
    if columns == 1: os.utime({str(path)!r}, (1e9, 1e9))
    advance(self, columns=columns, samples=samples)
ProgressState.advance = late
"""


@pytest.mark.parametrize("format", ["raw", "wav", "drf"])
def test_a_recording_that_was_changed_meanwhile_is_65(tmp_path: Path, recording: Path, format: str) -> None:
    changed, source = recording, document(tmp_path)["input"]
    if format == "wav":
        changed, source = tmp_path / "input/sound.wav", {"path": "sound.wav"}
        soundfile.write(changed, np.random.default_rng(1).normal(0, 0.1, 20_000), 8000)
    if format == "drf":
        channel = write_digital_rf(tmp_path / "input", [(0, integer_pairs(20_000))])
        changed, source = next(channel.rglob("rf@*.h5")), {"path": "recording"}
    report = run(tmp_path, patch=after_a_column(changed), input=source).assert_orderly(ExitCode.INPUT_INVALID)
    assert f"{changed.name} was changed while it was read" in report.message
    assert outputs(tmp_path) == []


def test_after_a_stop_nothing_is_kept_of_a_recording_that_was_changed(tmp_path: Path) -> None:
    path = write_endless(tmp_path)
    patch = f"""
import os, signal
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.storage.claim_store import ClaimStore
advance, require = ProgressState.advance, ClaimStore.require_unchanged
def stop(self, *, columns=None, samples=None):
    advance(self, columns=columns, samples=samples)
    if columns == 3: os.kill(os.getpid(), signal.SIGTERM)
def late(self):
    os.utime({str(path)!r}, (1e9, 1e9))
    require(self)
ProgressState.advance, ClaimStore.require_unchanged = stop, late
"""
    report = run(tmp_path, patch=patch, reduce=ENDLESS).assert_orderly(ExitCode.INTERRUPTED)
    assert "nothing is kept: signal.cf32 was changed while it was read" in report.message
    assert outputs(tmp_path) == []
