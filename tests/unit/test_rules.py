"""docs/rules.md and docs/faults.md: what sources name of them exists; the faults are those of the table of reasons."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.pages import faults
from spectrogram_operator.api.reasons import REASONS
from unit.operator.core.judging.test_outcome import ENDED, NOT_OVER

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs/rules.md"
FAULTS = ROOT / "docs/faults.md"
FOLDERS = ("operator", "worker_image", "tests", "benchmarks", "helm", "docs", "examples")
SUFFIXES = {".py", ".md", ".c", ".h", ".patch", ".yaml", ".tpl", ".toml"}
SOURCES = {
    file: file.read_text()
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in SUFFIXES and file != Path(__file__)
}
CITATION = re.compile(r"\b([Rr]ule|[Ff]ault)s?\s+(\d+(?:(?:, | and | to )\d+)*)")
"""As in rule 7, rules 20 to 25, faults 36, 37 and 42 to 45."""
OTHER_FORMS = re.compile(r"\brulings?\b|§|\bI\d{1,2}\b|\bRows? \d|faults\.md,? (?:rows? )?\d")
PAGE = re.compile(r"(?<![\w./:-])[\w./-]*\w\.md\b")


def named_in(text: str) -> set[tuple[str, int]]:
    """Every rule and every fault that the text names, as in ("fault", 13); a range names its ends and all between."""
    found = set()
    for kind, numbers in CITATION.findall(text):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", numbers):
            found |= {(kind.lower(), number) for number in range(int(first), int(last or first) + 1)}
    return found


def what_is_done() -> Iterator[tuple[int, str]]:
    """Each fault of the page, and what the operator does about it."""
    for line in FAULTS.read_text().splitlines():
        if re.match(r"\| \d+ \|", line):
            number, _, _, done = line.strip("| ").split(" | ")
            yield int(number), done


DONE = list(what_is_done())
RULE_NUMBERS = [int(number) for number in re.findall(r"^### Rule (\d+)\.", RULES.read_text(), re.MULTILINE)]
FAULT_NUMBERS = [number for number, _ in DONE]


def test_what_is_named_is_found_in_every_form() -> None:
    text = "(rule 7) Faults 36, 37 and 42 to 44; two\n    rules\n    3 and 5. The fault is ours; 3 rules. 4 are more"
    found = {("fault", number) for number in (36, 37, 42, 43, 44)}
    assert named_in(text) == found | {("rule", 7), ("rule", 3), ("rule", 5)}


def test_rules_and_faults_have_their_numbers() -> None:
    assert sorted({*RULE_NUMBERS}) == RULE_NUMBERS, "in order, none twice"
    assert [*range(1, 48)] == FAULT_NUMBERS


def test_every_rule_and_fault_that_a_source_names_exists() -> None:
    exist = {("rule", number) for number in RULE_NUMBERS} | {("fault", number) for number in FAULT_NUMBERS}
    named = {file: named_in(text) for file, text in SOURCES.items()}
    assert sum(map(bool, named.values())) > 20, "the search finds nothing any more"
    assert {str(file.relative_to(ROOT)): lost for file in SOURCES if (lost := named[file] - exist)} == {}


def test_rules_and_faults_are_named_in_one_form() -> None:
    found = {str(file.relative_to(ROOT)): OTHER_FORMS.findall(text) for file, text in SOURCES.items()}
    assert {name: forms for name, forms in found.items() if forms} == {}


def test_every_page_that_a_source_names_is_in_this_repository() -> None:
    missing = {
        f"{file.relative_to(ROOT)}: {page}"
        for file, text in SOURCES.items()
        for line in text.splitlines()
        if ".md" in line
        for page in PAGE.findall(line)
        if not any((folder / page.lstrip("/")).exists() for folder in (ROOT, ROOT / "docs", file.parent))
    }
    assert missing == set()


@pytest.mark.parametrize(("number", "done"), DONE, ids=map(str, FAULT_NUMBERS))
def test_the_reasons_of_a_fault_are_those_of_the_table(number: int, done: str) -> None:
    expected = {reason.name for reason in REASONS.values() if number in reason.rows}
    assert {word for word in re.findall(r"\w+", done) if word in REASONS} == expected
    for name in expected:
        assert re.search(REASONS[name].retry_class, done, re.IGNORECASE), f"{name}: its class is not said"


def test_every_fault_has_its_tests() -> None:
    """A unit test each, and one against an API server."""
    shown = {fault: faults.tests(fault) for fault in FAULT_NUMBERS}
    assert [*faults.TESTS] == FAULT_NUMBERS
    assert {row[0] for row in (*ENDED, *NOT_OVER)} <= {"-", *map(str, FAULT_NUMBERS)}
    assert [fault for fault in FAULT_NUMBERS if not shown[fault].unit] == []
    assert [fault for fault in FAULT_NUMBERS if not shown[fault].api] == []


@pytest.mark.parametrize("column", range(3), ids=faults.TIERS)
def test_the_tests_of_faults_exist_where_the_page_says(column: int) -> None:
    folders = [ROOT / "tests" / name for name in [*faults.TIERS.values()][column]]
    tests = "".join(text for file, text in SOURCES.items() if any(folder in file.parents for folder in folders))
    named = {name for fault in FAULT_NUMBERS for name in faults.tests(fault)[column]}
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_the_tests_of_adversaries_exist() -> None:
    table = (
        (ROOT / "docs" / "operating" / "security.md").read_text().partition("## Adversaries")[2].partition("\n## ")[0]
    )
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert rows
    tests = "".join(text for file, text in SOURCES.items() if ROOT / "tests" in file.parents)
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert [name for name in named if f"def {name}(" not in tests] == []


def test_the_page_of_faults_and_their_tests_is_as_it_is_made() -> None:
    assert (ROOT / "docs" / "fault-tests.md").read_text() == faults.page(), "run make faults"
