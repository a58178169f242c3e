"""docs/rules.md and docs/faults.md: what sources name of them exists; the faults are those of the table of reasons."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spectrogram_operator.api.reasons import REASONS
from unit.operator.core.test_outcome import ENDED, NOT_OVER

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

SHOWN_BY = {
    5: "test_a_deadline_that_no_kubelet_enforces_is_enforced_by_the_operator",
    13: "test_a_pod_is_missing_after_two_look_ups_ten_seconds_apart",
    14: "test_a_crash_between_reserving_and_creating_creates_the_same_pod_again",
    15: "test_what_ended_while_the_operator_was_down_is_judged_when_it_is_back",
    18: "test_a_pod_that_does_not_end_needs_a_human_and_is_not_replaced",
    30: "test_killed_after_any_of_its_calls_the_operator_goes_on_where_it_was",
    31: "test_a_pod_that_the_watch_does_not_show_yet_is_looked_for_before_it_is_created_again",
    32: "test_two_operators_at_once_do_no_harm",
    33: "test_a_job_deleted_while_it_runs_takes_its_pod_along_and_frees_its_slot",
    34: "test_a_job_of_the_same_name_is_another_job",
    35: "test_what_decides_the_result_cannot_be_changed_added_or_removed",
    36: "test_after_a_conflict_the_job_is_read_and_planned_anew",
    37: "test_a_pod_creation_whose_answer_is_lost_is_adopted",
    38: "test_410_in_a_watch_lists_again_and_goes_on",
    39: "test_a_deaf_watch_is_made_up_for_by_the_sweep",
    40: "test_a_node_whose_clock_is_ahead_does_not_delay_the_retry",
    41: "test_many_jobs_submitted_at_once_all_end_and_never_more_than_the_limit_run",
    42: "test_a_job_waits_for_quota_at_no_cost",
    43: "test_fault_43_what_a_policy_forbids_ends_the_job_at_the_first_answer",
    44: "test_fault_44_a_namespace_that_is_being_deleted_holds_its_jobs_until_they_are_gone",
}
"""A test of each fault that no pod in tests/pods/ shows."""


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
    faults = {("fault", number) for number in (36, 37, 42, 43, 44)}
    assert named_in(text) == faults | {("rule", 7), ("rule", 3), ("rule", 5)}


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


def test_every_fault_is_shown_by_a_pod_or_by_a_test() -> None:
    shown = {int(str(row[0])) for row in (*ENDED, *NOT_OVER) if row[0] != "-"}
    assert shown <= set(FAULT_NUMBERS)
    assert {*FAULT_NUMBERS} - shown == {*SHOWN_BY}, "a fixture, or a test that is named here, and not both"


def test_the_tests_of_faults_exist() -> None:
    tests = "".join(text for file, text in SOURCES.items() if file.name.startswith("test_"))
    assert [name for name in SHOWN_BY.values() if f"def {name}(" not in tests] == []
