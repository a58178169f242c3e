"""The whole worker as a process, where it cannot do what the job asks for: its exit code and its last words."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.spectrum.compiled.library import load_library
from unit.worker.jobs import document
from unit.worker.worker_process import (
    ALL,
    outputs,
    run,
    start,
    wait,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": {"image": {"colormap": "virids"}}}, "viridis"),
        ({"transform": {"hopSize": 0}}, "transform.hopSize"),
        ({"input": {"path": "../secret"}}, "input"),
        ({"output": {"path": "."}}, "output.path: '.' must name a folder below the claim"),
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
from spectrogram_worker.outputs.arrays.npz_file import ColumnFiles
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
    assert "scipy" not in loaded or not load_library()


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
