"""What is written and in which order, and what becomes of writes that conflict."""

import asyncio

import pytest

from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import ClusterError
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"

# The order of things


@in_virtual_time
async def test_the_status_that_reserves_an_attempt_is_written_before_its_pod_is_created() -> None:
    desk = Desk()
    desk.submit()
    await desk.reconcile()
    writes = [(one.request.method, one.request.plural) for one in desk.heard if one.request.method in ("PUT", "POST")]
    assert writes == [("PUT", PLURAL), ("POST", "pods")]
    assert [event.reason for event in desk.told] == ["AttemptStarted"]
    assert desk.pod_names() == [desk.status().pod_name]


@pytest.mark.parametrize("error", [0, 409, 429, 500, 504])
@in_virtual_time
async def test_no_pod_is_created_and_nobody_is_told_unless_the_write_won(error: int) -> None:
    desk = Desk()
    desk.submit()
    desk.fail("PUT", "/status", times=9, error=error)
    with pytest.raises(ClusterError):
        await desk.reconcile()
    assert (desk.pod_names(), desk.told, desk.written) == ([], [], [])


@in_virtual_time
async def test_what_is_true_already_is_not_written() -> None:
    desk = Desk()
    await desk.start()
    written = len(desk.written)
    for _ in range(3):
        await desk.reconcile()
    assert len(desk.written) == written


@in_virtual_time
async def test_a_job_that_is_over_and_has_no_pods_costs_no_request() -> None:
    desk = Desk()
    desk.submit(cancelled=True)
    await desk.reconcile()
    assert desk.status().phase is Phase.CANCELLED
    desk.look()
    desk.heard.clear()
    assert await desk.reconcile() is None
    assert desk.heard == []


# Writes that conflict


@in_virtual_time
async def test_after_a_conflict_the_job_is_read_and_planned_anew() -> None:
    desk = Desk()
    desk.submit()
    desk.put(PLURAL, "fm-band", spec=desk.store.get(PLURAL, "radio", "fm-band")["spec"] | {"suspend": True})
    await desk.reconcile()
    assert (desk.status().phase, desk.pod_names()) == (Phase.SUSPENDED, [])
    assert desk.requests("PUT", PLURAL) == 2


@in_virtual_time
async def test_a_write_whose_answer_was_lost_is_found_done() -> None:
    desk = Desk()
    desk.submit()
    desk.fail("PUT", "/status", error=504, stored=True)
    with pytest.raises(ClusterError):
        await desk.reconcile()
    await desk.reconcile()
    assert desk.status().attempt == 1
    assert desk.pod_names() == [desk.status().pod_name]


@in_virtual_time
async def test_after_five_conflicts_the_work_queue_waits_and_the_job_is_known_as_it_is() -> None:
    desk = Desk()
    desk.submit()
    desk.fail("PUT", "/status", times=9, error=409)
    with pytest.raises(ClusterError):
        await desk.reconcile()
    assert (desk.requests("PUT", PLURAL), desk.requests("GET", PLURAL)) == (5, 5)


@in_virtual_time
async def test_what_was_written_counts_while_the_watch_still_shows_what_was_before() -> None:
    desk = Desk()
    desk.submit()
    await desk.reconcile()
    desk.heard.clear()
    for _ in range(3):
        await desk.reconcile()
    assert desk.heard == []
    assert desk.status().attempt == 1
    assert len(desk.pod_names()) == 1


@pytest.mark.parametrize("anew", [False, True])
@in_virtual_time
async def test_a_job_that_is_gone_or_another_by_now_is_left_alone(anew: bool) -> None:
    desk = Desk()
    desk.submit()
    former = desk.store.remove(PLURAL, "radio", "fm-band")
    if anew:
        desk.put(PLURAL, "fm-band", spec=former["spec"])
    assert await desk.reconcile() is None
    assert desk.controller.store.job(KEY) is None
    assert desk.pod_names() == []
    if anew:
        assert desk.status().phase is None


# Words


def unschedulable(desk: Desk, words: str) -> None:
    """The scheduler says this of the one pod, and the watch tells of it."""
    (name,) = desk.pod_names()
    pod = desk.store.get("pods", "radio", name)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    desk.put("pods", name, status={**pod["status"], "conditions": [condition]})
    desk.look()


@in_virtual_time
async def test_a_status_of_which_only_the_words_change_is_written_every_30_s_and_with_the_last_of_them() -> None:
    desk = Desk()
    await desk.start(shape="unschedulable")
    for words in ("0/3 nodes are available", "0/4 nodes are available", "0/5 nodes are available"):
        unschedulable(desk, words)
        written = len(desk.written)
        wait = await desk.reconcile()
    assert desk.status().message == "0/3 nodes are available"
    assert (len(desk.written), wait) == (written, 30.0)
    await asyncio.sleep(30)
    await desk.reconcile()
    assert desk.status().message == "0/5 nodes are available"


@in_virtual_time
async def test_what_happens_does_not_wait_for_words() -> None:
    desk = Desk()
    await desk.start(shape="unschedulable")
    unschedulable(desk, "0/3 nodes are available")
    await desk.reconcile()
    desk.show("running")
    await desk.reconcile()
    assert desk.status().phase is Phase.RUNNING
