"""Plants known bugs in copies of both programs, one at a time, and sees whether the tests notice: `make planted`.

make planted                                every bug, two side by side; takes some minutes
make planted ONLY="no-back-off dead-probe"  some of them, by name

A bug is a patch in tests/planted/core or tests/planted/control, of the operator, or in tests/planted/worker. Its first
line says what is wrong and what harm that does, its second which tests should notice:

    # The status is written without its resourceVersion: two operators overwrite each other's decisions.
    # tests: tests/unit/operator/control/cluster/test_requests.py

The programs of the working tree are never touched: each bug has a copy of them, and the tests import that one.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("operator", "worker_image")
"""Folders of the two programs."""
MAY_ESCAPE = 2
SIDE_BY_SIDE = 2
LIMIT_SECONDS = 900
COPY = "SPECTROGRAM_PLANTED_COPY"


class PlantError(Exception):
    """The bug cannot be planted, or the tests cannot judge it."""


@dataclass(frozen=True)
class Bug:
    """A patch of a program: what it harms, and the tests that should notice, as pytest takes them."""

    name: str
    patch: Path
    harm: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The first test that failed, or an empty string; `problem` where there was no answer."""

    caught_by: str
    seconds: float
    problem: str = ""


def read_bug(patch: Path) -> Bug:
    """The bug in this file. Raises PlantError where its first two lines do not say what they must."""
    harm, tests, *_ = [*patch.read_text().splitlines(), "", ""]
    if not harm.startswith("# ") or not tests.startswith("# tests: "):
        raise PlantError(f"{patch}: it must begin with '# what is wrong: what harm it does' and '# tests: paths'")
    return Bug(patch.stem, patch, harm.removeprefix("# "), tuple(tests.removeprefix("# tests: ").split()))


def all_bugs() -> list[Bug]:
    """Every bug of this folder."""
    return [read_bug(patch) for patch in sorted(Path(__file__).parent.glob("*/*.patch"))]


def plant(bug: Bug, folder: Path, *options: str) -> None:
    """Change the programs in `folder`. Raises PlantError where they are not what the patch was made for."""
    # Else git takes the folder for a part of the repository that it may lie in, and skips the patch.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", *options, str(bug.patch)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise PlantError(f"{bug.patch} does not apply to the program as it is now: {done.stderr.strip()}")


def copied_with(bug: Bug | None, folder: Path) -> dict[str, str]:
    """Copies both programs to `folder`, with this bug; the environment in which tests import them."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    if bug is not None:
        plant(bug, folder)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*(str(folder / part) for part in PARTS), str(ROOT / "tests")]),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        COPY: str(folder),
    }


def judge(bug: Bug | None, tests: Sequence[str]) -> Verdict:
    """Run the tests on the programs with this bug, until one fails."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = copied_with(bug, Path(folder))
        options = ("-x", "-q", "-p", "planted.run", "-p", "no:cacheprovider", "--tb=no")
        command = [sys.executable, "-m", "pytest", *options, f"--basetemp={folder}/tests", *tests]
        # A session of its own, so that what the tests started can be ended with them.
        running = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT, text=True, start_new_session=True
        )
        try:
            output, _ = running.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
            return Verdict("", time.monotonic() - started, f"no answer within {LIMIT_SECONDS} s")
    seconds = time.monotonic() - started
    failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", output, re.MULTILINE)
    if running.returncode == pytest.ExitCode.TESTS_FAILED and failed:
        return Verdict(failed[1], seconds)
    return Verdict("", seconds, "" if running.returncode == 0 else output[-2000:])


def check_copy() -> None:
    """In the process that judges: what it tests must be the copy, whatever is installed."""
    import spectrogram_operator
    import spectrogram_worker

    for program in (spectrogram_operator, spectrogram_worker):
        found = Path(str(program.__file__)).resolve()
        if not found.is_relative_to(Path(os.environ[COPY]).resolve()):
            raise pytest.UsageError(f"the tests would import {found}, not the copy with the bug")


def pytest_sessionstart() -> None:
    """See pytest."""
    check_copy()


def judge_all(bugs: Sequence[Bug]) -> Iterator[tuple[Bug, Verdict]]:
    """The bugs and their verdicts. Raises PlantError where one no longer fits, or where the tests fail without any."""
    for bug in bugs:
        plant(bug, ROOT, "--check")
    clean = judge(None, sorted({test for bug in bugs for test in bug.tests}))
    if clean.caught_by or clean.problem:
        raise PlantError(f"the tests fail without any bug: {clean.caught_by or clean.problem}")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from zip(bugs, pool.map(lambda bug: judge(bug, bug.tests), bugs), strict=True)


def main() -> int:
    """The exit code: 0 if the tests notice all bugs but two at most; of those that were asked for by name, all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[bug.name for bug in all_bugs()])
    only = parser.parse_args().only
    bugs = [bug for bug in all_bugs() if only is None or bug.name in only]
    escaped = 0
    print(f"{'bug':34} seconds  caught by", flush=True)
    try:
        for bug, verdict in judge_all(bugs):
            escaped += not verdict.caught_by
            answer = verdict.caught_by or f"NOT CAUGHT: {bug.harm} {verdict.problem}".rstrip()
            print(f"{bug.name:34} {verdict.seconds:7.0f}  {answer}", flush=True)
    except PlantError as error:
        print(error)
        return 1
    print(f"{len(bugs) - escaped} of {len(bugs)} bugs were caught")
    return 1 if escaped > (0 if only else MAY_ESCAPE) else 0


if __name__ == "__main__":
    sys.exit(main())
