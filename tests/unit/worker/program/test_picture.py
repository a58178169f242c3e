"""The picture is best effort beside arrays: whatever happens to it, what was computed is published, complete."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spectrogram_worker.contract import ExitCode
from unit.worker.jobs import RATE, document, write_endless
from unit.worker.recordings import integer_pairs, write_digital_rf, write_sigmf
from unit.worker.worker_process import ENDLESS, Ended, outputs, run, run_until

ARRAYS = ["manifest.json", "spectrogram.npz"]
LARGE = {"width": 4000, "height": 4000}
"""A picture that takes 196 MB to draw, and 64 MB while columns come in."""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Noise, as cf32."""
    (tmp_path / "input").mkdir()
    path = tmp_path / "input/signal.cf32"
    np.random.default_rng(1).normal(0, 1e-3, 40_000).astype("<f4").tofile(path)
    return path


def limits(memory: float) -> dict[str, Any]:
    return {"softSeconds": 600, "memoryBytes": int(memory)}


def while_drawing(code: str) -> str:
    """A patch that runs `code` in the middle of the drawing, with `ballast` to hold memory in."""
    lines = "\n    ".join(["", *code.splitlines()])
    return f"""
import errno, os, signal, time
from spectrogram_worker.guards import safeguard, stop
from spectrogram_worker.outputs.picture import drawing
annotate, ballast = drawing._annotate, []
def instead(*arguments):{lines}
    annotate(*arguments)
drawing._annotate = instead
"""


def manifest(folder: Path, name: str = "fm-band") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "output" / name / "manifest.json").read_text())
    return content


def assert_arrays_alone(folder: Path, ended: Ended, code: ExitCode = ExitCode.DONE) -> str:
    """The arrays are published, complete, and nothing else; returns the warning about the picture."""
    report = ended.report
    assert (ended.code, ended.stderr) == (code, ""), ended.messages
    assert report is not None
    assert report.reason == code.reason
    assert outputs(folder) == ["fm-band", *(f"fm-band/{name}" for name in ARRAYS)]
    assert sorted(output.path for output in report.outputs) == [f"fm-band/{name}" for name in ARRAYS]
    content = manifest(folder)
    assert (content["complete"], content["reason"]) == (True, "Completed")
    assert [output["path"] for output in content["outputs"]] == ["spectrogram.npz"]
    with np.load(folder / "output/fm-band/spectrogram.npz", allow_pickle=False) as arrays:
        assert arrays["max"].shape == (64, content["columns"])
        assert content["columns"] == content["columnsDone"]
    (warning,) = content["warnings"]
    assert warning.startswith("The picture is left out: ")
    assert f"Job team/fm-band: {warning}" in ended.messages
    return str(warning)


def picture_size(folder: Path) -> tuple[int, int]:
    with Image.open(folder / "output/fm-band/spectrogram.png") as picture:
        return picture.size


@pytest.mark.usefixtures("recording")
def test_a_picture_that_memory_has_no_room_for_is_drawn_smaller(tmp_path: Path) -> None:
    ended = run(tmp_path, output={"image": LARGE}, limits=limits(150e6))
    report = ended.assert_orderly(ExitCode.DONE)
    width, height = picture_size(tmp_path)
    assert 1000 < width == height < 4000
    (warning,) = manifest(tmp_path)["warnings"]
    said = f"The picture has {width} × {height} pixels instead of 4000 × 4000"
    assert warning == f"{said}, for want of memory: raise resources.memory"
    assert (report.memory.estimate_bytes or 0) < 150e6
    assert (report.memory.peak_bytes or 0) < 0.95 * 150e6
    assert len(outputs(tmp_path)) == 4


@pytest.mark.usefixtures("recording")
def test_memory_that_others_took_meanwhile_makes_the_picture_smaller(tmp_path: Path) -> None:
    """When the transform began there was room enough."""
    patch = """
from spectrogram_worker.outputs.results import Results
write_arrays, ballast = Results.write_arrays, []
def instead(self):
    ballast.append(b"x" * 140_000_000)
    return write_arrays(self)
Results.write_arrays = instead
"""
    ended = run(tmp_path, patch=patch, output={"image": {"width": 3000, "height": 2000}}, limits=limits(240e6))
    ended.assert_orderly(ExitCode.DONE)
    width, height = picture_size(tmp_path)
    assert 600 < width < 3000
    assert abs(width / height - 1.5) < 0.01
    assert f"has {width} × {height} pixels instead of 3000 × 2000" in manifest(tmp_path)["warnings"][0]


@pytest.mark.usefixtures("recording")
def test_without_room_for_any_picture_it_is_left_out(tmp_path: Path) -> None:
    peak = run(tmp_path, output={"formats": ["npz"]}).assert_orderly(ExitCode.DONE).memory.peak_bytes or 0
    shutil.rmtree(tmp_path / "output")
    ended = run(tmp_path, limits=limits(1.2 * peak))
    assert "raise resources.memory" in assert_arrays_alone(tmp_path, ended)
    ended.assert_orderly(ExitCode.DONE)


@pytest.mark.usefixtures("recording")
def test_a_picture_alone_that_memory_has_no_room_for_is_82_before_the_transform(tmp_path: Path) -> None:
    ended = run(tmp_path, output={"formats": ["png"], "image": LARGE}, limits=limits(150e6))
    message = ended.assert_orderly(ExitCode.MEMORY_ERROR).message
    assert "a picture of 4000 × 4000 pixels, the only output, needs 196.0MB" in message
    assert message.endswith("raise resources.memory")
    assert not any("before_spectrogram" in message for message in ended.messages)
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_the_safeguard_while_a_picture_is_drawn_costs_only_the_picture(tmp_path: Path) -> None:
    patch = while_drawing('ballast.append(b"x" * 400_000_000)\ntime.sleep(1.5)')
    ended = run(tmp_path, patch=patch, limits=limits(400e6))
    warning = assert_arrays_alone(tmp_path, ended)
    assert re.search(r"memory use of [\d.]+% of 400\.0MB exceeds the threshold of 95\.0%$", warning)
    ended.assert_orderly(ExitCode.DONE)


@pytest.mark.usefixtures("recording")
def test_the_safeguard_between_the_last_column_and_the_picture_costs_only_the_picture(tmp_path: Path) -> None:
    patch = """
import time
from spectrogram_worker.guards import safeguard
from spectrogram_worker.outputs.results import Results
safeguard.MEMORY_PATIENCE = 0.1
write_arrays, ballast = Results.write_arrays, []
def instead(self):
    ballast.append(b"x" * 400_000_000)
    time.sleep(1.5)
    return write_arrays(self)
Results.write_arrays = instead
"""
    assert_arrays_alone(tmp_path, run(tmp_path, patch=patch, limits=limits(400e6)))


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ('safeguard.MEMORY_PATIENCE = 0.1\nballast.append(b"x" * 400_000_000)', ExitCode.DONE),
        ("stop.Stop.overdue = lambda self, now: True\nos.kill(os.getpid(), signal.SIGTERM)", ExitCode.INTERRUPTED),
    ],
)
def test_drawing_that_never_ends_costs_only_the_picture(tmp_path: Path, cause: str, code: ExitCode) -> None:
    ended = run(tmp_path, patch=while_drawing(f"{cause}\ntime.sleep(3600)"), limits=limits(400e6))
    assert "drawing it took too long" in assert_arrays_alone(tmp_path, ended, code)


@pytest.mark.usefixtures("recording")
def test_drawing_that_never_ends_is_given_up_at_the_soft_limit(tmp_path: Path) -> None:
    patch = while_drawing("safeguard.SOFT_LIMIT_PATIENCE = 0.1\ntime.sleep(3600)")
    for seconds in (3, 6, 12, 24, 48):  # a slow machine may need longer to come to the picture
        ended = run(tmp_path, patch=patch, limits=limits(2**30) | {"softSeconds": seconds})
        if ended.code == ExitCode.DONE:
            break
    assert_arrays_alone(tmp_path, ended)


@pytest.mark.usefixtures("recording")
def test_a_stop_that_leaves_little_time_ends_the_drawing(tmp_path: Path) -> None:
    patch = while_drawing("stop.INTERRUPTED_PATIENCE = 4\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(2.1)")
    warning = assert_arrays_alone(tmp_path, run(tmp_path, patch=patch), ExitCode.INTERRUPTED)
    assert warning.endswith("interrupted by SIGTERM")


@pytest.mark.usefixtures("recording")
def test_a_stop_that_leaves_time_enough_does_not(tmp_path: Path) -> None:
    run(tmp_path, patch=while_drawing("os.kill(os.getpid(), signal.SIGTERM)")).assert_orderly(ExitCode.INTERRUPTED)
    assert manifest(tmp_path)["warnings"] == []
    assert picture_size(tmp_path) == (1600, 900)


FAILURES = {
    "KeyError('lacking')": (ExitCode.INTERNAL_ERROR, "internal error: KeyError: 'lacking'"),
    "UnicodeEncodeError('utf-8', 'ch\\udcff0', 2, 3, 'surrogates')": (ExitCode.INTERNAL_ERROR, "UnicodeEncodeError"),
    "MemoryError()": (ExitCode.MEMORY_ERROR, "out of memory"),
    "OSError(errno.ENOSPC, 'No space left on device')": (ExitCode.OUTPUT_NO_SPACE, "No space left on device"),
}


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("error", FAILURES)
def test_whatever_fails_while_a_picture_is_drawn_costs_only_the_picture(tmp_path: Path, error: str) -> None:
    ended = run(tmp_path, patch=while_drawing(f"raise {error}"))
    assert FAILURES[error][1] in assert_arrays_alone(tmp_path, ended)


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("error", FAILURES)
def test_where_the_picture_is_the_only_result_its_failure_is_the_jobs(tmp_path: Path, error: str) -> None:
    ended = run(tmp_path, patch=while_drawing(f"raise {error}"), output={"formats": ["png"]})
    assert ended.code == FAILURES[error][0]
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_the_safeguard_while_the_only_result_is_drawn_is_83(tmp_path: Path) -> None:
    patch = while_drawing('ballast.append(b"x" * 400_000_000)\ntime.sleep(1.5)')
    ended = run(tmp_path, patch=patch, output={"formats": ["png"]}, limits=limits(400e6))
    ended.assert_orderly(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)
    assert outputs(tmp_path) == []


@pytest.mark.usefixtures("recording")
def test_a_disk_that_is_full_before_the_picture_is_written_costs_only_the_picture(tmp_path: Path) -> None:
    """The file size limit of the process stands for the disk: the arrays are smaller than it, the picture is not."""
    patch = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    ended = run(tmp_path, patch=patch, output={"image": {"width": 4000, "height": 3000}})
    assert "File too large" in assert_arrays_alone(tmp_path, ended)


def test_partial_results_lose_only_the_picture_too(tmp_path: Path) -> None:
    write_endless(tmp_path)
    patch = while_drawing("raise KeyError('lacking')")
    ended = run_until(
        tmp_path, lambda report: report.progress.columns_done > 3, signal.SIGTERM, patch=patch, reduce=ENDLESS
    )
    assert ended.code == ExitCode.INTERRUPTED
    assert outputs(tmp_path) == ["fm-band.partial", *(f"fm-band.partial/{name}" for name in ARRAYS)]
    assert "lacking" in manifest(tmp_path, "fm-band.partial")["warnings"][0]


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("formats", [["png"], ["png", "npz"]])
def test_a_colour_map_that_this_matplotlib_lacks_is_64_before_anything_is_read(
    tmp_path: Path, formats: list[str]
) -> None:
    patch = "import matplotlib; matplotlib.colormaps._cmaps.pop('okabe_ito', None)"
    ended = run(tmp_path, patch=patch, output={"formats": formats, "image": {"colormap": "okabe_ito"}})
    assert "there is no okabe_ito" in ended.assert_orderly(ExitCode.INVALID_SPEC).message
    assert not any("after_download" in message for message in ended.messages)


ALL = ["png", "npz", "zarr", "hdf5"]


@pytest.mark.parametrize(
    "name",
    [
        r"$\frac{1}{2.cf32",
        "$x^2$ and $y_{1}$.cf32",
        r"\alpha \\ $.cf32",
        "two\nlines\tand\x1b[31m colour.cf32",
        "x" * 230 + ".cf32",
        "信号 Ωμ \U0001f4e1 \u202egnp.cf32",
        "%(name)s {0} <b>&amp;.cf32",
    ],
)
def test_a_recording_may_be_called_anything(tmp_path: Path, recording: Path, name: str) -> None:
    recording.rename(recording.with_name(name))
    source = document(tmp_path)["input"] | {"path": name}
    run(tmp_path, input=source, output={"formats": ALL}).assert_orderly(ExitCode.DONE)
    assert manifest(tmp_path)["warnings"] == []
    assert len(manifest(tmp_path)["outputs"]) == 4


def test_a_channel_whose_name_is_no_unicode_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    folder = write_digital_rf(tmp_path / "input", [(0, integer_pairs(20_000))])
    folder.rename(folder.with_name(os.fsdecode(b"ch\xff0")))
    run(tmp_path, input={"path": "recording", "raw": {"centerFrequency": 0.0}}, output={"formats": ALL}).assert_orderly(
        ExitCode.DONE
    )
    assert manifest(tmp_path)["warnings"] == []
    assert len(manifest(tmp_path)["outputs"]) == 4


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_recording_at_the_end_of_time_is_drawn(tmp_path: Path, time: str) -> None:
    (tmp_path / "input").mkdir()
    samples = np.random.default_rng(1).normal(0, 1, 40_000).astype("<f4").tobytes()
    captures = [{"core:sample_start": 0, "core:datetime": time, "core:frequency": 100e6}]
    write_sigmf(tmp_path / "input", samples, captures=captures, datatype="cf32_le", sample_rate=RATE)
    run(tmp_path, input={"path": "signal.sigmf-meta"}, output={"formats": ALL}).assert_orderly(ExitCode.DONE)
    assert manifest(tmp_path)["warnings"] == []
    assert len(manifest(tmp_path)["outputs"]) == 4
