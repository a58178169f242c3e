"""The whole worker as a process, stopped by a limit or a signal: last words, and what was done is kept."""

import json
import re
import signal
from pathlib import Path

import pytest
import xarray

from spectrogram_worker.contract import ExitCode
from unit.worker.jobs import RATE, document, job
from unit.worker.program.slow_clients import trickling
from unit.worker.program.stalling_store import stalling_store
from unit.worker.stores import CREDENTIALS
from unit.worker.worker_process import (
    ALL,
    ENDLESS,
    ask_until,
    assert_partial,
    assert_same_numbers,
    outputs,
    port_of,
    run,
    run_until,
    start,
    wait,
)


@pytest.mark.usefixtures("recording")
def test_the_safeguard_is_83(tmp_path: Path) -> None:
    ended = run(tmp_path, limits={"softSeconds": 600, "memoryBytes": 20_000_000})
    ended.assert_orderly(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)
    text = "\n".join(ended.messages)
    assert re.search(
        r"^Job team/fm-band: CRITICAL MEMORY USAGE - [\d.]+% exceeds threshold 95\.0%$", text, re.MULTILINE
    )
    assert "Job team/fm-band: Forcing process termination due to memory usage" in ended.messages
    assert outputs(tmp_path) == []


def test_the_safeguard_keeps_what_is_done(tmp_path: Path, endless: Path) -> None:
    patch = """
from spectrogram_worker.progress import ProgressState
advance, held = ProgressState.advance, []
def ramp(self, *, columns=None, samples=None):
    advance(self, columns=columns, samples=samples)
    if columns == 5: held.append(b"x" * 400_000_000)
ProgressState.advance = ramp
"""
    ended = run(tmp_path, patch=patch, reduce=ENDLESS, limits={"softSeconds": 600, "memoryBytes": 400_000_000})
    ended.assert_orderly(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)
    names = ["manifest.json", "spectrogram.npz"]
    assert outputs(tmp_path) == ["fm-band.partial", *(f"fm-band.partial/{name}" for name in names)]
    assert any("picture is left out" in message for message in ended.messages)


def test_the_safeguard_ends_a_worker_that_does_not_react(tmp_path: Path, endless: Path) -> None:
    patch = """
import time
from spectrogram_worker.guards import safeguard
from spectrogram_worker.progress import ProgressState
safeguard.MEMORY_PATIENCE = 0.1
held = []
def hang(self, **done):
    held.append(b"x" * 400_000_000)
    time.sleep(3600)
ProgressState.advance = hang
"""
    ended = run(tmp_path, patch=patch, reduce=ENDLESS, limits={"softSeconds": 600, "memoryBytes": 400_000_000})
    assert "did not react" in ended.assert_orderly(ExitCode.MEMORY_SAFEGUARD_EXCEEDED).message
    assert outputs(tmp_path) == []


def test_the_soft_limit_is_84_and_keeps_what_is_done(tmp_path: Path, endless: Path) -> None:
    for seconds in (3, 6, 12, 24, 48):  # a slow machine may need longer for its first column
        ended = run(tmp_path, reduce=ENDLESS, limits={"softSeconds": seconds, "memoryBytes": 2**30})
        ended.assert_orderly(ExitCode.SOFT_TIME_LIMIT_EXCEEDED)
        if outputs(tmp_path):
            break
    assert_partial(tmp_path, ended, ExitCode.SOFT_TIME_LIMIT_EXCEEDED)
    assert "Job team/fm-band: Job exceeded soft time limit during spectrogram generation" in ended.messages


def test_a_client_that_trickles_holds_up_no_end(tmp_path: Path, endless: Path) -> None:
    process = start(document(tmp_path, reduce=ENDLESS))
    port, already = port_of(process)
    with trickling(port):
        ask_until(port, lambda report: report.progress.columns_done > 0)
        process.send_signal(signal.SIGTERM)
        assert_partial(tmp_path, wait(process, tmp_path, already), ExitCode.INTERRUPTED)


@pytest.mark.usefixtures("recording")
def test_the_last_words_come_before_the_progress_server_ends(tmp_path: Path) -> None:
    """Whatever becomes of that, the operator knows how the job ended."""
    patch = """
import os
from spectrogram_worker.progress_server import ProgressServer
ProgressServer.__exit__ = lambda self, *exception: os._exit(99)
"""
    ended = run(tmp_path, patch=patch)
    assert ended.code == 99
    assert ended.report is not None
    assert ended.report.reason == ExitCode.DONE.reason
    assert "fm-band/manifest.json" in outputs(tmp_path)


def test_terminate_while_a_store_stalls_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    size = 32 * 2**20
    with stalling_store(size, size // 2) as store:
        process = start(document(tmp_path, places=store.places))
        port, already = port_of(process)
        ask_until(port, lambda report: report.progress.columns_done > 20)
        process.send_signal(signal.SIGTERM)
        assert_partial(tmp_path, wait(process, tmp_path, already), ExitCode.INTERRUPTED)


@pytest.mark.parametrize(
    ("name", "stalls_at", "message"),
    [
        ("signal.npy", None, "the computation did not react, nothing is kept"),  # what is at input.path
        ("signal.npy", 0, "before the first column"),  # the header
        ("signal.cf32", 2**22, "no column was complete, nothing is kept"),  # the first samples
    ],
)
def test_terminate_while_a_store_stalls_before_the_first_column_leaves_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stalls_at: int | None, message: str
) -> None:
    for variable, value in CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    patience = 0.1 if stalls_at is None else 99
    patch = f"from spectrogram_worker.guards import stop\nstop.INTERRUPTED_PATIENCE = {patience}"
    with stalling_store(2**25, stalls_at, name) as store:
        content = document(tmp_path, places=store.places, input={"path": name, "raw": {"sampleRate": RATE}})
        process = start(content, patch=patch)
        store.stalled.wait()
        process.send_signal(signal.SIGTERM)
        ended = wait(process, tmp_path)
    assert ended.assert_orderly(ExitCode.INTERRUPTED).message.endswith(message)
    assert outputs(tmp_path) == []


def test_a_store_that_stalls_takes_no_more_than_its_share_of_a_short_grace_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet kills when it is over: without this the worker would have waited 20 s for the store."""
    for variable, value in CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    limits = {"softSeconds": 600, "memoryBytes": 2**30, "graceSeconds": 3}
    with stalling_store(2**25, None) as store:
        process = start(document(tmp_path, places=store.places, limits=limits))
        store.stalled.wait()
        process.send_signal(signal.SIGTERM)
        ended = wait(process, tmp_path)
    assert ended.assert_orderly(ExitCode.INTERRUPTED).message.endswith("did not react, nothing is kept")
    assert any("no reaction for 2 s" in message for message in ended.messages)


def test_terminate_is_85_and_keeps_what_is_done(tmp_path: Path, endless: Path) -> None:
    ended = run_until(tmp_path, lambda report: report.progress.columns_done > 3, signal.SIGTERM, reduce=ENDLESS)
    assert_partial(tmp_path, ended, ExitCode.INTERRUPTED)


def test_what_is_done_is_kept_in_every_format(tmp_path: Path, endless: Path) -> None:
    ended = run_until(
        tmp_path, lambda report: report.progress.columns_done > 3, signal.SIGTERM, reduce=ENDLESS, output=ALL
    )
    report = ended.assert_orderly(ExitCode.INTERRUPTED)
    assert len(report.outputs) == 5
    folder = tmp_path / "output/fm-band.partial"
    assert_same_numbers(folder)
    with xarray.open_zarr(folder / "spectrogram.zarr") as data:
        assert data.sizes["time"] == json.loads((folder / "manifest.json").read_text())["columnsDone"]


@pytest.mark.usefixtures("recording")
def test_terminate_during_the_imports_is_85(tmp_path: Path) -> None:
    patch = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
"""
    run(tmp_path, patch=patch).assert_orderly(ExitCode.INTERRUPTED)
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_terminate_while_writing_publishes_the_whole_and_is_85(tmp_path: Path) -> None:
    patch = """
import os, signal
from spectrogram_worker.outputs.results import Results
write_arrays = Results.write_arrays
def interrupted(self):
    os.kill(os.getpid(), signal.SIGTERM)
    return write_arrays(self)
Results.write_arrays = interrupted
"""
    report = run(tmp_path, patch=patch).assert_orderly(ExitCode.INTERRUPTED)
    assert "fm-band are whole" in report.message
    assert len(outputs(tmp_path)) == 4
    run(tmp_path, job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)


@pytest.mark.usefixtures("recording")
def test_the_soft_limit_while_writing_no_longer_matters(tmp_path: Path) -> None:
    patch = """
import time
from spectrogram_worker.guards import growth
from spectrogram_worker.guards.stop import StopRequest
from spectrogram_worker.outputs.results import Results
from spectrogram_worker.contract import ExitCode
stops, request = [], StopRequest.__init__
def remember(self):
    request(self)
    stops.append(self)
StopRequest.__init__ = remember
write_arrays = Results.write_arrays
def late(self):
    stops[0].request(ExitCode.SOFT_TIME_LIMIT_EXCEEDED, "late", patience=0)
    time.sleep(2 * growth.LONGEST_WAIT)
    return write_arrays(self)
Results.write_arrays = late
"""
    run(tmp_path, patch=patch).assert_orderly(ExitCode.DONE)
