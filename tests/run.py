"""Runs the tests tier by tier, says what each counted and took, and loudly what was left out: `make test`.

python tests/run.py                 every tier that this machine can run
python tests/run.py --tier unit     one of them: lint, unit, api, cluster, node
python tests/run.py --demand-all    a tier that cannot run is a failure (CI)
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
LINT = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


@dataclass(frozen=True)
class Tier:
    """One tier of /docs/testing.md: its tests, what they need, how they are entered, and what must be made before."""

    name: str
    proves: str
    missing: Callable[[], str]
    entering: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came of a tier: counts of tests, or why it was left out."""

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    left_out: str = ""
    failures: tuple[str, ...] = ()


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
    Tier("unit", "every rule, every fault fixture, the signal processing", _nothing),
    Tier("api", "the operator's loop under faults that a real API server cannot be made to show", _nothing),
    Tier("cluster", "the operator on a real API server, scheduler and controller-manager", _no_control_plane),
    Tier(
        "node",
        "real pods of the real images on a real kubelet",
        _no_node,
        entering=(PYTHON, "-m", "harness.network", "run", "--"),
        # Building needs the internet, which is out of reach in there.
        before=(PYTHON, "-m", "harness.installation", "for-tests"),
    ),
)


def main() -> int:
    """The exit code: 0 if nothing failed and nothing demanded was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", choices=["lint", *(tier.name for tier in TIERS)])
    parser.add_argument("--demand-all", action="store_true", help="a tier that cannot run is a failure")
    arguments = parser.parse_args()
    results = []
    if arguments.tier in (None, "lint"):
        results.append(_lint())
    for tier in TIERS:
        if arguments.tier in (None, tier.name):
            why = tier.missing()
            results.append(Result(tier.name, left_out=why) if why else _run(tier))
    return _conclude(results, demand_all=arguments.demand_all or arguments.tier is not None)


def _lint() -> Result:
    _headline("lint", "ruff, mypy --strict, import-linter")
    started = time.monotonic()
    codes = [
        subprocess.run([str(Path(PYTHON).parent / command[0]), *command[1:]], cwd=ROOT).returncode for command in LINT
    ]
    failed = sum(code != 0 for code in codes)
    return Result("lint", len(codes) - failed, failed, seconds=time.monotonic() - started)


def _run(tier: Tier) -> Result:
    _headline(tier.name, tier.proves)
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    if tier.before and subprocess.run(tier.before, cwd=ROOT, env=environment).returncode != 0:
        return Result(tier.name, failed=1, seconds=time.monotonic() - started)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *tier.entering,
            PYTHON,
            "-m",
            "pytest",
            f"tests/{tier.name}",
            f"--junitxml={report}",
            "--durations=5",
        ]
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        seconds = time.monotonic() - started
        if not report.exists():
            return Result(tier.name, failed=1, seconds=seconds)
        suite = ElementTree.parse(report).getroot().find("testsuite")
        assert suite is not None
        counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        failures = tuple(_failures(suite))
    failed = counts["failures"] + counts["errors"]
    if code != 0 and failed == 0:
        failed = 1
    passed = max(0, counts["tests"] - failed - counts["skipped"])
    return Result(tier.name, passed, failed, counts["skipped"], seconds, failures=failures)


def _failures(suite: ElementTree.Element) -> Iterator[str]:
    """A line for each failed test: its name and the beginning of what pytest says of it."""
    for case in suite.iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            message = " ".join((problem.get("message") or "").split())
            yield f"{case.get('classname')}::{case.get('name')}: {message[:600]}"


def _conclude(results: list[Result], *, demand_all: bool) -> int:
    left_out = [result for result in results if result.left_out]
    print("\n" + "=" * 72)
    for result in results:
        outcome = (
            f"LEFT OUT: {result.left_out}"
            if result.left_out
            else f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped in {result.seconds:.0f} s"
        )
        print(f"{result.tier:10} {outcome}")
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
