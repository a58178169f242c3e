"""The whole worker as a process, where nothing goes wrong: what it says and what it leaves behind."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spectrogram_worker.contract import ExitCode, parse_last_words
from unit.worker.jobs import RATE, document, job
from unit.worker.worker_process import (
    ALL,
    SAMPLES,
    assert_same_numbers,
    outputs,
    run,
)


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


def test_row_9_the_first_line_of_a_worker_s_last_words_proves_its_success(tmp_path: Path, recording: Path) -> None:
    ended = run(tmp_path)
    assert ended.code == ExitCode.DONE, ended.messages
    first, second = (tmp_path / "termination").read_text().split("\n")
    assert len(first.encode()) <= 1024
    said = parse_last_words(first)
    assert said is not None
    assert ended.report is not None
    assert (said.has_manifest, said.reason, said.memory.peak_bytes) == (
        True,
        "Completed",
        ended.report.memory.peak_bytes,
    )
    assert said.outputs == ended.report.outputs[-1:]
    assert second.startswith("{")
    assert len(ended.report.outputs) == 3


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
    patch = "from spectrogram_worker.spectrum.compiled import library; library.load_library = lambda: None"
    ended = run(tmp_path, patch=patch)
    ended.assert_orderly(ExitCode.DONE)
    warning = "No compiled kernel is installed: scipy.fft takes some times longer"
    assert f"Job team/fm-band: {warning}" in ended.messages
    assert ended.report is not None
    assert ended.report.warnings == (warning,)
    assert ended.report.progress.kernel == "scipy.fft"
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
    assert int(chunk.rpartition(" ")[2]) <= 512 * 1024 // 8
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
    samples = np.zeros((SAMPLES, 2), np.int8)
    samples[:100, 0] = -128
    (tmp_path / "input").mkdir(exist_ok=True)
    samples.tofile(tmp_path / "input/signal.ci8")
    raw = {"datatype": "ci8", "sampleRate": RATE, "centerFrequency": 0}
    ended = run(tmp_path, input={"path": "signal.ci8", "raw": raw}, output={"formats": ["npz"]})
    report = ended.assert_orderly(ExitCode.DONE)
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
