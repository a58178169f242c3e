"""The sweep: one list makes up for a watch that says nothing, and a list that fails changes nothing."""

import asyncio
from datetime import datetime

import pytest

from harness import virtual_time
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.sweep import sweep
from unit.operator.control.desk import Desk, in_virtual_time


async def run_sweep(desk: Desk) -> datetime | None:
    """One sweep; what it woke is in desk.woken."""
    desk.woken.clear()
    return await sweep(
        cluster=desk.cluster,
        view=desk.view,
        reconciler=desk.reconciler,
        wake=desk.woken.append,
        clock=virtual_time.now,
    )


@in_virtual_time
async def test_every_job_that_is_not_over_is_looked_at_and_no_other() -> None:
    desk = Desk()
    desk.submit("cancelled", cancelled=True)
    await desk.reconcile("cancelled")
    await desk.start("runs")
    desk.submit("waits", suspend=True)
    await asyncio.sleep(60)
    assert await run_sweep(desk) == virtual_time.now()
    assert sorted(desk.woken) == ["radio/runs", "radio/waits"]


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
    assert await run_sweep(desk) is None
    desk.heard.clear()
    await desk.reconcile()
    assert desk.status().phase is Phase.RUNNING
    assert desk.requests("GET", "pods") == 0
