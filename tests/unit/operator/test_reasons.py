"""The table of reasons is the planner's, and docs/troubleshooting.md says the same."""

import ast
from pathlib import Path

import pytest

import spectrogram_operator.core
from harness.pages.reference import TROUBLESHOOTING, with_reasons
from spectrogram_operator.api.reasons import REASONS, Reason, reasons_of
from spectrogram_operator.api.status import RetryClass
from spectrogram_operator.core.judging.outcome import DISRUPTIONS, NODE_REASONS
from spectrogram_operator.telemetry.metrics import FAILURE_REASONS, OTHER, RETRY_REASONS, ZOMBIE_REASONS
from spectrogram_worker.contract import ExitCode

CORE = Path(spectrogram_operator.core.__path__[0])


def _words(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _named() -> set[str]:
    """Every reason that core names: where it makes an outcome, in its tables, and as the worker's exit."""
    found = {code.reason for code in ExitCode}
    for file in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "outcome":
                found |= _words(node.args[0])
    return found | {name for name, _ in (*DISRUPTIONS.values(), *NODE_REASONS.values())}


def test_every_reason_that_an_outcome_is_made_of_is_in_the_table() -> None:
    assert {"OOMKilled", "PodMissing", "Stale"} <= _named(), "the search finds nothing any more"
    assert _named() <= set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_table_can_be_produced(reason: str) -> None:
    words = set().union(*(_words(ast.parse(file.read_text())) for file in CORE.rglob("*.py")))
    assert reason in words | {code.reason for code in ExitCode}


def test_metrics_know_the_reasons_of_the_table() -> None:
    assert {*ZOMBIE_REASONS} <= {*RETRY_REASONS} <= {*FAILURE_REASONS}
    unfailed = {*reasons_of(RetryClass.SUCCESS, RetryClass.HOLD)}
    assert {*FAILURE_REASONS} == set(REASONS) - unfailed | {OTHER}


def test_the_documentation_has_the_table() -> None:
    text = TROUBLESHOOTING.read_text()
    assert text == with_reasons(text), "make reference"


@pytest.mark.parametrize("reason", [reason for reason in REASONS.values() if reason.name != "Completed"])
def test_every_reason_says_what_to_do_in_one_place(reason: Reason) -> None:
    assert bool(reason.advice) != bool(reason.remedy)
