"""A job anew: its name, and where its results go."""

from typing import Any

import pytest

from pods.jobs import job_body, stored
from spectrogram_operator.cli.cluster.access import Target
from spectrogram_operator.cli.commands.changes import another, retry
from spectrogram_operator.cli.errors import CommandError


@pytest.mark.parametrize(
    ("name", "taken", "anew"),
    [
        ("fm", [], "fm-r1"),
        ("fm", ["fm-r1", "fm-r2"], "fm-r3"),
        ("fm-r2", ["fm", "fm-r1"], "fm-r3"),
        ("fm", ["fm-r9", "fm-r10"], "fm-r11"),
        ("fm", ["fm-rx", "fm-r", "fm-r1x", "fmx-r7", "fm-r0"], "fm-r1"),
        ("fm-r1-b", [], "fm-r1-b-r1"),
    ],
)
def test_the_name_is_the_next_that_is_free(name: str, taken: list[str], anew: str) -> None:
    assert another(stored(job_body(name)), [name, *taken])["metadata"] == {"name": anew}


@pytest.mark.parametrize(
    ("name", "path", "anew"),
    [
        ("fm", "2026/fm", "2026/fm-r1"),
        ("fm", "2026/fm/", "2026/fm-r1"),
        ("fm-r1", "2026/fm-r1", "2026/fm-r2"),
        ("fm-r1", "2026/other", "2026/other-r2"),
    ],
)
def test_results_go_beside_those_of_the_old_job(name: str, path: str, anew: str) -> None:
    body = job_body(name, output={"claimName": "results", "path": path, "formats": ["png"]})
    assert another(stored(body), [name])["spec"]["output"] == {
        "claimName": "results",
        "path": anew,
        "formats": ["png"],
    }


@pytest.mark.parametrize("resources", [None, {"memory": "512Mi", "cpu": 2}])
def test_it_can_have_more_memory(resources: dict[str, Any] | None) -> None:
    spec: dict[str, Any] = {"resources": resources} if resources else {}
    body = stored(job_body(**spec))
    assert another(body, [], "2Gi")["spec"]["resources"] == {**(resources or {}), "memory": "2Gi"}
    assert another(body, [])["spec"].get("resources") == resources


def test_memory_is_a_quantity() -> None:
    with pytest.raises(CommandError, match="--memory much: write a number") as error:
        retry(Target(), "fm-band", "much")
    assert error.value.exit_code == 2


def test_what_is_said_of_the_old_job_alone_is_not_taken_over() -> None:
    body = stored(job_body(suspend=True, cancelled=True, priority=3), status={"phase": "Cancelled"})
    body["metadata"]["labels"] = {"team": "radio"}
    anew = another(body, ["fm-band"])
    assert anew["metadata"] == {"name": "fm-band-r1", "labels": {"team": "radio"}}
    assert anew["spec"] == {**job_body()["spec"], "priority": 3}
    assert "status" not in anew
