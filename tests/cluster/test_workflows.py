"""The workflows of the forge, which run there alone: linted, and held to what a reader does not see at a glance."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.programs import binaries

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def lint(workflow: Path) -> str:
    """What actionlint has to say. It asks no other linter that this machine may have or not."""
    command = [str(binaries.actionlint()), "-shellcheck=", "-pyflakes=", "-no-color", str(workflow)]
    return subprocess.run(command, capture_output=True, text=True).stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_one(workflow: Path) -> None:
    assert lint(workflow) == ""


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    text = WORKFLOWS[0].read_text().replace("matrix.tier }}", "matrix.room }}")
    (tmp_path / "wrong.yml").write_text(text)
    assert 'property "room" is not defined' in lint(tmp_path / "wrong.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_what_others_have_written_is_pinned_to_a_commit(workflow: Path) -> None:
    """A tag can be moved to other code; the comment is for people."""
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_every_tier_that_needs_no_node_is_run() -> None:
    (tiers,) = re.findall(r"tier: \[(.*)\]", WORKFLOWS[0].read_text())
    assert tiers == "lint, unit, api, cluster"
