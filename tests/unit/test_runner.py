"""tests/run.py: what is made beside the tests, and which skips are failures."""

import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import run
from harness.waiting import wait_until


def preparation(tmp_path: Path, script: str) -> run.Preparation:
    return run.Preparation("images", ("sh", "-c", script), tmp_path / "log")


def test_a_preparation_that_fails_fails_its_tier_with_its_last_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tier = run.Tier("node", "", lambda: "", needs=("images",))
    result = run._run(tier, {"images": preparation(tmp_path, "echo no such mirror; exit 3")}, demand_all=False)
    assert (result.failed, result.failures) == (1, ("node: images could not be prepared",))
    assert "no such mirror" in capsys.readouterr().out


def test_a_preparation_that_is_done_is_no_problem(tmp_path: Path) -> None:
    assert preparation(tmp_path, "echo done").problem() == ""


def test_with_the_runner_a_preparation_ends_whole(tmp_path: Path) -> None:
    """Also what it started: a compiler must not go on for minutes after Ctrl-C."""
    whole = preparation(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    child = tmp_path / "child"
    wait_until(lambda: child.exists() and child.read_text(), what="its child")
    whole.end()
    wait_until(lambda: state(child.read_text()) in ("", "Z"), what="its end")


def state(process: str) -> str:
    """Z: it has ended, and nobody has asked for its exit code yet."""
    return subprocess.run(["ps", "-o", "state=", "-p", process.strip()], capture_output=True, text=True).stdout.strip()


SKIPS = """
<testsuite>
  <testcase classname="metrics" name="linted"><skipped type="pytest.skip" message="no promtool"/></testcase>
  <testcase classname="control" name="known"><skipped type="pytest.xfail" message="a known defect"/></testcase>
  <testcase classname="outputs" name="full"><skipped type="pytest.skip" message="this disk has room"/></testcase>
</testsuite>
"""


def test_a_skip_that_a_machine_can_be_made_to_avoid_is_told() -> None:
    told = list(run._avoidable_skips(ElementTree.fromstring(SKIPS)))
    assert told == ["metrics::linted: skipped, and all tests are demanded: no promtool"]
