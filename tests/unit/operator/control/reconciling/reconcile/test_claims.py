"""Claims that do not exist, or of which nothing is known; and what is remembered of jobs."""

import asyncio

import pytest

from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.control.reconciling.reconcile import Reconciler
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"


@pytest.mark.parametrize("error", [0, 403, 404, 429, 500])
@in_virtual_time
async def test_a_claim_of_which_nothing_is_known_does_not_hold_a_job_back(error: int) -> None:
    desk = Desk()
    desk.submit()
    desk.fail("GET", "/persistentvolumeclaims/", times=2, error=error)
    await desk.reconcile()
    assert len(desk.pod_names()) == 1


@in_virtual_time
async def test_a_claim_that_does_not_exist_holds_a_job_back_until_it_does() -> None:
    desk = Desk()
    claim = desk.store.remove("persistentvolumeclaims", "radio", "results")
    desk.submit()
    assert await desk.reconcile() == 60
    assert (desk.status().reason, desk.pod_names()) == ("PVCNotFound", [])
    desk.store.create("persistentvolumeclaims", claim)
    await desk.reconcile()
    assert desk.woken == [KEY]
    await desk.reconcile()
    assert len(desk.pod_names()) == 1


@in_virtual_time
async def test_a_claim_that_does_not_exist_is_said_while_others_have_the_slots() -> None:
    desk = Desk(slots=1)
    await desk.start("runs")
    desk.submit("waits", input={"claimName": "recordigns", "path": "fm.sigmf-meta"})
    await desk.reconcile("waits")
    assert desk.status("waits").reason == "PVCNotFound"
    assert "recordigns" in (desk.status("waits").message or "")


@in_virtual_time
async def test_a_claim_is_asked_for_once_in_a_while_for_all_jobs_that_name_it() -> None:
    desk = Desk(slots=9)
    for number in range(3):
        desk.submit(f"job-{number}")
        await desk.reconcile(f"job-{number}")
    assert desk.requests("GET", "persistentvolumeclaims") == 2
    desk.store.remove("persistentvolumeclaims", "radio", "results")
    await asyncio.sleep(31)
    desk.submit("late")
    await desk.reconcile("late")
    assert desk.status("late").reason == "PVCNotFound"


@in_virtual_time
async def test_nothing_is_remembered_of_a_job_that_is_gone_or_over() -> None:
    desk = Desk()
    await desk.start("gone")
    await desk.start("over")
    desk.store.remove(PLURAL, "radio", "gone")
    desk.show("succeeded", next(pod for pod in desk.pod_names() if pod.startswith("over-")))
    await desk.reconcile("over")
    (reconciler,) = [one for one in desk.controller.store.listeners if isinstance(one, Reconciler)]
    assert reconciler._notes == {}
