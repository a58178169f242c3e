"""`spectrogram run` with fake workers: what the screen shows, the exit code, and that nothing is left running."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.waiting import wait_until
from unit.operator.cli.command_line import ENVIRONMENT, fake_run, finish, spectrogram, write_job
from unit.operator.local.machine import alive
from unit.operator.local.test_local_cluster import needs_control_groups


def test_success(tmp_path: Path) -> None:
    done = finish(fake_run(write_job(tmp_path, "success")))
    assert done.returncode == 0
    rows = {line[:12].strip(): line[12:].strip() for line in done.stdout.splitlines()}
    assert (rows["Phase"], rows["Reason"], rows["Attempts"]) == ("Succeeded", "Completed", "1")
    assert rows["Peak memory"] == "2Mi of 1Gi"
    assert rows["Outputs"] == f"{tmp_path}/results/fm-band/manifest.json       2 B  application/json"
    assert done.stderr.splitlines()[0] == "fm-band: starting"
    assert "fm-band: warning: hopSize skips samples" in done.stderr.splitlines()


def test_retries_are_told(tmp_path: Path) -> None:
    done = finish(fake_run(write_job(tmp_path, "third-time")))
    assert done.returncode == 0
    assert "Attempts    3 (TransientError, TransientError, Completed)" in done.stdout
    told = [line for line in done.stderr.splitlines() if "the share is away; the next one starts in" in line]
    assert [line.split(",")[0] for line in told] == ["fm-band: attempt 1 ended", "fm-band: attempt 2 ended"]


@pytest.mark.parametrize(
    ("fate", "spec", "code", "line"),
    [
        ("transient", {}, 75, "fm-band failed after 3 attempts, TransientError: the share is away: try again later"),
        (
            "soft",
            {},
            84,
            "fm-band failed, SoftTimeLimitExceeded: exceeded soft time limit; 5 of 10 columns are kept:"
            " raise spec.timeLimits.softSeconds, or process less of the recording with spec.input.range",
        ),
        (
            "hang",
            {"timeLimits": {"softSeconds": 1, "hardSeconds": 2}},
            1,
            "fm-band failed, DeadlineExceeded: ",
        ),
        (
            "crash",
            {"retry": {"limit": 0}},
            1,
            "fm-band failed, WorkerError: the worker exited 1: RuntimeError: no such luck:"
            " --verbose shows the end of the worker's log",
        ),
    ],
)
def test_failures_are_one_line_and_a_code(
    tmp_path: Path, fate: str, spec: dict[str, object], code: int, line: str
) -> None:
    done = finish(fake_run(write_job(tmp_path, fate, **spec)))
    assert done.stderr.splitlines()[-1].startswith(line)
    assert done.returncode == code


@needs_control_groups
def test_an_oom_kill(tmp_path: Path) -> None:
    done = finish(fake_run(write_job(tmp_path, "memory", resources={"memory": "64Mi"})))
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("fm-band failed, OOMKilled: ")
    assert line.endswith(": give it more memory than 64Mi in spec.resources.memory")


def test_what_a_soft_limit_keeps_is_listed(tmp_path: Path) -> None:
    done = finish(fake_run(write_job(tmp_path, "soft")))
    assert f"Outputs     {tmp_path}/results/fm-band.partial/manifest.json" in done.stdout


def test_verbose_shows_the_end_of_the_log_of_a_failed_worker(tmp_path: Path) -> None:
    file = write_job(tmp_path, "noise", retry={"limit": 0})
    assert "last line" not in "\n".join(finish(fake_run(file)).stderr.splitlines()[:-1])
    done = finish(fake_run(file, verbose=True))
    assert "last line" in [line.strip() for line in done.stderr.splitlines()]
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_worker_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with _started(tmp_path, "hang") as command:
        worker = _worker(tmp_path)
        os.killpg(command.pid, number)  # as a terminal sends it: to all of the foreground's processes
        output, errors = command.communicate(timeout=60)
    assert command.returncode == 85
    assert not alive(worker)
    assert errors.splitlines()[-1] == "fm-band was interrupted: what was complete is kept"
    assert "results/fm-band.partial/manifest.json" in output
    assert "Traceback" not in errors


def test_a_second_interrupt_ends_a_worker_that_does_not_react(tmp_path: Path) -> None:
    with _started(tmp_path, "stubborn", SPECTROGRAM_TERMINATION_GRACE="3600") as command:
        worker = _worker(tmp_path)
        command.send_signal(signal.SIGINT)
        assert command.stderr is not None
        for line in command.stderr:
            if "Ctrl-C again" in line:
                break
        assert alive(worker)
        command.send_signal(signal.SIGINT)
        errors = command.communicate(timeout=60)[1]
    assert command.returncode == 85
    assert not alive(worker)
    assert errors.splitlines()[-1] == "fm-band was interrupted: nothing is kept"


def test_no_worker_survives_a_command_that_is_killed(tmp_path: Path) -> None:
    with _started(tmp_path, "stubborn") as command:
        worker = _worker(tmp_path)
        command.kill()
        wait_until(lambda: not alive(worker), what="the end of the worker")


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    file = write_job(tmp_path, "success")
    done = finish(fake_run(file), CELERY_WORKER_MAX_MEMORY_PER_CHILD=str(300 * 2**20))
    assert "Peak memory 2Mi of 300Mi" in done.stdout
    done = spectrogram("run", file, SPECTROGRAM_BACKOFF="soon")
    assert (done.returncode, done.stdout) == (78, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("spectrogram: SPECTROGRAM_BACKOFF=soon: write a number")


def test_a_machine_is_one_pool_without_a_maximum(tmp_path: Path) -> None:
    done = finish(fake_run(write_job(tmp_path, "success", resources={"memory": "64Gi"})))
    assert done.returncode == 0
    assert "Peak memory 2Mi of 64Gi" in done.stdout


def _started(folder: Path, fate: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        fake_run(write_job(folder, fate)),
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _worker(folder: Path) -> int:
    """The process id of the worker, once it stands."""
    ready = folder / "results/ready"
    return int(wait_until(lambda: ready.read_text() if ready.exists() else None, what="the worker"))
