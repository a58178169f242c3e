"""The sweep: one list makes up for a watch that says nothing, and a list that fails changes nothing."""

import asyncio

import pytest

from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.control.reconciling.sweep import sweep
from unit.operator.control.desk import Desk, in_virtual_time


async def run_sweep(desk: Desk) -> None:
    """One sweep; what it woke is in desk.woken."""
    desk.sleep()
    await sweep(desk.cluster, desk.controller, None)


@in_virtual_time
async def test_every_job_that_is_not_over_is_looked_at_and_no_other_nor_one_that_stands_in_line() -> None:
    desk = Desk(slots=1)
    await desk.start("runs")
    desk.submit("cancelled", cancelled=True)
    await desk.reconcile("cancelled")
    desk.submit("suspended", suspend=True)
    desk.submit("waits")
    await asyncio.sleep(60)
    await run_sweep(desk)
    assert sorted(desk.woken) == ["radio/runs", "radio/suspended"]


@in_virtual_time
async def test_a_pod_that_vanished_without_an_event_is_looked_for() -> None:
    desk = Desk()
    await desk.start()
    (name,) = desk.pod_names()
    desk.store.remove("pods", "radio", name)
    await run_sweep(desk)
    assert await desk.reconcile() == 10
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodMissing")


@in_virtual_time
async def test_a_pod_that_ended_without_an_event_is_judged() -> None:
    desk = Desk()
    await desk.start()
    desk.show("succeeded", told=False)
    await run_sweep(desk)
    await desk.reconcile()
    assert desk.status().phase is Phase.SUCCEEDED


@pytest.mark.parametrize("error", [0, 403, 410, 429, 500])
@in_virtual_time
async def test_a_list_that_fails_takes_no_pod_away(error: int) -> None:
    desk = Desk()
    await desk.start()
    desk.fail("GET", "/api/v1/pods", error=error)
    with pytest.raises(ClusterError):
        await run_sweep(desk)
    desk.heard.clear()
    await desk.reconcile()
    assert desk.status().phase is Phase.RUNNING
    assert desk.requests("GET", "pods") == 0
