"""When an attempt's pod is looked for, and when it counts as missing."""

import asyncio
from datetime import timedelta

import pytest

from harness import virtual_time
from harness.api.store import PODS
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.reconciling.reconcile import Reconciler
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"


@in_virtual_time
async def test_a_pod_that_the_watch_does_not_show_yet_is_looked_for_before_it_is_created_again() -> None:
    desk = Desk()
    desk.submit()
    desk.fail("POST", "/pods", error=504, stored=True)
    assert await desk.reconcile() == 0.0
    await asyncio.sleep(QUICK_START_SECONDS)
    await desk.reconcile()
    attempt = desk.status().attempts[0]
    (name,) = desk.pod_names()
    assert attempt.pod_uid == desk.store.get("pods", "radio", name)["metadata"]["uid"]


@in_virtual_time
async def test_a_pod_of_the_attempt_s_name_that_belongs_to_somebody_else_is_never_adopted() -> None:
    desk = Desk()
    desk.submit()
    desk.fail("POST", "/pods", error=500)
    await desk.reconcile()
    name = desk.status().pod_name or ""
    desk.put("pods", name, spec={}, metadata={"namespace": "radio", "name": name})
    desk.look()
    await asyncio.sleep(60)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodNameCollision")
    assert desk.status().attempts[0].pod_uid is None
    assert desk.pod_names() == [name]
    assert desk.requests("DELETE", "pods") == 0


@pytest.mark.parametrize("error", [0, 403, 404, 429, 500, 504])
@in_virtual_time
async def test_a_look_up_that_fails_changes_nothing(error: int) -> None:
    desk = Desk()
    await desk.start()
    desk.take_away_pod()
    desk.fail("GET", "/pods/", times=9, error=error)
    for _ in range(9):
        before = desk.status()
        assert await desk.reconcile() == 10
        assert desk.status() == before
        await asyncio.sleep(60)


@in_virtual_time
async def test_a_pod_is_missing_after_two_look_ups_ten_seconds_apart() -> None:
    desk = Desk()
    await desk.start()
    desk.take_away_pod()
    assert await desk.reconcile() == 10
    assert desk.status().phase is Phase.RUNNING
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodMissing")


@in_virtual_time
async def test_another_pod_of_the_name_does_not_hide_that_the_attempt_s_own_is_missing() -> None:
    desk = Desk()
    await desk.start()
    gone = desk.take_away_pod()
    metadata = {name: gone["metadata"][name] for name in ("namespace", "name", "labels", "ownerReferences")}
    desk.store.create(PODS, {"metadata": metadata, "spec": gone["spec"], "status": {"phase": "Running"}})
    desk.look()
    assert await desk.reconcile() == 10
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodMissing")


@in_virtual_time
async def test_row_1_the_pod_of_a_lost_node_is_deleted_without_waiting_for_it() -> None:
    desk = Desk(hard_seconds=20_000, soft_seconds=19_000)
    await desk.start()
    desk.show("phase-unknown")
    for _ in range(60):
        await desk.reconcile()
        await asyncio.sleep(60)
    deletions = [one.request.body for one in desk.heard if one.request.method == "DELETE"]
    assert {body["gracePeriodSeconds"] for body in deletions if body is not None} == {0}


@in_virtual_time
async def test_row_4_a_clock_that_is_set_back_delays_neither_a_missing_pod_nor_a_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    await desk.start()
    desk.take_away_pod()
    await desk.reconcile()
    reconciler = next(one for one in desk.controller.store.listeners if isinstance(one, Reconciler))
    monkeypatch.setattr(reconciler, "_clock", lambda: virtual_time.now() - timedelta(hours=5))
    desk.store.remove("persistentvolumeclaims", "radio", "results")
    desk.submit("late")
    await desk.reconcile("late")
    assert desk.status("late").reason == "PVCNotFound"
    await desk.reconcile()
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodMissing")


@in_virtual_time
async def test_a_pod_that_was_seen_again_is_missing_only_after_two_more_look_ups() -> None:
    desk = Desk()
    await desk.start()
    body = desk.take_away_pod()
    key = ("pods", "radio", body["metadata"]["name"])
    await desk.reconcile()
    await asyncio.sleep(60)
    desk.store.objects[key] = body
    await desk.reconcile()
    del desk.store.objects[key]
    assert await desk.reconcile() == 10
    assert desk.status().phase is Phase.RUNNING


@in_virtual_time
async def test_a_pod_that_no_watch_shows_is_looked_up_again_and_again() -> None:
    """Somebody took its label away."""
    desk = Desk()
    await desk.start()
    body = desk.take_away_pod()
    desk.store.objects["pods", "radio", body["metadata"]["name"]] = body
    for _ in range(3):
        assert await desk.reconcile() == 10
        assert desk.status().phase is Phase.RUNNING


@in_virtual_time
async def test_the_last_that_a_watch_saw_of_a_pod_explains_why_it_is_gone() -> None:
    desk = Desk()
    await desk.start()
    desk.show("evicted-node-memory", told=False)
    desk.take_away_pod()
    await desk.reconcile()
    assert (desk.status().phase, desk.status().attempts[0].reason) == (Phase.RETRYING, "Evicted")


@pytest.mark.parametrize("error", [404, 500])
@in_virtual_time
async def test_what_a_watch_tells_while_a_pod_is_looked_for_counts(error: int) -> None:
    desk = Desk()
    await desk.start()
    desk.controller.store.hold_against(set(), desk.store.version, None)  # a list lacks it; the watch is late
    desk.show("evicted-node-memory", told=False)
    desk.store.remove("pods", "radio", desk.pod_names()[0])
    desk.fail("GET", "/pods/", seconds_before=20.0, error=error, stale=error == 404)
    looking = asyncio.create_task(desk.reconcile())
    await asyncio.sleep(10)
    desk.look()
    await looking
    assert (desk.status().phase, desk.status().attempts[0].reason) == (Phase.RETRYING, "Evicted")
