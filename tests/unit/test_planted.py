"""The bugs that `make planted` plants: each still fits its program, and says what it harms and who should notice."""

from pathlib import Path

import pytest

from planted.by_model import BEGIN, END, PAGE, marked, row
from planted.run import ROOT, PlantError, all_bugs, plant, read_bug

BUGS = all_bugs()
HEAD = "# The limit is two: one pod too many.\n# tests: tests/unit/operator/core/planning/test_queueing.py\n"


def bug(folder: Path, content: str) -> Path:
    """A patch with this content."""
    patch = folder / "a-bug.patch"
    patch.write_text(content)
    return patch


def test_each_bug_fits_its_program_as_it_is_now() -> None:
    for planted in BUGS:
        plant(planted, ROOT, "--check")


def test_each_bug_has_a_name_of_its_own_and_tests_that_exist() -> None:
    assert len({planted.name for planted in BUGS}) == len(BUGS)
    named = {test for planted in BUGS for test in planted.tests}
    assert [test for test in sorted(named) if not (ROOT / test).exists()] == []


@pytest.mark.parametrize(("package", "least"), [("core", 22), ("control", 30), ("worker", 30)])
def test_there_are_enough_of_them(package: str, least: int) -> None:
    assert sum(planted.patch.parent.name == package for planted in BUGS) >= least


def test_a_bug_that_no_longer_fits_is_named(tmp_path: Path) -> None:
    name = "operator/spectrogram_operator/core/planning/plan.py"
    patch = bug(tmp_path, f"{HEAD}--- a/{name}\n+++ b/{name}\n@@ -1,2 +1,2 @@\n-no such line\n+another\n here\n")
    with pytest.raises(PlantError, match=r"a-bug\.patch does not apply .* patch failed"):
        plant(read_bug(patch), ROOT, "--check")


@pytest.mark.parametrize("content", ["", "--- a/x\n", "# Only what it harms.\n--- a/x\n"])
def test_a_bug_says_what_it_harms_and_which_tests_should_notice(tmp_path: Path, content: str) -> None:
    with pytest.raises(PlantError, match=r"a-bug\.patch: it must begin with"):
        read_bug(bug(tmp_path, content))


def test_the_page_of_the_model_checker_has_each_bug_that_it_is_asked_for() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    assert [line.split(" | ")[0] for line in table] == [row(planted, 1).split(" | ")[0] for planted in marked()]
