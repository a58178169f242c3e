"""The storm: jobs of every fate in three namespaces, two operators that are killed again and again, an API server that
restarts. Each job ends as its fate says, with one pod for each attempt. `make storm` is the large one.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.actors.player import Player, Script, attempt_of
from cluster.conftest import OWN_CONTROL_PLANE, opened
from cluster.operators.test_leases import holder, identity
from cluster.workspace import Body, Workspace, pools
from harness.kubernetes.control_plane import ControlPlane
from harness.waiting import wait_until
from pods.statuses import deadline_exceeded, ended, failed, oom_killed, running, succeeded
from spectrogram_worker.contract import ExitCode

JOBS, KILLS, RESTARTS = (int(number) for number in os.environ.get("STORM", "100 4 1").split())
BLOWS = ["kill"] * KILLS
for number in range(RESTARTS):
    BLOWS.insert((number + 1) * len(BLOWS) // (RESTARTS + 1), "restart")
PATIENCE = 3600
LOW_ON_MEMORY = {"pod_reason": "Evicted", "pod_message": "The node was low on resource: memory. "}
FULL = {"pod_reason": "Evicted", "pod_message": 'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". '}


@dataclass(frozen=True)
class Fate:
    """How the attempts of a job end, the last for all that follow, and what its status says in the end."""

    ends: tuple[Script, ...]
    phase: str
    reason: str
    attempts: int
    spec: Body = field(default_factory=dict)


def exits(code: ExitCode) -> Script:
    return lambda pod: failed(pod, code)


FATES = {
    "fine": Fate((succeeded,), "Succeeded", "Completed", 1),
    "unlucky": Fate((exits(ExitCode.TRANSIENT_ERROR), succeeded), "Succeeded", "Completed", 2),
    "evicted": Fate((lambda pod: ended(137, **LOW_ON_MEMORY), succeeded), "Succeeded", "Completed", 2),
    "stopped": Fate((lambda pod: ended(143), lambda pod: ended(137), succeeded), "Succeeded", "Completed", 3),
    "hungry": Fate((exits(ExitCode.MEMORY_ERROR), succeeded), "Succeeded", "Completed", 2),
    "zombie": Fate((lambda pod: oom_killed(),), "Failed", "OOMKilled", 1),
    "undead": Fate((lambda pod: oom_killed(), succeeded), "Succeeded", "Completed", 2, {"retry": {"zombies": "Retry"}}),
    "broken": Fate((exits(ExitCode.IO_ERROR),), "Failed", "IOError", 3),
    "crashing": Fate((lambda pod: ended(1, message="ZeroDivisionError"),), "Failed", "WorkerError", 2),
    "useless": Fate((exits(ExitCode.INPUT_INVALID),), "Failed", "InputInvalid", 1),
    "slow": Fate((exits(ExitCode.SOFT_TIME_LIMIT_EXCEEDED),), "Failed", "SoftTimeLimitExceeded", 1),
    "stuck": Fate((lambda pod: deadline_exceeded(),), "Failed", "DeadlineExceeded", 1),
    "verbose": Fate((lambda pod: ended(137, **FULL),), "Failed", "EphemeralStorageExceeded", 1),
    "large": Fate((exits(ExitCode.REROUTE_LARGE), succeeded), "Succeeded", "Completed", 2),
    "unwanted": Fate((lambda pod: None,), "Cancelled", "Cancelled", 1),
    "impossible": Fate((), "Failed", "InvalidSpec", 0, {"resources": {"memory": "500Gi"}}),
}
"""Workers of unwanted jobs run until their jobs are cancelled."""


def fate_of(name: str) -> Fate:
    return FATES[name.partition("-")[0]]


def play(pod: Body) -> Body | None:
    if pod["status"]["phase"] == "Pending":
        return running()
    if pod["status"]["phase"] != "Running":
        return None
    ends = fate_of(pod["metadata"]["ownerReferences"][0]["name"]).ends
    return ends[min(attempt_of(pod), len(ends)) - 1](pod)


@pytest.fixture
def workspaces(
    own_control_plane: ControlPlane, operator_rules: list[dict[str, Any]], tmp_path: Path
) -> Iterator[list[Workspace]]:
    """Three, all of which are served by the operators of the first."""
    with ExitStack() as stack:
        made = []
        for name in ("sea", "sky", "shore"):
            (tmp_path / name).mkdir()
            made.append(stack.enter_context(opened(Workspace(own_control_plane, tmp_path / name, operator_rules))))
        for other in made[1:]:
            other.admit(made[0])
        yield made


@OWN_CONTROL_PLANE
# A connection that the API server resets as it goes away: ssl.wrap_socket raises, and leaves its socket open.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_in_a_storm_each_job_ends_as_its_fate_says_and_nothing_happens_twice(
    workspaces: list[Workspace], own_control_plane: ControlPlane
) -> None:
    home = workspaces[0]
    home.expected_errors = ["will retry: GET", "Request attempt"]  # of kopf's watches
    settings = {
        "SPECTROGRAM_NAMESPACES": ",".join(workspace.namespace for workspace in workspaces),
        "SPECTROGRAM_POOLS": pools(default={"maxConcurrent": 30}, large={"maxConcurrent": 10}),
        "SPECTROGRAM_LEASE_DURATION": "10",  # no shorter: an operator that gets no processor must not lose it
    }
    operators = [home.operator(**settings).start() for _ in range(2)]
    names = [f"{fate}-{number}" for number, fate in zip(range(JOBS), [*FATES] * JOBS, strict=False)]
    with ExitStack() as stack:
        players = [stack.enter_context(Player(workspace.api, play)) for workspace in workspaces]
        for number, name in enumerate(names):
            workspaces[number % 3].submit(name, **fate_of(name).spec)
        for number, blow in enumerate(BLOWS):
            wait_for_ends(workspaces, (number + 1) * JOBS // (len(BLOWS) + 2))
            if blow == "restart":
                own_control_plane.stop_part("kube-apiserver")
                own_control_plane.start_part("kube-apiserver")
            else:
                strike(operators, workspaces[number % 3])
        wait_for_ends(workspaces, JOBS)
    for operator in operators:
        operator.wait_until_ready()  # who came back last may still begin, and nothing heeds a signal then

    jobs = {job["metadata"]["name"]: job for workspace in workspaces for job in workspace.api.list("spectrogramjobs")}
    wrong = {name: (jobs[name]["status"]["phase"], fate_of(name)) for name in names if outcome(jobs[name]) != due(name)}
    assert (sorted(jobs), wrong) == (sorted(names), {})
    check_pods(workspaces, players, jobs)
    print(f"{JOBS} jobs, {KILLS} kills, {RESTARTS} restarts: {dict(Counter(map(due, names)))}")


def due(name: str) -> tuple[str, str, int]:
    fate = fate_of(name)
    return fate.phase, fate.reason, fate.attempts


def outcome(job: Body) -> tuple[str, str, int]:
    status = job["status"]
    return status["phase"], status["reason"], status.get("attempt", 0)


def wait_for_ends(workspaces: list[Workspace], least: int) -> None:
    """Until so many jobs are over. Meanwhile people cancel what runs and is unwanted."""

    def enough() -> bool:
        over = 0
        for workspace in workspaces:
            for job in workspace.api.list("spectrogramjobs"):
                name, status = job["metadata"]["name"], job.get("status", {})
                over += "completionTime" in status
                unwanted = name.startswith("unwanted") and status.get("phase") == "Running"
                if unwanted and not job["spec"].get("cancelled"):
                    workspace.change(name, cancelled=True)
        return over >= least

    wait_until(enough, timeout=PATIENCE, what=f"the end of {least} jobs", interval=2.0)


def strike(operators: list[Operator], workspace: Workspace) -> None:
    """Kill the operator that acts in this namespace, and start it again once another does."""
    wait_until(lambda: holder(workspace), what="one that acts")
    acting = next(operator for operator in operators if identity(operator) == holder(workspace))
    acting.kill()
    wait_until(lambda: holder(workspace) != identity(acting), what="another that acts")
    acting.start()


def check_pods(workspaces: list[Workspace], players: list[Player], jobs: dict[str, Body]) -> None:
    """None is left that runs, none was made twice, and none that no attempt of a job explains."""
    for workspace, player in zip(workspaces, players, strict=True):
        owners = {job["metadata"]["uid"] for job in jobs.values()}
        pods = workspace.pods()
        assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} <= owners
        assert [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] in ("Pending", "Running")] == []
        assert {name: uids for name, uids in player.uids().items() if len(uids) > 1} == {}
        own = [job for job in jobs.values() if job["metadata"]["namespace"] == workspace.namespace]
        named = {attempt["podName"] for job in own for attempt in job["status"].get("attempts", ())}
        assert set(player.uids()) == named
