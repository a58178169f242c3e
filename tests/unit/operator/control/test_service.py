"""The service: what it takes from the watches, when it calls itself alive, and that its tasks go on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from harness import virtual_time
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster import Cluster
from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import read_settings
from unit.operator.control.desk import Desk, in_virtual_time

STUCK_SECONDS = 120.0


def service(connect: Callable[[], Awaitable[Cluster]]) -> Service:
    """With the settings of an empty environment."""
    return Service(read_settings({}), connect, CollectorRegistry(), version="1", clock=virtual_time.now)


async def started(desk: Desk) -> Service:
    """A service at work on this desk."""

    async def connect() -> Cluster:
        return desk.cluster

    found = service(connect)
    await found.start(desk.view)
    return found


async def unconnected() -> Cluster:
    raise AssertionError("nobody starts it")


# The probe


@in_virtual_time
async def test_a_queue_that_does_not_move_is_dead_at_the_second_look() -> None:
    idle = service(unconnected)
    idle.queue.add("radio/fm-band")
    await asyncio.sleep(STUCK_SECONDS + 1)
    idle.probe(STUCK_SECONDS)
    with pytest.raises(RuntimeError, match="does not move"):
        idle.probe(STUCK_SECONDS)


@in_virtual_time
async def test_an_old_key_is_no_matter_while_others_are_done() -> None:
    busy = service(unconnected)
    busy.queue.add("radio/fm-band")
    await asyncio.sleep(STUCK_SECONDS + 1)
    for _ in range(3):
        busy.queue.done += 1
        assert busy.probe(STUCK_SECONDS) == f"{busy.queue.done} reconciles"


@in_virtual_time
async def test_a_service_without_work_is_alive_and_so_is_one_that_has_just_got_some() -> None:
    desk = Desk()
    alive = await started(desk)
    for _ in range(3):
        await asyncio.sleep(1000)
        alive.probe(STUCK_SECONDS)
    alive.queue.add("radio/fm-band")
    alive.probe(STUCK_SECONDS)
    await alive.stop()


@pytest.mark.parametrize("name", ["work queue", "sweep"])
@in_virtual_time
async def test_a_service_of_which_a_task_has_ended_is_dead(name: str) -> None:
    desk = Desk()
    broken = await started(desk)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
    broken.probe(STUCK_SECONDS)
    task.cancel()
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="has ended"):
        broken.probe(STUCK_SECONDS)
    await broken.stop()


# What a watch tells


@in_virtual_time
async def test_the_body_of_a_deleted_pod_explains_its_end() -> None:
    desk = Desk()
    told = await started(desk)
    desk.submit()
    told.job_changed("radio", "fm-band")
    await asyncio.sleep(1)
    (name,) = desk.pod_names()
    desk.show("running")
    told.pod_changed(desk.store.get("pods", "radio", name), deleted=False)
    await asyncio.sleep(1)
    assert desk.status().phase is Phase.RUNNING
    desk.show("evicted-node-memory", told=False)
    last = desk.store.remove("pods", "radio", name)
    desk.look()
    told.pod_changed(last, deleted=True)
    await asyncio.sleep(1)
    assert desk.status().attempts[0].reason == "Evicted"
    await told.stop()


@pytest.mark.parametrize(
    ("owners", "keys"),
    [
        ([{"kind": "SpectrogramJob", "name": "fm-band", "uid": "u", "controller": True}], 1),
        ([{"kind": "Node", "name": "n"}, {"name": "fm-band", "uid": "u", "controller": True}], 1),
        ([{"kind": "Node", "name": "n"}], 0),
        ([], 0),
        (None, 0),
    ],
)
@in_virtual_time
async def test_a_pod_s_event_is_its_controller_s(owners: list[dict[str, Any]] | None, keys: int) -> None:
    told = service(unconnected)
    metadata = {"namespace": "radio", "name": "p", "ownerReferences": owners}
    told.pod_changed({"metadata": metadata}, deleted=False)
    assert told.queue.depth == keys


# The sweep's task


@in_virtual_time
async def test_a_sweep_that_fails_is_followed_by_the_next() -> None:
    desk = Desk()
    deaf = await started(desk)
    desk.submit()
    desk.fail("GET", "/api/v1/pods", error=500)
    await asyncio.sleep(130)
    assert desk.pod_names() == []
    await asyncio.sleep(120)
    assert len(desk.pod_names()) == 1
    assert desk.requests("GET", "pods") == 2
    await deaf.stop()


@in_virtual_time
async def test_what_a_failed_reconcile_left_undone_is_done_later() -> None:
    desk = Desk()
    patient = await started(desk)
    desk.submit()
    desk.fail("PUT", "/status", times=3, error=503)
    patient.job_changed("radio", "fm-band")
    await asyncio.sleep(10)
    assert len(desk.pod_names()) == 1
    assert desk.requests("PUT", PLURAL) == 4
    await patient.stop()
