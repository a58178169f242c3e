"""Waiting: when it ends, what it says on the way, and what it makes of a cluster that does not answer."""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from pods.jobs import CREATED, job_body, stored
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.cli.commands.wait import Course, Patience, follow, notes, result, verdicts
from spectrogram_operator.cli.printing.display import open_displays
from spectrogram_operator.control.cluster.protocol import ClusterError

NOW = datetime.fromisoformat(CREATED) + timedelta(hours=2)
PATIENCE = Patience(polls=4, seconds=5, stale_seconds=3600)


def job(phase: str | None = None, name: str = "fm-band", **status: Any) -> Job:
    """A job in this phase, with the condition that goes with its end."""
    ends = {"Succeeded": "Complete", "Failed": "Failed", "Cancelled": "Failed"}
    conditions = [condition(ends[phase])] if phase in ends else []
    status |= {"completionTime": CREATED} if conditions else {}
    body = stored(job_body(name), status={"phase": phase, "conditions": conditions} | status if phase else {})
    return read_job(body)


def condition(kind: str, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": CREATED, "reason": kind, "message": message}


def watch(*looks: Job | ClusterError | None, terminal: bool = False) -> tuple[Course, str, list[float]]:
    """What is seen, what is shown, and how long was slept, where the cluster answers so one look after the other."""
    first, *later = looks
    slept: list[float] = []

    def look() -> dict[str, Job | None]:
        answer = later.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        return {"fm-band": answer}

    assert not isinstance(first, ClusterError)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    displays = open_displays(console, ["fm-band"])
    with displays["fm-band"]:
        course = follow({"fm-band": first}, look, displays, PATIENCE, slept.append, lambda: NOW)
    assert isinstance(console.file, io.StringIO)
    return course, console.file.getvalue(), slept


def test_it_ends_with_the_job() -> None:
    course, _, slept = watch(job("Queued"), job("Running"), job("Succeeded"))
    assert result(course.jobs) == 0
    assert slept == [5, 5]


def test_it_ends_after_so_many_looks() -> None:
    course, _, slept = watch(*[job("Running")] * 4)
    assert result(course.jobs) == 124
    assert len(slept) == 3


def test_a_job_that_is_over_is_not_waited_for() -> None:
    course, _, slept = watch(job("Failed"))
    assert (result(course.jobs), slept) == (1, [])


def test_a_job_that_is_deleted_ends_it() -> None:
    course, _, _ = watch(job("Running"), None)
    assert result(course.jobs) == 1
    assert verdicts(course.jobs, PATIENCE, NOW) == [("fm-band was deleted", False)]


@pytest.mark.parametrize("code", [0, 429, 500, 503])
def test_a_cluster_that_does_not_answer_is_asked_again(code: int) -> None:
    away = ClusterError(code, "", "connection refused")
    course, shown, _ = watch(job("Running"), away, away, job("Succeeded"))
    assert result(course.jobs) == 0
    assert shown.count("fm-band: the cluster does not answer: connection refused") == 1


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refusal_is_none_that_passes(code: int) -> None:
    with pytest.raises(ClusterError):
        watch(job("Running"), ClusterError(code, "", "no"))


def test_lines_say_what_it_waits_for_and_warn_once() -> None:
    warned = job("Running", conditions=[condition("MemoryWarning", "the worker used 93% of its memory limit")])
    _, shown, _ = watch(job("Queued", message="3 ahead in default; team-b runs 2 of 2"), warned, warned, job("Failed"))
    assert shown.splitlines() == [
        "fm-band: queued, 3 ahead in default; team-b runs 2 of 2",
        "fm-band: running",
        "fm-band: warning: memory: the worker used 93% of its memory limit",
    ]


def test_the_bar_shows_memory_in_colour_while_it_is_a_worry() -> None:
    progress = {"percent": 43, "stage": "spectrogram"}
    memory = {"text": "[red]480Mi/512Mi"}
    calm = job("Running", progress=progress, memory=memory)
    worried = job("Running", progress=progress, memory=memory, conditions=[condition("MemoryWarning")])
    _, shown, _ = watch(calm, job("Succeeded", progress=progress), terminal=True)
    assert "\x1b[33mmemory" not in shown
    _, shown, _ = watch(worried, *[worried] * 3, terminal=True)
    assert "\x1b[33mmemory [red]480Mi/512Mi" in shown


def test_a_worker_that_does_not_advance_is_told() -> None:
    late = job("Running", lastAdvanceTime="2026-11-23T12:30:00Z")
    assert notes(late, NOW, 3600) == {
        "stale": "warning: it has not advanced for 1 h 30 min: `spectrogram cancel fm-band` would end it"
    }
    assert notes(late, NOW, 2 * 3600) == {}
    assert notes(job("Queued", lastAdvanceTime="2026-11-23T12:30:00Z"), NOW, 3600) == {}


def test_a_job_that_nobody_looks_at_is_told() -> None:
    assert "no operator watches the namespace radio" in notes(job(), NOW, 3600)["unwatched"]
    assert notes(job(), datetime.fromisoformat(CREATED), 3600) == {}


@pytest.mark.parametrize(
    ("phases", "code"),
    [
        (["Succeeded", "Succeeded"], 0),
        (["Succeeded", "Failed"], 1),
        (["Succeeded", "Cancelled"], 1),
        (["Succeeded", "Running"], 124),
        (["Failed", "Running"], 1),
        ([None], 124),
    ],
)
def test_exit_codes(phases: Sequence[str | None], code: int) -> None:
    assert result({f"job-{number}": job(phase) for number, phase in enumerate(phases)}) == code


def test_a_line_for_each_and_a_summary() -> None:
    attempt = {"number": 1, "state": "Finished", "podName": "fm-a1", "pool": "default", "memoryBytes": 2**29}
    jobs: dict[str, Job | None] = {
        "a": job("Succeeded", message="50 of 50 columns are in fm-band"),
        "b": job("Failed", name="b", reason="OOMKilled", message="killed", attempt=1, attempts=[attempt]),
        "c": job("Failed", name="c", reason="Drained", message="by a drain", attempt=1),
        "d": job("Cancelled", name="d"),
        "e": job("Queued", name="e", message="3 ahead"),
        "f": None,
    }
    assert verdicts(jobs, PATIENCE, NOW) == [
        ("a succeeded: 50 of 50 columns are in fm-band", True),
        (
            "b failed, OOMKilled: killed: give it more memory than 512Mi in spec.resources.memory, "
            "as in `spectrogram retry b --memory 1Gi`",
            False,
        ),
        (
            "c failed, Drained: by a drain: nothing is wrong with the job: `spectrogram retry c` runs it again",
            False,
        ),
        ("d was cancelled: nothing is kept", False),
        (
            "e is not over after 4 looks, one every 5.0 s; it is Queued: 3 ahead; "
            "`spectrogram status e` says more, JOB_MAX_POLL_ATTEMPTS allows more looks",
            False,
        ),
        ("f was deleted", False),
        ("of 6 jobs: 1 succeeded, 4 failed, 1 not over yet", False),
    ]
