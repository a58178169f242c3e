"""The worker as a process: how a test starts it, stops it, and reads what it left behind."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from spectrogram_worker.contract import ExitCode, Report, parse_last_words, parse_report
from unit.worker.jobs import document

SAMPLES = 20_000
ALL = {"formats": ["png", "npz", "zarr", "hdf5"]}
ENDLESS = {"columns": 65_536, "time": ["max", "mean"]}


@dataclass(frozen=True)
class Ended:
    """What a worker left: its exit code, its last words, its log."""

    code: int
    report: Report | None
    lines: list[dict[str, Any]]
    stderr: str

    @property
    def messages(self) -> list[str]:
        """The messages of the log lines."""
        return [line["message"] for line in self.lines]

    def assert_orderly(self, code: ExitCode) -> Report:
        """Ended with `code`, with last words that say why, without a traceback anywhere."""
        assert (self.code, self.stderr) == (code, ""), self.messages
        assert not any("traceback" in line or "Traceback" in line["message"] for line in self.lines)
        assert self.report is not None
        assert self.report.reason == code.reason
        assert self.report.message
        return self.report


def start(content: dict[str, Any] | str | None, *, patch: str = "") -> subprocess.Popen[str]:
    """Start a worker with this document; `patch` is Python that runs in it first."""
    environment = {key: value for key, value in os.environ.items() if key != "SPECTROGRAM_JOB"}
    if content is not None:
        environment["SPECTROGRAM_JOB"] = content if isinstance(content, str) else json.dumps(content)
    program = ["-c", f"{patch}\nimport sys\nfrom spectrogram_worker.__main__ import main\nsys.exit(main())"]
    command = [sys.executable, *(program if patch else ["-m", "spectrogram_worker"])]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait(process: subprocess.Popen[str], folder: Path, already: str = "") -> Ended:
    """Wait for a worker to end."""
    try:
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    termination = folder / "termination"
    report = parse_last_words(termination.read_text()) if termination.exists() else None
    return Ended(process.returncode, report, [json.loads(line) for line in (already + stdout).splitlines()], stderr)


def run(folder: Path, *, patch: str = "", **changes: Any) -> Ended:
    """Run a worker to its end."""
    return wait(start(document(folder, **changes), patch=patch), folder)


def port_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The port that a worker serves its progress on, and what it logged so far."""
    assert process.stdout is not None
    already = ""
    while True:
        line = process.stdout.readline()
        already += line
        if found := re.search(r"Serving progress on port (\d+)", line):
            return int(found[1]), already
        assert line, already


def ask_until(port: int, ready: Callable[[Report], bool]) -> None:
    """Ask a worker for its progress until that is `ready`."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/progress")
        report = parse_report(connection.getresponse().read())
        connection.close()
        if report is not None and ready(report):
            return


def run_until(folder: Path, ready: Callable[[Report], bool], number: int, *, patch: str = "", **changes: Any) -> Ended:
    """Run a worker until its progress is `ready`, then send it a signal."""
    process = start(document(folder, **changes), patch=patch)
    port, already = port_of(process)
    ask_until(port, ready)
    process.send_signal(number)
    return wait(process, folder, already)


def outputs(folder: Path) -> list[str]:
    """Everything below the output claim, hidden files too."""
    root = folder / "output"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def assert_partial(folder: Path, ended: Ended, code: ExitCode) -> None:
    """The finished columns are published as partial results, and nothing else is left."""
    report = ended.assert_orderly(code)
    names = ["manifest.json", "spectrogram.npz", "spectrogram.png"]
    assert outputs(folder) == ["fm-band.partial", *(f"fm-band.partial/{name}" for name in names)]
    manifest = json.loads((folder / "output/fm-band.partial/manifest.json").read_text())
    assert manifest["complete"] is False
    assert manifest["reason"] == code.reason
    done = manifest["columnsDone"]
    assert 0 < done < manifest["columns"]
    with np.load(folder / "output/fm-band.partial/spectrogram.npz", allow_pickle=False) as arrays:
        assert arrays["max"].shape == (64, done)
        assert arrays["time"].shape == (done,)
    assert f"{done} of {manifest['columns']} columns are kept in fm-band.partial" in report.message
    assert {output.path for output in report.outputs} == {f"fm-band.partial/{name}" for name in names}


def assert_same_numbers(folder: Path) -> None:
    """xarray reads from the Zarr folder and the HDF5 file what NumPy reads from the archive, bit for bit."""
    with (
        np.load(folder / "spectrogram.npz", allow_pickle=False) as arrays,
        xarray.open_zarr(folder / "spectrogram.zarr", decode_times=False) as first,
        xarray.open_dataset(folder / "spectrogram.h5", engine="h5netcdf", decode_times=False) as second,
    ):
        for name in ("max", "mean", "frequency", "time"):
            assert arrays[name].tobytes() == first[name].values.tobytes() == second[name].values.tobytes()
