"""Runs the tests tier by tier, says what each counted and took, and loudly what was left out: `make test`.

python tests/run.py                 every tier that this machine can run
python tests/run.py --tier unit     one of them: lint, unit, api, cluster, node
python tests/run.py --demand-all    a tier that cannot run is a failure, and so is a test that is skipped (CI)

What a tier needs besides (Kubernetes, images) is made while the tiers before it run.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
LINT = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)
# What is made while other tiers run. Building needs the internet, which is out of reach where the node's tests run.
PREPARATIONS = {
    "Kubernetes": (PYTHON, "-m", "harness.programs.binaries"),
    "images": (PYTHON, "-m", "harness.installation", "for-tests"),
}
# Tests that no machine can be made to run begin their reason so; any other skip is a failure where all is demanded.
OF_THE_MACHINE = ("this disk", "this processor")
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Tier:
    """One tier of /docs/development.md: its tests, what they need, and how they are run."""

    name: str
    proves: str
    missing: Callable[[], str]
    per_core: int = 0
    """Tests that run at once, for each core; 0: one after the other in one process."""
    entering: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Times(NamedTuple):
    """Seconds on the wall, and of processors."""

    wall: float = 0.0
    processors: float = 0.0


NO_TIME = Times()


@dataclass(frozen=True)
class Result:
    """What came of a tier: counts of tests, or why it was left out."""

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    took: Times = NO_TIME
    left_out: str = ""
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.left_out:
            return f"LEFT OUT: {self.left_out}"
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{counts} in {self.took.wall:.0f} s ({self.took.processors:.0f} s of processors)"


class Stopwatch:
    """From its making: the time on the wall, and that of processors in all children that have ended."""

    def __init__(self) -> None:
        self._began = self._now()

    def took(self) -> Times:
        now = self._now()
        return Times(now.wall - self._began.wall, now.processors - self._began.processors)

    @staticmethod
    def _now() -> Times:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Times(time.monotonic(), children.ru_utime + children.ru_stime)


class Preparation:
    """Makes what tiers need, in the background and with the lowest claim to the processors. Its output is in `log`."""

    def __init__(self, name: str, command: tuple[str, ...], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            # A group of its own, so that all of it can be ended; Ctrl-C reaches only this process, which then does so.
            # No session of its own: Linux shares out processors between sessions first, whatever their niceness.
            self._process = subprocess.Popen(
                ["nice", *command],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def problem(self) -> str:
        """Waits for its end. The end of what it wrote, if it failed; else nothing."""
        if self._process.poll() is None:
            print(f"Waiting for {self.name}", flush=True)
        if self._process.wait() == 0:
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-25:]) or "no output"

    def end(self) -> None:
        """Whether it is done or not."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()


def _nothing() -> str:
    return ""


def _no_control_plane() -> str:
    return "" if shutil.which("go") else "Go is not installed: the control plane is built from Go modules"


def _no_node() -> str:
    if _no_control_plane():
        return _no_control_plane()
    if os.geteuid() != 0:
        return "not root: a node needs network namespaces and cgroups"
    return "" if shutil.which("apt-get") else "not a Debian system: containerd and its kin come from apt-get"


TIERS = (
    Tier("unit", "every rule, every fault fixture, the signal processing", _nothing, per_core=1),
    Tier("api", "the operator's loop under faults that a real API server cannot be made to show", _nothing, per_core=2),
    Tier(
        "cluster",
        "the operator on a real API server, scheduler and controller-manager",
        _no_control_plane,
        per_core=2,
        needs=("Kubernetes",),
    ),
    Tier(
        "node",
        "real pods of the real images on a real kubelet",
        _no_node,
        entering=(PYTHON, "-m", "harness.nodes.network", "run", "--"),
        needs=("Kubernetes", "images"),
    ),
)


def main() -> int:
    """The exit code: 0 if nothing failed and nothing demanded was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", choices=["lint", *(tier.name for tier in TIERS)])
    parser.add_argument("--demand-all", action="store_true", help="what cannot run, or is skipped, is a failure")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = [tier for tier in TIERS if arguments.tier in (None, tier.name)]
    left_out = {tier.name: why for tier in wanted if (why := tier.missing())}
    results = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        preparations = {}
        for name in dict.fromkeys(name for tier in wanted if tier.name not in left_out for name in tier.needs):
            preparations[name] = Preparation(name, PREPARATIONS[name], folder / f"{name}.log")
            stack.callback(preparations[name].end)
        if arguments.tier in (None, "lint"):
            results.append(_lint())
        for tier in wanted:
            if tier.name in left_out:
                results.append(Result(tier.name, left_out=left_out[tier.name]))
            else:
                results.append(_run(tier, preparations, arguments.demand_all))
    return _conclude(results, demand_all=arguments.demand_all or arguments.tier is not None)


def _lint() -> Result:
    _headline("lint", "ruff, mypy --strict, import-linter")
    watch = Stopwatch()
    codes = [
        subprocess.run([str(Path(PYTHON).parent / command[0]), *command[1:]], cwd=ROOT).returncode for command in LINT
    ]
    failed = sum(code != 0 for code in codes)
    return Result("lint", len(codes) - failed, failed, took=watch.took())


def _run(tier: Tier, preparations: Mapping[str, Preparation], demand_all: bool) -> Result:
    _headline(tier.name, tier.proves)
    watch = Stopwatch()
    for name in tier.needs:
        if problem := preparations[name].problem():
            failure = f"{tier.name}: {name} could not be prepared"
            print(f"{failure}:\n{problem}", flush=True)
            return Result(tier.name, failed=1, failures=(failure,), took=watch.took())
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *tier.entering,
            *(PYTHON, "-m", "pytest", f"tests/{tier.name}", f"--junitxml={report}", "--durations=5"),
            *_side_by_side(tier.per_core),
        ]
        code = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT).returncode
        if not report.exists():
            return Result(tier.name, failed=1, took=watch.took())
        suite = ElementTree.parse(report).getroot().find("testsuite")
        assert suite is not None
        counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        failures = tuple(_failures(suite))
        skips = tuple(_avoidable_skips(suite)) if demand_all else ()
    failed = counts["failures"] + counts["errors"]
    if code != 0 and failed == 0:
        failed = 1
    passed = max(0, counts["tests"] - failed - counts["skipped"])
    skipped = counts["skipped"] - len(skips)
    return Result(tier.name, passed, failed + len(skips), skipped, failures=failures + skips, took=watch.took())


def _side_by_side(per_core: int) -> list[str]:
    """Options of pytest-xdist. A test that must not run beside some others says so (`xdist_group`)."""
    if not per_core:
        return []
    return [f"--numprocesses={min(per_core * (os.cpu_count() or 1), MOST_AT_ONCE)}", "--dist=loadgroup"]


def _failures(suite: ElementTree.Element) -> Iterator[str]:
    """A line for each failed test: its name and the beginning of what pytest says of it."""
    for case in suite.iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            yield f"{_name(case)}: {_message(problem)}"


def _avoidable_skips(suite: ElementTree.Element) -> Iterator[str]:
    """A line for each test that was skipped although a machine can be made to run it."""
    for case in suite.iter("testcase"):
        for skip in case.findall("skipped"):
            # An expected failure is reported as a skip of another type.
            if skip.get("type") == "pytest.skip" and not _message(skip).startswith(OF_THE_MACHINE):
                yield f"{_name(case)}: skipped, and all tests are demanded: {_message(skip)}"


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _message(problem: ElementTree.Element) -> str:
    return " ".join((problem.get("message") or "").split())[:600]


def _conclude(results: list[Result], *, demand_all: bool) -> int:
    left_out = [result for result in results if result.left_out]
    print("\n" + "=" * 72)
    for result in results:
        print(f"{result.tier:10} {result}")
    if left_out:
        print(f"\n!!! {len(left_out)} tier(s) were LEFT OUT: {', '.join(result.tier for result in left_out)} !!!")
    print("=" * 72)
    # Last, for the one who sees only the end of a long log.
    for result in results:
        for failure in result.failures:
            print(f"FAILED {failure}")
    failed = sum(result.failed for result in results)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed or (left_out and demand_all) else 0


def _headline(name: str, what: str) -> None:
    print(f"\n=== {name}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
