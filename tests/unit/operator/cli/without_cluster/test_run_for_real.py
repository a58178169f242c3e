"""`spectrogram run` as people type it, with the real worker: a result, and every bad input the issue names."""

from pathlib import Path

import numpy as np
import pytest

from unit.operator.cli.command_line import OBEYING_PERMISSIONS, REAL, finish, spectrogram, write_job

RAW = {"datatype": "cf32_le", "sampleRate": 1e6, "centerFrequency": 100e6}


def write_recording(folder: Path, samples: int = 100_000) -> Path:
    """A job for a raw recording of noise and a carrier."""
    file = write_job(folder, "fm.cf32", input={"claimName": "recordings", "path": "fm.cf32", "raw": RAW})
    noise = np.random.default_rng(1).standard_normal((samples, 2)).astype(np.float32)
    noise.tofile(folder / "recordings/fm.cf32")
    return file


def test_a_recording_becomes_a_spectrogram(tmp_path: Path) -> None:
    done = spectrogram("run", write_recording(tmp_path))
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "results/fm-band/spectrogram.png"
    assert done.stdout.splitlines()[-1] == f"The picture is {picture}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "results/fm-band/spectrogram.npz") as arrays:
        assert arrays["max"].shape[0] == 1024
    assert "Dataset     800 kB, 100000 samples, 1 MS/s, 0.1 s, centre 100 MHz" in done.stdout


def test_the_summary_shows_what_the_worker_warned_of(tmp_path: Path) -> None:
    file = write_recording(tmp_path)
    wanted = {"claimName": "recordings", "path": "fm.cf32", "raw": RAW, "range": {"samples": 100_001}}
    write_job(tmp_path, "fm.cf32", input=wanted)
    done = spectrogram("run", file)
    assert done.returncode == 0, done.stderr
    assert "Warnings    input.range reaches 1 samples past the end of the recording" in done.stdout
    assert "are in fm-band; 1 warning\n" in done.stdout


def test_folders_may_be_mounted(tmp_path: Path) -> None:
    file = write_recording(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").rmdir()
    done = spectrogram("run", file, "--mount", f"results={tmp_path}/elsewhere")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere/fm-band/spectrogram.png").exists()


def test_a_second_run_replaces_the_first_one_s_results(tmp_path: Path) -> None:
    file = write_recording(tmp_path)
    assert spectrogram("run", file).returncode == 0
    manifest = tmp_path / "results/fm-band/manifest.json"
    first = manifest.read_text()
    assert spectrogram("run", file).returncode == 0
    assert manifest.read_text() != first


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("spec:\n", "spec:\n  transfrom: {}\n", "spec.transfrom: unknown field; did you mean transform?"),
        ("spec:\n", "spec:\n  timeLimits: {softSeconds: 9, hardSeconds: 9}\n", "softSeconds must be less than hard"),
        ("path: fm.cf32", "path: fm.cf32\n    url: https://a/b", "spec.input: input is in one place: write one of"),
        ("path: fm.cf32", "path: ../fm.cf32", "must be relative to the claim"),
        ("spec:\n", "spec: {\n", "broken YAML"),
    ],
)
def test_a_bad_job_file_is_one_line_before_anything_starts(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = write_recording(tmp_path)
    file.write_text(file.read_text().replace(old, new))
    done = spectrogram("run", file)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"spectrogram: {file}:")
    assert words in line
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(("claim", "field", "code"), [("recordings", "input", 66), ("results", "output", 73)])
def test_a_claim_without_a_folder(tmp_path: Path, claim: str, field: str, code: int) -> None:
    file = write_recording(tmp_path)
    (tmp_path / claim).rename(tmp_path / "away")
    done = spectrogram("run", file)
    (line,) = done.stderr.splitlines()
    assert line == (
        f"spectrogram: spec.{field}.claimName: {tmp_path}/{claim}, the folder of the claim {claim}, does not exist:"
        f" make it, or name another one with --mount {claim}=DIR"
    )
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("results", "write NAME=DIR"),
        ("=results", "write NAME=DIR"),
        ("result=/tmp", "the job has no claim or store result; did you mean results?"),
        ("results=/nowhere/at/all", "/nowhere/at/all is not a folder"),
    ],
)
def test_a_wrong_mount_is_wrong_usage(tmp_path: Path, mount: str, words: str) -> None:
    done = spectrogram("run", write_recording(tmp_path), "--mount", mount)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"spectrogram: --mount {mount}: ")
    assert words in line
    assert done.returncode == 2


def _remove(folder: Path) -> None:
    (folder / "recordings/fm.cf32").unlink()


def _make_empty(folder: Path) -> None:
    (folder / "recordings/fm.cf32").write_bytes(b"")


def _make_short(folder: Path) -> None:
    (folder / "recordings/fm.cf32").write_bytes(bytes(8 * 100))


def _make_unreadable(folder: Path) -> None:
    (folder / "recordings/fm.cf32").chmod(0)


def _make_a_folder(folder: Path) -> None:
    _remove(folder)
    (folder / "recordings/fm.cf32").mkdir()


def _occupy_output(folder: Path) -> None:
    (folder / "results/fm-band").mkdir()
    (folder / "results/fm-band/thesis.tex").write_text("ten years of work")


def _forbid_output(folder: Path) -> None:
    (folder / "results").chmod(0o555)


@pytest.mark.parametrize(
    ("spoil", "code", "reason", "words"),
    [
        (_remove, 66, "InputNotFound", "there is no fm.cf32"),
        (_make_empty, 65, "InputInvalid", "empty"),
        (_make_short, 65, "InputInvalid", "100"),
        (_make_a_folder, 65, "InputInvalid", "fm.cf32"),
        (_make_unreadable, 65, "InputInvalid", "read permission"),
        (_occupy_output, 73, "OutputNotWritable", "fm-band"),
        (_forbid_output, 73, "OutputNotWritable", "cannot write"),
    ],
)
def test_what_only_the_worker_can_know_is_one_line_too(
    tmp_path: Path, spoil: object, code: int, reason: str, words: str
) -> None:
    file = write_recording(tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    done = finish((*OBEYING_PERMISSIONS, *REAL, "run", file))
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"fm-band failed, {reason}: ")
    assert words in line
    assert done.returncode == code
    assert "Attempts    1\n" in done.stdout


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    done = spectrogram("run", write_recording(tmp_path), "--mount", "results=/proc")
    assert done.stderr.splitlines()[-1].startswith("fm-band failed, OutputNotWritable: ")
    assert done.returncode == 73
