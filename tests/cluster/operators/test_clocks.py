"""An operator whose machine has the wrong time, beside an API server that has the right one (fault 40)."""

import urllib.request
from datetime import UTC, datetime

import pytest

from cluster.actors.operator_process import Operator
from cluster.lifecycle.test_waiting_pods import NOWHERE
from cluster.workspace import Workspace
from spectrogram_operator.core.server_time import TOLERANCE_SECONDS
from spectrogram_operator.core.status import active_attempt

SKEWED = "cluster.actors.skewed_operator"


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_pod_that_waits_is_not_given_up_by_an_operator_whose_clock_is_hours_off(
    workspace: Workspace, hours: int
) -> None:
    """It takes over from one whose clock is right, and a pod may wait for an hour."""
    first = workspace.operator(SPECTROGRAM_POOLS=NOWHERE).start()
    workspace.submit()
    workspace.wait_for_status(phase="Pending", reason="Unschedulable")
    assert first.stop() == 0
    second = workspace.operator(SKEWED, SKEW_HOURS=str(hours), SPECTROGRAM_POOLS=NOWHERE).start()
    second.wait_for_log(f"s {'ahead of' if hours > 0 else 'behind'} the API server's")

    workspace.submit("another")
    status = workspace.wait_for_status("another", phase="Pending", reason="Unschedulable")
    attempt = active_attempt(status)
    assert attempt is not None
    assert attempt.reserved_time is not None
    assert abs((datetime.now(UTC) - attempt.reserved_time).total_seconds()) < 600
    assert (workspace.status().reason, workspace.status().attempt) == ("Unschedulable", 1)
    assert workspace.pods("fm-band")


def test_by_how_much_a_clock_is_off_is_a_metric(workspace: Workspace) -> None:
    right = workspace.operator().start()
    wrong = workspace.operator(SKEWED, SKEW_HOURS="-2").start()
    for operator in (right, wrong):
        operator.wait_until_ready()
    assert abs(skew(right)) <= TOLERANCE_SECONDS
    assert skew(wrong) == pytest.approx(-7200, abs=TOLERANCE_SECONDS)


def skew(operator: Operator) -> float:
    """What the metric says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.metrics_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith("spectrogram_clock_skew_seconds ")).split()[1])
