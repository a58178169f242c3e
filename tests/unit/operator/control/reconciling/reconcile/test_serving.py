"""Who may start, and what is left to another operator."""

import asyncio

import pytest

from harness.api.memory_cluster import Fate
from pods.jobs import job_body
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import ClusterError
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"

# Slots


@in_virtual_time
async def test_one_slot_is_given_once_however_slow_the_writes_are() -> None:
    desk = Desk(slots=1)
    desk.fates += [("PUT", "/status", Fate(seconds_before=1, seconds_after=1))] * 3
    desk.submit("first")
    first = asyncio.create_task(desk.reconcile("first"))
    await asyncio.sleep(0.5)
    # It would be the next, had the slot not just been promised.
    desk.submit("urgent", priority=1)
    await asyncio.gather(first, desk.reconcile("urgent"))
    assert len(desk.pod_names()) == 1
    assert (desk.status("first").phase, desk.status("urgent").phase) == (Phase.STARTING, Phase.QUEUED)


@in_virtual_time
async def test_the_end_of_an_attempt_wakes_the_next_in_line() -> None:
    desk = Desk(slots=1)
    await desk.start()
    desk.submit("patient")
    desk.submit("urgent", priority=1)
    desk.sleep()
    desk.show("evicted-node-memory")
    await desk.reconcile()
    assert desk.woken == ["radio/urgent"]


@in_virtual_time
async def test_the_next_in_line_starts_when_the_pod_of_a_deleted_job_is_gone() -> None:
    desk = Desk(slots=1)
    await desk.start()
    desk.submit("waits")
    await desk.reconcile("waits")
    assert desk.status("waits").phase is Phase.QUEUED
    desk.sleep()
    desk.store.remove(PLURAL, "radio", "fm-band")
    desk.look()
    assert desk.woken == []
    desk.take_away_pod()
    assert desk.woken == ["radio/waits"]


@in_virtual_time
async def test_a_reservation_whose_answer_was_lost_holds_its_slot() -> None:
    desk = Desk(slots=1)
    desk.submit("first")
    desk.fail("PUT", "/status", error=504, stored=True)
    with pytest.raises(ClusterError):
        await desk.reconcile("first")
    desk.put(PLURAL, "urgent", spec=job_body(priority=1)["spec"])
    desk.controller.store.see_job(desk.store.get(PLURAL, "radio", "urgent"))
    await desk.reconcile("urgent")
    await desk.reconcile("first")
    assert len(desk.pod_names()) == 1


# Namespaces that are another operator's


@in_virtual_time
async def test_where_another_operator_serves_nothing_is_asked_written_or_created() -> None:
    desk = Desk()
    desk.served = False
    desk.submit()
    assert await desk.reconcile() is None
    assert (desk.heard, desk.pod_names()) == ([], [])
    desk.served = True
    desk.controller.look_again("radio")
    assert desk.woken == [KEY]
    await desk.reconcile()
    assert len(desk.pod_names()) == 1


@in_virtual_time
async def test_a_namespace_that_is_lost_in_the_middle_of_a_reconcile_is_left_alone_at_once() -> None:
    """Before the write: nothing is written. After it: nothing that it authorises is done."""
    desk = Desk()
    desk.submit()
    lost = asyncio.create_task(desk.reconcile())
    desk.fates.append(("GET", "persistentvolumeclaims", Fate(seconds_after=5)))
    await asyncio.sleep(1)
    desk.served = False
    assert await lost is None
    assert (desk.written, desk.pod_names()) == ([], [])

    desk.served = True
    desk.fates.append(("PUT", "/status", Fate(seconds_after=5)))
    lost = asyncio.create_task(desk.reconcile())
    await asyncio.sleep(1)
    desk.served = False
    assert await lost is None
    assert (len(desk.written), desk.pod_names()) == (1, [])


@in_virtual_time
async def test_a_pod_is_not_deleted_where_another_operator_serves_by_now() -> None:
    desk = Desk()
    await desk.start()
    desk.put(PLURAL, "fm-band", spec=job_body(cancelled=True)["spec"])
    desk.look()
    desk.fates.append(("PUT", "/status", Fate(seconds_after=5)))
    lost = asyncio.create_task(desk.reconcile())
    await asyncio.sleep(1)
    desk.served = False
    await lost
    desk.look()
    await desk.reconcile()
    assert desk.requests("DELETE", "pods") == 0


@in_virtual_time
async def test_a_job_of_a_namespace_that_another_operator_serves_takes_no_slot_of_others() -> None:
    desk = Desk(slots=1)
    desk.served = False
    desk.submit("theirs")
    turn = desk.controller.slots.turn(read_job(desk.store.get(PLURAL, "radio", "theirs")))
    assert (turn.granted, turn.why) == (False, "")
    desk.served = True
    desk.controller.look_again("radio")
    desk.submit("ours")
    await desk.reconcile("theirs")
    await desk.reconcile("ours")
    assert desk.status("ours").phase is Phase.QUEUED
