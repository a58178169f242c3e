"""Jobs that go, in virtual time: when their time is over, as they are then, at two requests each, and not before."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness import virtual_time
from harness.api.memory_cluster import CONNECTION_LOST, Fate
from pods.jobs import job_body
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.control.reconciling.expiry import Expiry
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.core.policy import Policy
from unit.operator.control.desk import Desk, in_virtual_time

DAY = 86_400


def over(desk: Desk, name: str = "fm-band", ttl: int | None = None, ago: float = 0, **metadata: Any) -> None:
    """A job that ended so many seconds ago."""
    said = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    desk.put(PLURAL, name, spec=job_body()["spec"] | said)
    end = virtual_time.now().timestamp() - ago
    ended = virtual_time.now().fromtimestamp(end, virtual_time.now().tzinfo).isoformat().replace("+00:00", "Z")
    condition = {"type": "Complete", "status": "True", "reason": "Completed", "lastTransitionTime": ended}
    status = {"observedGeneration": 1, "phase": "Succeeded", "completionTime": ended, "conditions": [condition]}
    stored = desk.store.get(PLURAL, "radio", name)
    desk.store.put(PLURAL, {**stored, "metadata": stored["metadata"] | metadata, "status": status})
    desk.look()


@asynccontextmanager
async def expiring(
    desk: Desk, serves: Callable[[str], bool] = lambda namespace: True, **policy: Any
) -> AsyncIterator[Expiry]:
    """While jobs go."""
    expiry = Expiry(desk.controller.store, desk.cluster, Policy(**policy), virtual_time.now, serves)
    task = asyncio.create_task(expiry.run())
    try:
        yield expiry
    finally:
        await cancelled(task)


def jobs(desk: Desk) -> list[str]:
    """Those that there are."""
    return [name for plural, _, name in desk.store.objects if plural == PLURAL]


@in_virtual_time
async def test_a_job_goes_when_its_time_is_over_and_not_before() -> None:
    desk = Desk()
    async with expiring(desk):
        over(desk, ttl=3600)
        await asyncio.sleep(3590)
        assert (jobs(desk), desk.heard) == (["fm-band"], [])
        metadata = desk.store.get(PLURAL, "radio", "fm-band")["metadata"]
        await asyncio.sleep(20)
    assert jobs(desk) == []
    assert [one.request.method for one in desk.heard] == ["GET", "DELETE"]
    assert desk.heard[-1].request.body == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        "propagationPolicy": "Background",
    }


@pytest.mark.parametrize(
    ("ttl", "default", "gone_after"),
    [(0, None, 0), (0, DAY, 0), (None, 0, 0), (None, None, 90 * DAY), (2 * DAY, 0, 2 * DAY), (None, DAY, DAY)],
)
@in_virtual_time
async def test_what_the_job_says_goes_before_the_default_and_nothing_said_is_never(
    ttl: int | None, default: int | None, gone_after: int
) -> None:
    desk = Desk()
    async with expiring(desk, default_ttl_seconds=default):
        over(desk, ttl=ttl)
        if gone_after:
            await asyncio.sleep(gone_after - 1)
            assert jobs(desk) == ["fm-band"]
        await asyncio.sleep(2)
    assert jobs(desk) == (["fm-band"] if ttl is default is None else [])


@in_virtual_time
async def test_a_job_that_is_not_over_stays() -> None:
    desk = Desk()
    async with expiring(desk, default_ttl_seconds=0):
        await desk.start(ttlSecondsAfterFinished=0)
        await asyncio.sleep(10 * DAY)
        assert jobs(desk) == ["fm-band"]
        desk.show("succeeded")
        await desk.reconcile()
        await asyncio.sleep(1)
    assert jobs(desk) == []


@in_virtual_time
async def test_what_ended_long_ago_goes_at_once_one_after_the_other_for_two_requests_each() -> None:
    """After a long time without an operator, say. Each answer takes a tenth of a second."""
    desk = Desk()
    for number in range(100):
        over(desk, f"job-{number}", ttl=60, ago=30 * DAY)
    over(desk, "young", ttl=60)
    desk.fates += [(method, PLURAL, Fate(seconds_after=0.1)) for _ in range(100) for method in ("GET", "DELETE")]
    async with expiring(desk) as expiry:
        for job in ("young", *(f"job-{number}" for number in range(100))):
            found = desk.controller.store.job(f"radio/{job}")
            assert found is not None
            expiry.job_changed(found)
        await asyncio.sleep(10)
        assert 45 <= len(jobs(desk)) <= 55
        await asyncio.sleep(11)
        assert jobs(desk) == ["young"]
        assert len(desk.heard) == 200
        await asyncio.sleep(60)
    assert jobs(desk) == []


@in_virtual_time
async def test_thousands_that_wait_cost_neither_a_request_nor_a_timer_each() -> None:
    desk = Desk()
    async with expiring(desk):
        before = len(asyncio.all_tasks())
        for number in range(2000):
            over(desk, f"job-{number}", ttl=7 * DAY + number)
        timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        await asyncio.sleep(6 * DAY + 5)
        assert (len(jobs(desk)), desk.heard) == (2000, [])
        assert (len(asyncio.all_tasks()), len([one for one in timers if not one.cancelled()])) == (before, 1)


@pytest.mark.parametrize(("edit", "stays"), [({"ttlSecondsAfterFinished": DAY}, True), ({"priority": 5}, False)])
@in_virtual_time
async def test_a_persons_edit_in_the_same_second_wins(edit: dict[str, Any], stays: bool) -> None:
    """It comes between the look and the deletion: that is refused, and the job is looked at again as it is now."""
    desk = Desk()
    desk.fates.append(("DELETE", PLURAL, Fate(seconds_before=0.5)))
    async with expiring(desk):
        over(desk, ttl=10)
        await asyncio.sleep(10.2)
        desk.put(PLURAL, "fm-band", spec=desk.store.get(PLURAL, "radio", "fm-band")["spec"] | edit)
        await asyncio.sleep(5)
        assert [one.code for one in desk.heard if one.request.method == "DELETE"] == ([409] if stays else [409, 200])
        assert jobs(desk) == (["fm-band"] if stays else [])
        await asyncio.sleep(DAY)
    assert jobs(desk) == []


@in_virtual_time
async def test_an_edit_that_no_watch_has_told_of_is_seen_before_the_deletion() -> None:
    desk = Desk()
    async with expiring(desk):
        over(desk, ttl=10)
        desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
        await asyncio.sleep(DAY)
    assert jobs(desk) == ["fm-band"]
    assert (desk.requests("GET", PLURAL), desk.requests("DELETE", PLURAL)) == (1, 0)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("error", [CONNECTION_LOST, 403, 500])
@in_virtual_time
async def test_an_edit_that_is_told_of_while_a_request_fails_counts(method: str, error: int) -> None:
    desk = Desk()
    desk.fates.append((method, PLURAL, Fate(seconds_before=0.2, seconds_after=1, error=error, stored=False)))
    async with expiring(desk):
        over(desk, ttl=10)
        await asyncio.sleep(10.5)
        desk.put(PLURAL, "fm-band", spec=job_body()["spec"] | {"ttlSecondsAfterFinished": DAY})
        desk.look()
        await asyncio.sleep(DAY - 60)
        assert jobs(desk) == ["fm-band"]
        await asyncio.sleep(120)
    assert jobs(desk) == []


@in_virtual_time
async def test_another_job_of_the_same_name_stays() -> None:
    desk = Desk()
    async with expiring(desk):
        over(desk, ttl=10)
        desk.store.remove(PLURAL, "radio", "fm-band")
        desk.store.create(PLURAL, {**job_body(), "metadata": {"namespace": "radio", "name": "fm-band"}})
        await asyncio.sleep(DAY)
    assert jobs(desk) == ["fm-band"]
    assert desk.requests("DELETE", PLURAL) == 0


@in_virtual_time
async def test_what_a_finalizer_of_others_keeps_is_asked_for_once() -> None:
    desk = Desk()
    async with expiring(desk):
        over(desk, ttl=10, finalizers=["example.org/keep"])
        for _ in range(10):
            await asyncio.sleep(20)
            desk.look()
    assert jobs(desk) == ["fm-band"]
    assert (desk.requests("GET", PLURAL), desk.requests("DELETE", PLURAL)) == (2, 1)


@in_virtual_time
async def test_where_another_operator_acts_jobs_stay_until_this_one_does() -> None:
    desk, served = Desk(), False
    async with expiring(desk, lambda namespace: served) as expiry:
        over(desk, ttl=10)
        await asyncio.sleep(DAY)
        assert (jobs(desk), desk.heard) == (["fm-band"], [])
        served = True
        expiry.look_again("elsewhere")
        await asyncio.sleep(1)
        assert jobs(desk) == ["fm-band"]
        expiry.look_again("radio")
        await asyncio.sleep(1)
    assert jobs(desk) == []


@in_virtual_time
async def test_a_lease_that_changes_hands_all_the_time_makes_no_line_longer() -> None:
    desk = Desk()
    async with expiring(desk) as expiry:
        for name in ("a", "b", "c"):
            over(desk, name, ttl=DAY)
        for namespace in ("radio", None, "elsewhere") * 100:
            expiry.look_again(namespace)
        assert len(expiry._line) == 3
        await asyncio.sleep(DAY + 10)
    assert jobs(desk) == []
    assert (desk.requests("GET", PLURAL), desk.requests("DELETE", PLURAL)) == (3, 3)


@in_virtual_time
async def test_without_the_right_to_delete_jobs_it_asks_once_an_hour() -> None:
    desk = Desk()
    desk.fail("DELETE", PLURAL, times=1000, error=403)
    async with expiring(desk):
        for number in range(50):
            over(desk, f"job-{number}", ttl=10)
        await asyncio.sleep(10 * 3600 + 60)
        assert 10 <= desk.requests("DELETE", PLURAL) <= 12
        desk.fates.clear()
        await asyncio.sleep(3600)
    assert jobs(desk) == []


@in_virtual_time
async def test_an_api_server_that_is_away_is_asked_ever_more_rarely() -> None:
    desk = Desk()
    desk.fail("GET", PLURAL, times=1000, error=CONNECTION_LOST)
    async with expiring(desk):
        for number in range(50):
            over(desk, f"job-{number}", ttl=10)
        await asyncio.sleep(1800)
        assert len(desk.heard) <= 40
        desk.fates.clear()
        await asyncio.sleep(61)
    assert jobs(desk) == []
