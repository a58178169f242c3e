"""Limits that follow from nodes: listed now and then, kept where that fails, and jobs are woken by a higher one."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from spectrogram_operator.control.reconciling.capacity import Capacity
from spectrogram_operator.core.policy import Policy
from unit.operator.control.desk import Desk, in_virtual_time


def auto(desk: Desk, **settings: Any) -> Capacity:
    """The default queue's limit follows from nodes; the other's is a number."""
    pools = Policy().pools
    pools = {**pools, "default": replace(pools["default"], auto_concurrent=True, **settings)}
    return Capacity(desk.cluster, pools, desk.controller.slots.limit)


def add_node(desk: Desk, name: str, memory: str = "2Gi") -> None:
    ready = {"type": "Ready", "status": "True"}
    allocatable = {"memory": memory, "cpu": "8", "pods": "110"}
    status = {"allocatable": allocatable, "conditions": [ready]}
    desk.store.put("nodes", {"metadata": {"name": name, "namespace": ""}, "status": status})


def limits(desk: Desk) -> tuple[int, int]:
    found = desk.controller.slots.limits()
    return found["default"], found["large_jobs"]


@in_virtual_time
async def test_a_node_that_comes_gives_its_room_to_those_that_wait() -> None:
    desk = Desk(slots=1)
    capacity = auto(desk)
    for number in range(3):
        desk.submit(f"job-{number}")
        await desk.reconcile(f"job-{number}")
    await capacity.look()
    assert (limits(desk), len(desk.pod_names())) == ((1, 1), 1), "its pod asks for a node"
    desk.sleep()
    add_node(desk, "n-1")
    await capacity.look()
    assert (limits(desk), sorted(desk.woken)) == ((3, 1), ["radio/job-1", "radio/job-2"])
    for number in range(3):
        await desk.reconcile(f"job-{number}")
    assert len(desk.pod_names()) == 3
    desk.store.delete("nodes", "", "n-1")
    await capacity.look()
    assert (limits(desk), len(desk.pod_names())) == ((1, 1), 3), "what runs goes on"


@pytest.mark.parametrize("error", [0, 403, 500])
@in_virtual_time
async def test_where_nodes_cannot_be_listed_limits_stay_and_it_is_told_once(
    error: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    desk = Desk(slots=1)
    add_node(desk, "n-1")
    capacity = auto(desk)
    await capacity.look()
    desk.fail("GET", "/nodes", times=3, error=error)
    for _ in range(3):
        await capacity.look()
    assert limits(desk) == (3, 1)
    assert len([one for one in caplog.records if "limits that follow from them stay" in one.getMessage()]) == 1
    add_node(desk, "n-2")
    await capacity.look()
    assert limits(desk) == (5, 1)


@in_virtual_time
async def test_an_affinity_that_is_none_does_not_end_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(slots=1)
    add_node(desk, "n-1")
    capacity = auto(desk, affinity={"nodeAffinity": "x"})
    task = asyncio.create_task(capacity.run(30))
    await asyncio.sleep(40)
    assert not task.done()
    task.cancel()
    assert (limits(desk), desk.requests("GET", "nodes")) == ((1, 1), 2)
    assert "could not be counted" in caplog.text


@in_virtual_time
async def test_nodes_are_listed_at_a_pace_whatever_happens_to_jobs() -> None:
    desk = Desk()
    task = asyncio.create_task(auto(desk).run(30))
    for number in range(10):
        desk.submit(f"job-{number}")
        await desk.reconcile(f"job-{number}")
        await asyncio.sleep(29)
    task.cancel()
    assert desk.requests("GET", "nodes") == 10
