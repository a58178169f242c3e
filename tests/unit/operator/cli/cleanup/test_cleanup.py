"""What `cleanup` calls a zombie and stale: what the operator calls so, and nothing that was not looked at twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from pods.jobs import job_body, stored
from pods.reports import report
from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.cli.cleanup.stale import find_stale
from spectrogram_operator.cli.cleanup.zombies import find_zombies
from spectrogram_operator.cli.cluster.jobs import Body, Jobs
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.policy import Policy
from spectrogram_worker.contract import Report
from unit.operator.core.fixtures import body as body_of

RESERVED = datetime.now(UTC) - timedelta(hours=3)
POLICY = Policy(missing_seconds=0, heartbeat_seconds=0, status_seconds=0, hard_seconds=86_400)
Look = Callable[[], Body | None]


def refuse() -> Body | None:
    raise ClusterError(503, "", "away")


def worker(**status: Any) -> tuple[ValidJob, Attempt]:
    """A job whose pod is the fixtures' one."""
    running = body_of("running")["metadata"]
    attempt = {"number": 1, "state": "Created", "podName": running["name"], "podUID": running["uid"]}
    attempt |= {"pool": "default", "memoryBytes": 2**30, "reservedTime": RESERVED.isoformat()}
    job = read_job(stored(job_body(), status={"phase": "Running", "attempt": 1, "attempts": [attempt], **status}))
    assert isinstance(job, ValidJob)
    return job, job.status.attempts[0]


def found(*looks: Look) -> tuple[list[str], int]:
    """The reasons of the zombies where the pod looks so one time after the other, and how often was slept."""
    later = list(looks)
    slept: list[float] = []

    class Cluster:
        def read_pod(self, namespace: str, name: str) -> Body | None:
            return later.pop(0)()

    zombies = list(find_zombies(cast(Jobs, Cluster()), [worker()], POLICY, slept.append))
    assert later == []
    return [zombie.reason for zombie in zombies], len(slept)


def pod(name: str) -> Look:
    return lambda: body_of(name)


def gone() -> Body | None:
    return None


def another() -> Body | None:
    body = body_of("running")
    return {**body, "metadata": {**body["metadata"], "uid": "another"}}


@pytest.mark.parametrize(
    ("looks", "reasons", "sleeps"),
    [
        ([pod("oom-killed")], ["OOMKilled"], 0),
        ([pod("running")], [], 0),
        ([pod("succeeded")], [], 0),
        ([pod("deadline-exceeded")], [], 0),
        ([gone, gone], ["PodMissing"], 1),
        ([another, gone], ["PodMissing"], 1),
        ([gone, pod("running")], [], 1),
        ([gone, pod("oom-killed")], ["OOMKilled"], 1),
    ],
)
def test_what_is_a_zombie(looks: list[Look], reasons: list[str], sleeps: int) -> None:
    assert found(*looks) == (reasons, sleeps)


@pytest.mark.parametrize("looks", [[refuse], [gone, refuse]])
def test_no_answer_is_no_zombie(looks: list[Look]) -> None:
    with pytest.raises(ClusterError):
        found(*looks)


def stale(*answers: Report | None, pod_name: str = "running", **status: Any) -> tuple[list[str], int]:
    """The reasons of what is stale where the worker answers so one time after the other, and how often was slept."""
    later = list(answers)
    slept: list[float] = []

    class Cluster:
        def read_pod(self, namespace: str, name: str) -> Body | None:
            return body_of(pod_name)

        def ask_worker(self, namespace: str, pod: str) -> bytes | None:
            answer = later.pop(0)
            return None if answer is None else answer.to_json().encode()

    findings = list(find_stale(cast(Jobs, Cluster()), [worker(**status)], POLICY, slept.append))
    assert later == []
    return [finding.reason for finding in findings], len(slept)


def at(percent: float, hours: float, **fields: Any) -> Report:
    """A worker that is so far, and says that it has been there for so many hours."""
    return report(percent=percent, advanced=datetime.now(UTC) - timedelta(hours=hours), **fields)


HUNG, BUSY, ANOTHERS = at(43, 2), at(44, 0), at(43, 2, job_uid="another")


@pytest.mark.parametrize(
    ("answers", "reasons", "sleeps"),
    [
        ([HUNG, HUNG], ["Stale"], 1),
        ([BUSY], [], 0),
        ([None], [], 0),
        ([HUNG, None], [], 1),
        ([HUNG, at(43.5, 2)], [], 1),  # its clock is behind, and it advances
        ([HUNG, BUSY], [], 1),
        ([ANOTHERS], [], 0),
        ([HUNG, ANOTHERS], [], 1),
    ],
)
def test_what_is_stale(answers: list[Report | None], reasons: list[str], sleeps: int) -> None:
    assert stale(*answers) == (reasons, sleeps)


def test_what_an_operator_saw_advance_later_than_it_says_is_not_stale() -> None:
    lately = datetime.now(UTC) - timedelta(minutes=5)
    assert stale(HUNG, lastAdvanceTime=lately.isoformat()) == ([], 0)


@pytest.mark.parametrize("name", ["just-created", "deleted-terminating", "succeeded"])
def test_who_does_not_run_is_not_asked(name: str) -> None:
    assert stale(pod_name=name) == ([], 0)
