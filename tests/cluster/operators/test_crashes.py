"""Whatever dies, whenever it dies: each job ends as it would have, with one pod for each attempt."""

from collections import Counter

import pytest

from cluster.actors.operator_process import Operator
from cluster.actors.player import Player, attempt_of
from cluster.conftest import OWN_CONTROL_PLANE
from cluster.workspace import Workspace
from harness.kubernetes.control_plane import ControlPlane
from harness.waiting import wait_until
from pods.shapes import Body
from pods.statuses import failed, running, succeeded
from spectrogram_worker.contract import ExitCode

SWEEPING = {"SPECTROGRAM_SWEEP_INTERVAL": "1"}
EVERYTHING_AT_ONCE = {"SPECTROGRAM_BACKOFF": "0", "SPECTROGRAM_KEEP_SUCCEEDED_PODS": "0"}


def test_killed_after_any_of_its_calls_the_operator_goes_on_where_it_was(workspace: Workspace) -> None:
    """One job after the other, the n-th killing the operator after its n-th call; the last one kills no more."""
    operator = crashing_operator(workspace)
    jobs: list[str] = []
    with Player(workspace.api, fail_once) as player:
        while len(jobs) == calls_of(workspace, jobs):
            jobs.append(f"crash-{len(jobs) + 1}")
            (workspace.folder / "newest").write_text(jobs[-1])
            workspace.submit(jobs[-1])
            workspace.wait_for_end(jobs[-1])
        wait_until(lambda: workspace.pods() == [], what="the end of all pods")

    check_that_nothing_happened_twice(workspace, player, jobs)
    assert operator.runs
    made = {line.split()[1] for line in (workspace.folder / "calls").read_text().splitlines()}
    assert made == {"claim_exists", "create_pod", "delete_pod", "post_event", "read_pod", "write_status"}
    assert len(jobs) > 11, "what follows at once on something else saves calls; fewer than these it never makes"


def test_killed_again_and_again_while_many_jobs_run_the_operator_loses_none(workspace: Workspace) -> None:
    operator = crashing_operator(workspace)
    jobs = [f"crash-{number}" for number in range(1, 16)]
    with Player(workspace.api, fail_once) as player:
        for job in jobs:
            workspace.submit(job)
        for job in jobs:
            workspace.wait_for_end(job)

    check_that_nothing_happened_twice(workspace, player, jobs)
    assert operator.runs


def test_two_operators_at_once_do_no_harm(workspace: Workspace) -> None:
    """Without leases that tell them apart both act: every write is locked, every name is fixed (fault 32)."""
    for _ in range(2):
        workspace.operator("cluster.actors.twin_operator", **EVERYTHING_AT_ONCE).start()
    for operator in workspace.operators:
        operator.wait_for_log(f"Serving {workspace.namespace}")
    jobs = [f"job-{number}" for number in range(30)]
    with Player(workspace.api, fail_once) as player:
        for job in jobs:
            workspace.submit(job)
        ends = {job: workspace.wait_for_end(job) for job in jobs}
        wait_until(lambda: workspace.pods() == [], what="the end of all pods")

    check_that_nothing_happened_twice(workspace, player, jobs)
    for job, end in ends.items():
        assert workspace.status(job).completion_time == end.completion_time


@OWN_CONTROL_PLANE
@pytest.mark.parametrize("operator_dies_too", [False, True])
def test_an_api_server_that_dies_and_comes_back_interrupts_no_job(
    own_control_plane: ControlPlane, own_workspace: Workspace, operator_dies_too: bool
) -> None:
    workspace = own_workspace
    operator = workspace.operator(**SWEEPING).start()
    workspace.expected_errors = ["will retry: GET"]  # of kopf's watches
    jobs = [f"job-{number}" for number in range(10)]
    for job in jobs[:5]:
        workspace.submit(job)
        workspace.start(job)
    own_control_plane.stop_part("kube-apiserver")
    if operator_dies_too:
        operator.kill()
        operator.start()
    operator.wait_for_log("Connect call failed")
    own_control_plane.start_part("kube-apiserver")
    with Player(workspace.api, fail_once) as player:
        for job in jobs[5:]:
            workspace.submit(job)
        for job in jobs:
            workspace.wait_for_end(job)

    check_that_nothing_happened_twice(workspace, player, jobs)


def crashing_operator(workspace: Workspace) -> Operator:
    for name in ("calls", "newest"):
        (workspace.folder / name).touch()
    settings = {**EVERYTHING_AT_ONCE, "CRASH_FOLDER": str(workspace.folder)}
    return workspace.operator("cluster.actors.crashing_operator", **settings).start()


def calls_of(workspace: Workspace, jobs: list[str]) -> int:
    """How many calls were made about the last of these jobs, at most as many as kill the operator."""
    lines = (workspace.folder / "calls").read_text().splitlines()
    made = Counter(line.split()[0] for line in lines)[jobs[-1]] if jobs else 0
    return min(made, len(jobs))


def fail_once(pod: Body) -> Body | None:
    """The first attempt of each job fails and is retried; the second succeeds."""
    if pod["status"]["phase"] == "Running":
        return failed(pod, ExitCode.TRANSIENT_ERROR) if attempt_of(pod) == 1 else succeeded(pod)
    return running() if pod["status"]["phase"] == "Pending" else None


def check_that_nothing_happened_twice(workspace: Workspace, player: Player, jobs: list[str]) -> None:
    """Each job is Complete after two attempts, each with one pod, and one retry is on its account."""
    for job in jobs:
        status = workspace.status(job)
        assert (status.phase, status.attempt, status.retries.user, status.retries.infra) == ("Succeeded", 2, 1, 0), job
        assert [attempt.reason for attempt in status.attempts] == ["TransientError", "Completed"], job
        for attempt in status.attempts:
            assert player.uids()[attempt.pod_name] == {attempt.pod_uid}
    assert len(player.uids()) == 2 * len(jobs)
