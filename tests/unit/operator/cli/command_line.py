"""Running the command as people do: in a process of its own, with the real worker or with a fake one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pods.jobs import job_body
from unit.operator.local.machine import FAKE_WORKER

REAL = (sys.executable, "-m", "spectrogram_operator.cli.main")
_RUN_FAKE = (
    "import sys, pathlib; from spectrogram_operator.cli.without_cluster.run import run_job_file;"
    "file, settings, verbose, *command = sys.argv[1:];"
    "settings = pathlib.Path(settings) if settings else None;"
    "sys.exit(run_job_file("
    "pathlib.Path(file), (), settings_file=settings, verbose=bool(verbose), command=command))"
)
ENVIRONMENT = {**os.environ, "SPECTROGRAM_BACKOFF": "0.05", "COLUMNS": "80"}


# Root may read and write everything, unless it gives that up.
_WITHOUT_PRIVILEGE = "--bounding-set=-dac_override,-dac_read_search"
OBEYING_PERMISSIONS = ("setpriv", "--inh-caps=-all", _WITHOUT_PRIVILEGE) if os.geteuid() == 0 else ()


def fake_run(file: Path, *, settings: Path | None = None, verbose: bool = False) -> list[str]:
    """The command line of `spectrogram run FILE` with fake workers."""
    options = [str(settings) if settings else "", "yes" if verbose else ""]
    return [sys.executable, "-c", _RUN_FAKE, str(file), *options, *FAKE_WORKER]


def finish(command: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. No command ever shows a traceback."""
    done = subprocess.run(
        command, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def spectrogram(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `spectrogram` with these arguments."""
    return finish((*REAL, *arguments), **environment)


def write_job(folder: Path, path: str, **spec: Any) -> Path:
    """A job file for the recording at `path`, with folders for its claims beside it."""
    for claim in ("recordings", "results"):
        (folder / claim).mkdir(exist_ok=True)
    document = job_body(**{"input": {"claimName": "recordings", "path": path}} | spec)
    (folder / "job.yaml").write_text(yaml.safe_dump(document))
    return folder / "job.yaml"
