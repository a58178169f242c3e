"""Several operators for one namespace: one serves, another takes over, and no restart has to wait."""

from datetime import datetime
from functools import partial
from socket import gethostname

import pytest

from cluster.actors.operator_process import Operator
from cluster.actors.player import Player
from cluster.operators.test_crashes import check_that_nothing_happened_twice, fail_once
from cluster.workspace import Body, Workspace
from harness.waiting import wait_until
from pods.statuses import succeeded
from spectrogram_operator.api.names import LEASE

SOON = {"SPECTROGRAM_LEASE_DURATION": "3"}
STEADY = {"SPECTROGRAM_LEASE_DURATION": "9"}
"""Long enough that nobody loses it who gets no processor for a moment."""
PATIENCE = 10
"""Seconds for a machine that has much else to do."""
NEVER = {"SPECTROGRAM_LEASE_DURATION": "3600"}
"""Longer than any test waits: whoever serves has not waited for the end of a lease."""
SAID_BY_WHO_WROTE = "/{}: Succeeded"
"""What the log of the operator says whose write of a status won."""


def test_one_of_two_serves_and_when_it_dies_the_other_goes_on(workspace: Workspace) -> None:
    first = workspace.operator(**SOON).start()
    first.wait_for_log(f"Serving {workspace.namespace}")
    second = workspace.operator(**SOON).start()
    second.wait_for_log(f"Not serving {workspace.namespace}: the operator {holder(workspace)} does")
    second.wait_until_ready()
    for job in ("before", "meanwhile"):
        workspace.submit(job)
        workspace.start(job)
    finish(workspace, "before")
    first.wait_for_log(SAID_BY_WHO_WROTE.format("before"))

    first.kill()
    finish(workspace, "meanwhile")
    second.wait_for_log(SAID_BY_WHO_WROTE.format("meanwhile"))
    assert SAID_BY_WHO_WROTE.format("before") not in second.log.read_text()
    assert workspace.api.get("leases", LEASE)["spec"]["leaseTransitions"] == 1
    first.start()
    first.wait_for_log(f"Not serving {workspace.namespace}: the operator {holder(workspace)} does")


def test_an_operator_that_is_told_to_end_gives_its_lease_up_and_the_next_waits_for_nothing(
    workspace: Workspace,
) -> None:
    workspace.expected_errors = ["Request attempt"]  # of kopf's, whose connections end with it
    first = workspace.operator(**NEVER).start()
    first.wait_until_ready()
    assert first.stop() == 0
    assert holder(workspace) == ""
    workspace.operator(**NEVER).start()
    workspace.submit()
    workspace.start()


def test_an_operator_that_is_killed_and_started_again_waits_for_nothing(workspace: Workspace) -> None:
    operator = workspace.operator(**NEVER).start()
    operator.wait_until_ready()
    operator.kill()
    operator.start()
    workspace.submit()
    workspace.start()


def test_those_that_act_are_killed_one_after_the_other_and_no_job_is_started_twice(workspace: Workspace) -> None:
    """Without a word, while jobs start, run, end and are tried again; whoever was killed comes back and waits."""
    for _ in range(2):
        workspace.operator(**STEADY).start()
    jobs = [f"job-{number}" for number in range(24)]
    with Player(workspace.api, fail_once) as player:
        for kills in range(4):
            for job in jobs[6 * kills : 6 * kills + 6]:
                workspace.submit(job)
            wait_until(partial(seen_more_than, player, 8 * kills), what="pods of some of them")
            acting, waiting = roles(workspace)
            acting.kill()
            spec = take_over(workspace, waiting)
            assert spec["leaseTransitions"] == kills + 1
            acting.start()
        for job in jobs:
            workspace.wait_for_end(job)
    check_that_nothing_happened_twice(workspace, player, jobs)
    acting.wait_until_ready()  # who came back last may still begin, and nothing heeds a signal then


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_lease_is_judged_by_its_renewals_and_not_by_its_times(workspace: Workspace, hours: int) -> None:
    """By the clock of who waits it has ended long ago, or ends in a day."""
    first = workspace.operator("cluster.actors.skewed_operator", SKEW_HOURS=str(hours), **STEADY).start()
    first.wait_for_log(f"Serving {workspace.namespace}")
    second = workspace.operator(**STEADY).start()
    second.wait_for_log(f"Not serving {workspace.namespace}: the operator {identity(first)} does")
    times = {lease(workspace)["renewTime"]}
    while len(times) < 6:
        wait_until(lambda: lease(workspace)["renewTime"] not in times, what="a renewal")
        times.add(lease(workspace)["renewTime"])
    assert (lease(workspace)["holderIdentity"], lease(workspace)["leaseTransitions"]) == (identity(first), 0)

    workspace.submit()
    workspace.start()
    first.kill()
    second.wait_for_log(f"Serving {workspace.namespace}")
    finish(workspace, "fm-band")


def test_in_a_rolling_update_one_always_acts_and_no_job_is_started_twice(workspace: Workspace) -> None:
    """As a Deployment of two does it: a new one is ready before an old one is told to end."""
    workspace.expected_errors = ["Request attempt"]  # of kopf's, whose connections end with it
    old = [workspace.operator().start() for _ in range(2)]
    for operator in old:
        operator.wait_until_ready()
    jobs = [f"job-{number}" for number in range(20)]
    with Player(workspace.api, fail_once) as player:
        for job in jobs[:10]:
            workspace.submit(job)
        for operator in old:
            workspace.operator().start().wait_until_ready()
            assert operator.stop() == 0
        for job in jobs[10:]:
            workspace.submit(job)
        for job in jobs:
            workspace.wait_for_end(job)
    check_that_nothing_happened_twice(workspace, player, jobs)
    assert holder(workspace) in {identity(operator) for operator in workspace.operators[2:]}


def seen_more_than(player: Player, pods: int) -> bool:
    return len(player.uids()) > pods


def take_over(workspace: Workspace, waiting: Operator) -> Body:
    """Until the one that waited acts: not before the lease has ended, nor long after. The lease as it is then."""
    renewed = datetime.fromisoformat(lease(workspace)["renewTime"])
    wait_until(lambda: holder(workspace) == identity(waiting), what="another that acts")
    seconds = (datetime.fromisoformat(lease(workspace)["acquireTime"]) - renewed).total_seconds()
    duration = float(STEADY["SPECTROGRAM_LEASE_DURATION"])
    print(f"taken over {seconds:.0f} s after the last renewal, of a lease of {duration:.0f} s")
    assert duration - 1 <= seconds <= duration * 4 / 3 + PATIENCE, "the times are in whole seconds"
    return lease(workspace)


def roles(workspace: Workspace) -> tuple[Operator, Operator]:
    """The operator that acts, and the other."""
    wait_until(lambda: holder(workspace), what="one that acts")
    first, second = workspace.operators
    return (first, second) if holder(workspace) == identity(first) else (second, first)


def identity(operator: Operator) -> str:
    """As it signs leases."""
    return f"{gethostname()}:{operator.health_port}"


def finish(workspace: Workspace, job: str) -> None:
    (pod,) = workspace.pods(job)
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end(job).phase == "Succeeded"


def holder(workspace: Workspace) -> str:
    """Whose the lease of the namespace is."""
    return str(lease(workspace).get("holderIdentity", ""))


def lease(workspace: Workspace) -> Body:
    """The lease of the namespace; empty where there is none yet."""
    spec: Body = (workspace.api.find("leases", LEASE) or {}).get("spec", {})
    return spec
