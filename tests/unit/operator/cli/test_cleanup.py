"""What `cleanup zombies` calls a zombie: what the operator calls one, and nothing that nobody has looked for twice."""

from collections.abc import Callable
from typing import cast

import pytest

from pods.jobs import job_body, stored
from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.cli.cluster.jobs import Body, Jobs
from spectrogram_operator.cli.commands.cleanup import find
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.policy import Policy
from unit.operator.core.fixtures import body as body_of

POLICY = Policy(missing_seconds=0)
Look = Callable[[], Body | None]


def refuse() -> Body | None:
    raise ClusterError(503, "", "away")


def found(*looks: Look) -> tuple[list[str], int]:
    """The reasons of the zombies where the pod looks so one time after the other, and how often was slept."""
    running = body_of("running")["metadata"]
    attempt = {"number": 1, "state": "Created", "podName": running["name"], "podUID": running["uid"]}
    attempt |= {"pool": "default", "memoryBytes": 2**30, "reservedTime": "2026-11-23T12:00:00Z"}
    job = read_job(stored(job_body(), status={"phase": "Running", "attempt": 1, "attempts": [attempt]}))
    assert isinstance(job, ValidJob)
    later = list(looks)
    slept: list[float] = []

    class Cluster:
        def read_pod(self, namespace: str, name: str) -> Body | None:
            return later.pop(0)()

    workers: list[tuple[ValidJob, Attempt]] = [(job, job.status.attempts[0])]
    zombies = list(find(cast(Jobs, Cluster()), workers, POLICY, slept.append))
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
