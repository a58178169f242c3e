"""The whole worker as a process: every way to end, and what it leaves behind."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from PIL import Image

from spectrogram_worker.contract import ExitCode, Report, parse_report
from spectrogram_worker.spectrum import compiled_kernel
from unit.worker.jobs import RATE, document, job, write_endless
from unit.worker.slow_clients import trickling
from unit.worker.stalling_store import stalling_store
from unit.worker.stores import CREDENTIALS

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


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A file of cf32 noise around a carrier at +100 Hz, at full scale, with a gap."""
    (tmp_path / "input").mkdir()
    noise = np.random.default_rng(1).normal(0, 1e-3, (SAMPLES, 2)).view(np.complex128)[:, 0]
    samples = (noise + np.exp(2j * np.pi * 100 / RATE * np.arange(SAMPLES))).astype(np.complex64)
    samples[4000:4800] = np.nan
    path = tmp_path / "input/signal.cf32"
    samples.tofile(path)
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    return write_endless(tmp_path)


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
    report = parse_report(termination.read_bytes()) if termination.exists() else None
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


def test_a_job_is_computed_and_published(tmp_path: Path, recording: Path) -> None:
    ended = run(tmp_path)
    report = ended.assert_orderly(ExitCode.DONE)
    folder = tmp_path / "output/fm-band"
    assert {output.path: output.media_type for output in report.outputs} == {
        "fm-band/spectrogram.npz": "application/x-npz",
        "fm-band/spectrogram.png": "image/png",
        "fm-band/manifest.json": "application/json",
    }
    assert report.has_manifest
    for output in report.outputs:
        path = tmp_path / "output" / output.path
        assert path.stat().st_size == output.bytes
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert digest.stdout.split()[0] == output.sha256
    assert len(outputs(tmp_path)) == 4
    with Image.open(folder / "spectrogram.png") as picture:
        assert picture.size == (1600, 900)
    with np.load(folder / "spectrogram.npz", allow_pickle=False) as arrays:
        mean, metadata = arrays["mean"], json.loads(str(arrays["metadata"]))
        strongest = arrays["frequency"][np.argmax(mean[:, 0])]
        missing = np.isnan(mean).all(axis=0)
    assert abs(strongest - 100e6 - 100) < RATE / 64
    assert missing.any()
    assert not missing.all()
    assert metadata["units"]["power"] == "dB(FS²/Hz)"
    assert (report.progress.percent, report.progress.stage) == (100, "done")
    assert (report.dataset.samples, report.dataset.bytes) == (SAMPLES, recording.stat().st_size)
    assert (report.dataset.gaps, report.dataset.missing_samples) == (1, 800)
    assert report.memory.peak_bytes is not None
    assert report.memory.level == "low"


def test_the_manifest_tells_the_whole_story(tmp_path: Path, recording: Path) -> None:
    run(tmp_path, limits={"softSeconds": 600, "memoryBytes": 2**30, "threads": 2}).assert_orderly(ExitCode.DONE)
    manifest = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["job"] == {
        "namespace": "team",
        "name": "fm-band",
        "uid": "uid-1",
        "attempt": 1,
        "specHash": "hash-1",
    }
    assert manifest["input"]["gaps"] == [[4000, 4800]]
    assert (manifest["input"]["gapCount"], manifest["input"]["missingSamples"]) == (1, 800)
    assert (manifest["input"]["path"], manifest["input"]["sampleRate"]) == (recording.name, RATE)
    assert manifest["parameters"]["transform"]["fftSize"] == 64
    assert manifest["columns"] == manifest["columnsDone"] <= 50
    assert manifest["frames"] == (SAMPLES - 64) // 32 + 1
    touched = len([k for k in range(manifest["frames"]) if 32 * k < 4800 and 32 * k + 64 > 4000])
    assert manifest["input"]["framesWithoutData"] == touched
    assert "samplesAtFullScale" not in manifest["input"]
    with np.load(tmp_path / "output/fm-band/spectrogram.npz") as arrays:
        frames, missing = arrays["frames"], np.isnan(arrays["mean"]).all(axis=0)
    assert frames.sum() == manifest["frames"] - touched
    assert (manifest["columnsWithoutData"], manifest["fewestFramesInColumn"]) == (missing.sum(), 0)
    np.testing.assert_array_equal(frames == 0, missing)
    assert {"starting", "reading", "spectrogram", "writing"} <= set(manifest["stageSeconds"])
    assert {"python", "numpy", "matplotlib"} <= set(manifest["software"])
    assert manifest["software"]["kernel"] == "compiled"
    assert manifest["peakMemoryBytes"] > 10_000_000


@pytest.mark.usefixtures("recording")
def test_an_installation_without_the_compiled_kernel_says_so(tmp_path: Path) -> None:
    patch = "from spectrogram_worker.spectrum import compiled_kernel; compiled_kernel.load_library = lambda: None"
    ended = run(tmp_path, patch=patch)
    ended.assert_orderly(ExitCode.DONE)
    warning = "No compiled kernel is installed: scipy.fft takes some times longer"
    assert f"Job team/fm-band: {warning}" in ended.messages
    assert ended.report is not None
    assert ended.report.warnings == (warning,)
    manifest = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())
    assert manifest["software"]["kernel"] == "scipy.fft"


@pytest.mark.usefixtures("recording")
def test_every_format_is_published_with_the_same_numbers(tmp_path: Path) -> None:
    report = run(tmp_path, output=ALL).assert_orderly(ExitCode.DONE)
    names = ("spectrogram.npz", "spectrogram.zarr", "spectrogram.h5", "spectrogram.png", "manifest.json")
    assert [output.path for output in report.outputs] == [f"fm-band/{name}" for name in names]
    assert_same_numbers(tmp_path / "output/fm-band")
    again = run(tmp_path, output=ALL, job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)
    assert again.outputs == report.outputs
    assert "earlier attempt" in again.message


def assert_same_numbers(folder: Path) -> None:
    """xarray reads from the Zarr folder and the HDF5 file what NumPy reads from the archive, bit for bit."""
    with (
        np.load(folder / "spectrogram.npz", allow_pickle=False) as arrays,
        xarray.open_zarr(folder / "spectrogram.zarr", decode_times=False) as first,
        xarray.open_dataset(folder / "spectrogram.h5", engine="h5netcdf", decode_times=False) as second,
    ):
        for name in ("max", "mean", "frequency", "time"):
            assert arrays[name].tobytes() == first[name].values.tobytes() == second[name].values.tobytes()


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize(
    ("formats", "loaded"), [(["npz", "zarr"], set()), (["hdf5"], {"h5py"}), (["png"], {"matplotlib"})]
)
def test_a_library_that_the_job_does_not_use_is_not_loaded(
    tmp_path: Path, formats: list[str], loaded: set[str]
) -> None:
    run(tmp_path, output={"formats": formats}).assert_orderly(ExitCode.DONE)
    software = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())["software"]
    assert software.keys() & {"h5py", "matplotlib", "digital_rf", "sigmf", "soundfile"} == loaded


@pytest.mark.usefixtures("recording")
def test_the_log_has_the_designs_words(tmp_path: Path) -> None:
    ended = run(tmp_path, chunking={"mode": "always"})
    text = "\n".join(ended.messages)
    for stage in ("job_start", "after_download", "before_spectrogram", "after_spectrogram", "job_complete"):
        sizes = r"RSS: [\d.]+MB, VMS: [\d.]+MB, Percent: [\d.]+%"
        assert re.search(rf"^Job team/fm-band memory usage at {stage}: {sizes}$", text, re.MULTILINE)
    for line in (
        r"Memory monitor started for job team/fm-band",
        r"Memory monitor stopped",
        r"Job team/fm-band: Memory estimate - Files: 0\.2MB, Processing: [\d.]+MB, Total: [\d.]+MB",
        r"Using chunked processing for dataset of 0\.2MB",
        r"Processing 20000 samples in chunks of \d+",
    ):
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    assert all(line["job"] == "team/fm-band" and line["attempt"] == 1 for line in ended.lines)
    assert all({"time", "level", "message"} <= set(line) for line in ended.lines)
    assert "chunked" not in "\n".join(run(tmp_path, job=job(uid="uid-2").to_document()).messages)


def test_every_chunking_mode_and_thread_count_gives_the_same_files(tmp_path: Path) -> None:
    """In chunks, which three threads take here, each of them takes little more than half of the memory."""
    (tmp_path / "input").mkdir()
    noise = np.random.default_rng(1).normal(0, 1e-3, (1_500_000, 2)).astype(np.float32)
    noise.tofile(tmp_path / "input/signal.cf32")
    sums, chunks, estimates = set(), [], []
    for number, mode in enumerate(("auto", "never", "always")):
        limits = {"softSeconds": 600, "memoryBytes": 2**30, "threads": 1 + number}
        changed: dict[str, Any] = {"chunking": {"mode": mode}, "limits": limits, "output": ALL}
        changed["job"] = job(uid=f"uid-{number}").to_document()
        ended = run(tmp_path, **changed)
        report = ended.assert_orderly(ExitCode.DONE)
        sums.add(tuple(output.sha256 for output in report.outputs if "manifest" not in output.path))
        messages = [line["message"] for line in ended.lines]
        chunks += [message for message in messages if message.startswith("Processing ")]
        estimates.append(next(message for message in messages if "Memory plan" in message))
    assert len(sums) == 1
    (chunk,) = chunks
    assert re.fullmatch(r"Processing 1500000 samples in chunks of \d+", chunk)
    assert int(chunk.rpartition(" ")[2]) <= 4 * 2**20 // 8
    buffers = [float(re.findall(r"buffers ([\d.]+)MB", estimate)[0]) for estimate in estimates]
    assert buffers[2] / 3 < 0.6 * buffers[0]


@pytest.mark.usefixtures("recording")
def test_a_second_attempt_finds_the_results_of_the_first(tmp_path: Path) -> None:
    first = run(tmp_path).assert_orderly(ExitCode.DONE)
    (tmp_path / "input/signal.cf32").unlink()
    second = run(tmp_path, job=job(attempt=2).to_document()).assert_orderly(ExitCode.DONE)
    assert second.outputs == first.outputs
    assert "earlier attempt" in second.message
    assert second.progress.percent == 100


def test_a_recording_that_was_overdriven_says_so(tmp_path: Path) -> None:
    job = document(tmp_path, output={"formats": ["npz"]})
    samples = np.zeros((SAMPLES, 2), np.int8)
    samples[:100, 0] = -128
    samples.tofile(tmp_path / "input/signal.ci8")
    raw = {"datatype": "ci8", "sampleRate": RATE, "centerFrequency": 0}
    job["input"] = {"path": "signal.ci8", "raw": raw}
    report = wait(start(job), tmp_path).assert_orderly(ExitCode.DONE)
    manifest = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())
    assert report.dataset.samples_at_full_scale == manifest["input"]["samplesAtFullScale"] == 100
    (warning,) = report.warnings
    assert warning.startswith(f"100 of {SAMPLES} samples")


@pytest.mark.usefixtures("recording")
def test_warnings_are_in_the_log_the_last_words_and_the_manifest_of_every_attempt(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "input": {**document(tmp_path)["input"], "range": {"startSample": 100, "samples": SAMPLES}},
        "transform": {"fftSize": 64, "hopSize": 80},
    }
    ended = run(tmp_path, **wanted)
    report = ended.assert_orderly(ExitCode.DONE)
    clipped, hop = report.warnings
    assert "reaches 100 samples past the end" in clipped
    assert "transform.hopSize 80 is larger than the window" in hop
    warned = [line["message"] for line in ended.lines if line["level"] == "warning"]
    assert warned == [f"Job team/fm-band: {clipped}", f"Job team/fm-band: {hop}"]
    assert report.message.endswith(" columns are in fm-band; 2 warnings")
    manifest = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())
    assert manifest["warnings"] == [clipped, hop]
    again = run(tmp_path, job=job(attempt=2).to_document(), **wanted).assert_orderly(ExitCode.DONE)
    assert again.warnings == report.warnings
    assert again.message == "an earlier attempt published fm-band; 2 warnings"


@pytest.mark.usefixtures("recording")
def test_a_high_estimate_warns_and_the_job_runs(tmp_path: Path) -> None:
    estimate = run(tmp_path).assert_orderly(ExitCode.DONE).memory.estimate_bytes or 0
    limits = {"softSeconds": 600, "memoryBytes": int(estimate / 0.9)}
    ended = run(tmp_path, limits=limits, job=job(uid="uid-2").to_document())
    assert ended.assert_orderly(ExitCode.DONE).memory.level == "high"
    pattern = (
        r"Job team/fm-band: High memory usage expected - Estimated: [\d.]+MB, Available: [\d.]+MB, Usage: [\d.]+%\. "
        r"Job will proceed but may cause memory pressure\."
    )
    assert any(re.fullmatch(pattern, message) for message in ended.messages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": {"image": {"colormap": "virids"}}}, "viridis"),
        ({"transform": {"hopSize": 0}}, "transform.hopSize"),
        ({"input": {"path": "../secret"}}, "input"),
        ({"output": {"path": "."}}, "output: path must name a folder below the claim"),
        ({"input": {"path": "signal.cf32", "range": {"start": "soon"}}}, "input.range.start: 'soon' is no duration"),
    ],
)
@pytest.mark.usefixtures("recording")
def test_an_invalid_spec_is_64(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    report = run(tmp_path, **changes).assert_orderly(ExitCode.INVALID_SPEC)
    assert words in report.message
    assert report.job_uid == "uid-1"
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_a_recording_that_is_too_short_is_65(tmp_path: Path) -> None:
    report = run(tmp_path, transform={"fftSize": 65536}).assert_orderly(ExitCode.INPUT_INVALID)
    assert "20000" in report.message
    assert "65536" in report.message
    assert outputs(tmp_path) == []


def test_a_missing_recording_is_66(tmp_path: Path) -> None:
    run(tmp_path).assert_orderly(ExitCode.INPUT_NOT_FOUND)
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_a_bug_is_70_with_its_traceback_in_the_log_alone(tmp_path: Path) -> None:
    patch = """
from spectrogram_worker.outputs.results import Results
def add(self, column): raise KeyError("a bug")
Results.add = add
"""
    ended = run(tmp_path, patch=patch)
    assert (ended.code, ended.stderr) == (70, "")
    assert ended.report is not None
    assert ended.report.message == "internal error: KeyError: 'a bug'"
    assert [line["message"] for line in ended.lines if "traceback" in line] == ["Unexpected error"]
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_a_foreign_folder_is_73_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "output/fm-band").mkdir(parents=True)
    (tmp_path / "output/fm-band/thesis.tex").write_text("mine")
    ended = run(tmp_path)
    assert "thesis.tex" in ended.assert_orderly(ExitCode.OUTPUT_NOT_WRITABLE).message
    assert outputs(tmp_path) == ["fm-band", "fm-band/thesis.tex"]
    assert not any("after_download" in message for message in ended.messages)


@pytest.mark.parametrize(("number", "code"), [("EIO", 74), ("ENOSPC", 86), ("EDQUOT", 86), ("EROFS", 73)])
@pytest.mark.usefixtures("recording")
def test_errors_while_writing_have_their_codes(tmp_path: Path, number: str, code: int) -> None:
    patch = f"""
import errno
from spectrogram_worker.outputs.arrays import ColumnFiles
def append(self, column): raise OSError(errno.{number}, "simulated")
ColumnFiles.append = append
"""
    run(tmp_path, patch=patch).assert_orderly(ExitCode(code))
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("formats", [["npz"], ["png", "npz"]])
def test_nothing_heavy_is_loaded_that_the_job_does_not_use(tmp_path: Path, formats: list[str]) -> None:
    names = tmp_path / "modules"
    patch = f"""
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path({str(names)!r}).write_text("\\n".join(sys.modules)))
"""
    run(tmp_path, patch=patch, output={"formats": formats}).assert_orderly(ExitCode.DONE)
    loaded = set(names.read_text().splitlines())
    assert not loaded & {
        *("asyncio", "boto3", "botocore", "urllib3", "tarfile"),
        *("digital_rf", "h5py", "sigmf", "soundfile", "matplotlib.pyplot"),
    }
    assert ("matplotlib" in loaded) == ("png" in formats)
    assert "scipy" not in loaded or not compiled_kernel.load_library()


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", "x" * 40_000, '{"job": 5, "folders": []}'])
def test_a_document_that_is_none_is_78(tmp_path: Path, content: str | None) -> None:
    ended = wait(start(content), tmp_path)
    assert (ended.code, ended.stderr) == (78, "")
    assert len(ended.lines) == 1
    assert ended.lines[0]["level"] == "error"
    assert ended.messages[0].startswith("WorkerConfigError - ")


@pytest.mark.parametrize("nested", ["[" * 10_000, "[" * 10_000 + "]" * 10_000])
def test_a_document_nested_absurdly_is_64(tmp_path: Path, nested: str) -> None:
    text = json.dumps(document(tmp_path)).replace('"transform": {', f'"transform": {{"window": {nested}, ')
    ended = wait(start(text), tmp_path)
    assert (ended.code, ended.stderr) == (64, ""), ended.messages
    assert len(ended.lines) == 1
    assert ended.messages[0].startswith("InvalidSpec - ")
    assert len(ended.messages[0]) < 1200


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("name", ["r" * 240 + ".cf32", "r" * 250 + ".cf32", "é" * 125 + ".cf32"])
def test_the_longest_names_are_read_from_end_to_end(tmp_path: Path, recording: Path, name: str) -> None:
    recording.rename(recording.with_name(name))
    source = document(tmp_path)["input"] | {"path": name}
    run(tmp_path, input=source, output=ALL).assert_orderly(ExitCode.DONE)
    manifest = json.loads((tmp_path / "output/fm-band/manifest.json").read_text())
    assert manifest["input"]["path"] == name
    with np.load(tmp_path / "output/fm-band/spectrogram.npz", allow_pickle=False) as arrays:
        assert name in str({key: arrays[key] for key in arrays if arrays[key].size == 1})


@pytest.mark.usefixtures("recording")
def test_a_name_that_is_too_long_is_66(tmp_path: Path) -> None:
    source = document(tmp_path)["input"] | {"path": "r" * 256}
    assert "there is no rrr" in run(tmp_path, input=source).assert_orderly(ExitCode.INPUT_NOT_FOUND).message


@pytest.mark.usefixtures("recording")
def test_a_picture_without_any_scratch_is_78_before_anything_is_read(tmp_path: Path) -> None:
    patch = """
import os, tempfile
os.environ.pop("MPLCONFIGDIR", None)
def nowhere(): raise FileNotFoundError(2, "No usable temporary directory")
tempfile.gettempdir = nowhere
"""
    folders = document(tmp_path)["folders"] | {"scratch": str(tmp_path / "termination/scratch")}
    (tmp_path / "termination").write_text("")
    ended = run(tmp_path, patch=patch, folders=folders)
    assert "scratch" in ended.assert_orderly(ExitCode.WORKER_CONFIG_ERROR).message
    folders["scratch"] = "/dev/null/scratch"
    run(tmp_path, folders=folders).assert_orderly(ExitCode.DONE)


def test_a_wrong_limit_is_the_operators_fault(tmp_path: Path) -> None:
    report = run(tmp_path, limits={"softSeconds": 0, "memoryBytes": 1}).assert_orderly(ExitCode.WORKER_CONFIG_ERROR)
    assert report.message.startswith("limits.softSeconds")


def test_a_transform_that_cannot_fit_is_82_before_it_is_tried(tmp_path: Path, endless: Path) -> None:
    transform = {"fftSize": 2**20, "hopSize": 2**19, "precision": "double"}
    ended = run(tmp_path, transform=transform, limits={"softSeconds": 600, "memoryBytes": 150_000_000})
    assert "raise resources.memory" in ended.assert_orderly(ExitCode.MEMORY_ERROR).message
    assert not any("before_spectrogram" in message for message in ended.messages)
    assert outputs(tmp_path) == []


def test_it_is_82_too_where_the_safeguard_noticed_the_planning(tmp_path: Path, endless: Path) -> None:
    patch = """
import time
from spectrogram_worker import attempt
announce = attempt.announce
def slowly(*arguments):
    ballast = b"x" * 115_000_000
    time.sleep(1.5)
    return announce(*arguments)
attempt.announce = slowly
"""
    transform = {"fftSize": 2**20, "hopSize": 2**19, "precision": "double"}
    ended = run(tmp_path, patch=patch, transform=transform, limits={"softSeconds": 600, "memoryBytes": 150_000_000})
    assert "raise resources.memory" in ended.assert_orderly(ExitCode.MEMORY_ERROR).message
    assert any("CRITICAL MEMORY USAGE" in message for message in ended.messages)


def test_a_time_axis_that_cannot_fit_is_82(tmp_path: Path, endless: Path) -> None:
    selection = document(tmp_path)["input"] | {"range": {"samples": 32 * 4_000_000}}
    limits = {"softSeconds": 600, "memoryBytes": 150_000_000}
    ended = run(tmp_path, input=selection, reduce={"time": ["none"]}, limits=limits)
    assert "the transform needs" in ended.assert_orderly(ExitCode.MEMORY_ERROR).message


@pytest.mark.usefixtures("recording")
def test_an_exhausted_allocator_is_82(tmp_path: Path) -> None:
    patch = """
from spectrogram_worker.outputs.results import Results
def add(self, column): raise MemoryError("Unable to allocate 3 GiB")
Results.add = add
"""
    assert "Unable" in run(tmp_path, patch=patch).assert_orderly(ExitCode.MEMORY_ERROR).message


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
from spectrogram_worker.guards import safeguard
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
    time.sleep(2 * safeguard.LOOK_SECONDS)
    return write_arrays(self)
Results.write_arrays = late
"""
    run(tmp_path, patch=patch).assert_orderly(ExitCode.DONE)


def test_outputs_larger_than_the_disk_are_86_before_anything_is_computed(tmp_path: Path, endless: Path) -> None:
    transform = {"fftSize": 2**20, "hopSize": 2**19}
    if shutil.disk_usage(tmp_path).free > 4 * 2**20 * 65_536 * 4:
        pytest.skip("this disk has room for a terabyte")
    ended = run(
        tmp_path,
        transform=transform,
        reduce={"time": ["max", "mean", "min"], "columns": 65_536},
        limits={"softSeconds": 600, "memoryBytes": 2**32},
    )
    assert "free" in ended.assert_orderly(ExitCode.OUTPUT_NO_SPACE).message
    assert not any("before_spectrogram" in message for message in ended.messages)


def test_a_large_range_is_87_before_samples_are_read(tmp_path: Path, recording: Path) -> None:
    limits = {"softSeconds": 600, "memoryBytes": 2**30, "largeDatasetBytes": recording.stat().st_size - 1}
    ended = run(tmp_path, limits=limits)
    report = ended.assert_orderly(ExitCode.REROUTE_LARGE)
    assert report.dataset.bytes == recording.stat().st_size
    assert outputs(tmp_path) == []
    limits["largeDatasetBytes"] += 1
    run(tmp_path, limits=limits).assert_orderly(ExitCode.DONE)


@pytest.mark.usefixtures("recording")
def test_last_words_that_cannot_be_written_do_not_fail_the_job(tmp_path: Path) -> None:
    folders = document(tmp_path)["folders"] | {"terminationMessage": str(tmp_path / "absent/termination")}
    ended = run(tmp_path, folders=folders)
    assert ended.code == 0
    assert any("Cannot write the termination message" in message for message in ended.messages)
