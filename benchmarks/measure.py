"""One run of a program in a process of its own: wall and CPU time, imports apart, and the peak of resident memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Seconds of the work, of its CPU time, of the imports before it; peak resident set in MB.

    For a program that does not say when its imports are done, they are part of the work.
    """

    seconds: float
    cpu: float
    imports: float
    peak: float


class Failed(Exception):  # noqa: N818 - the program failed, not the benchmark
    """The program ended with an error; says which."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end. Its last line of output may be JSON with `seconds`, `cpu` and `imports`.

    The peak is what the kernel says of the process (VmHWM). It counts this process too, before the command starts, so
    that this one must stay small: no NumPy here.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise Failed(f"ended with {process.returncode}: {lines[-1][:200]}")
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines() or [""]
    said = _times(lines[-1])
    return Run(
        seconds=said.get("seconds", seconds),
        cpu=said.get("cpu", usage.ru_utime + usage.ru_stime),
        imports=said.get("imports", 0.0),
        peak=usage.ru_maxrss * 1024 / 1e6,
    )


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project."""
    return [sys.executable, "-m", module, *arguments]


def project() -> Path:
    """The project's folder."""
    return Path(__file__).parents[1]


def _times(line: str) -> dict[str, float]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and "seconds" in said else {}
