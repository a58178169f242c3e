"""Events of volumes: read for pods that do not start, once in five minutes, and never in the way of anything."""

import asyncio
import logging
from typing import Any

import pytest

from spectrogram_operator.control.cluster.kubernetes import MOST_WARNINGS
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
from unit.operator.control.desk import Desk, in_virtual_time

MULTI_ATTACH = 'Multi-Attach error for volume "pvc-1": volume is already used by pod(s) fm-band-a0'


def warn(desk: Desk, message: Any = MULTI_ATTACH, reason: str = "FailedAttachVolume", **event: Any) -> str:
    """Somebody posts an event about the pod that there is; its name."""
    (pod,) = desk.pod_names()
    about = {"kind": "Pod", "name": pod, "uid": desk.store.get("pods", "radio", pod)["metadata"]["uid"]}
    content = {"involvedObject": about, "type": "Warning", "reason": reason, "message": message, **event}
    name = f"event-{desk.store.version:04}"
    desk.put("events", name, **content)
    return name


async def late(desk: Desk, shape: str = "container-creating") -> None:
    """A pod that a node took two minutes ago and has not started."""
    await desk.start(shape=shape)
    await asyncio.sleep(120)
    desk.heard.clear()


@in_virtual_time
async def test_row_13_the_event_that_names_a_volume_is_read_and_told() -> None:
    desk = Desk()
    await desk.start(shape="container-creating")
    warn(desk)
    await asyncio.sleep(QUICK_START_SECONDS)
    assert await desk.reconcile() == 120 - QUICK_START_SECONDS
    assert (desk.requests("GET", "events"), desk.status().message) == (0, "the node is starting the pod")
    await asyncio.sleep(120 - QUICK_START_SECONDS)
    assert await desk.reconcile() == 300
    assert desk.status().message == f"the pod does not start: {MULTI_ATTACH}"
    written = len(desk.written)
    for _ in range(20):
        await asyncio.sleep(10)
        await desk.reconcile()
    assert len(desk.written) == written, "it stands until events are read again"
    (asked,) = [one.request for one in desk.heard if one.request.plural == "events"]
    (pod,) = desk.pod_names()
    uid = desk.store.get("pods", "radio", pod)["metadata"]["uid"]
    selector = f"involvedObject.uid={uid},type=Warning"
    assert (asked.namespace, asked.query) == ("radio", {"fieldSelector": selector, "limit": str(MOST_WARNINGS)})


@in_virtual_time
async def test_row_13_where_a_pod_has_less_time_its_events_are_read_after_half_of_it() -> None:
    desk = Desk(startup_seconds=60)
    await desk.start(shape="container-creating")
    warn(desk)
    await asyncio.sleep(29)
    await desk.reconcile()
    assert desk.requests("GET", "events") == 0
    await asyncio.sleep(1)
    await desk.reconcile()
    assert desk.status().message == f"the pod does not start: {MULTI_ATTACH}"
    await asyncio.sleep(30)
    await desk.reconcile()
    assert (desk.status().attempts[0].reason, MULTI_ATTACH in (desk.status().attempts[0].message or "")) == (
        "StartupTimeout",
        True,
    )


@in_virtual_time
async def test_row_13_events_are_read_every_five_minutes_however_often_the_job_is_looked_at() -> None:
    desk = Desk()
    await late(desk)
    for _ in range(299):
        assert await desk.reconcile() is not None
        await asyncio.sleep(1)
    assert desk.requests("GET", "events") == 1
    assert "volumes and its network" in (desk.status().message or ""), "there was no event yet"
    warn(desk)
    await asyncio.sleep(1)
    await desk.reconcile()
    assert (desk.requests("GET", "events"), desk.status().message) == (2, f"the pod does not start: {MULTI_ATTACH}")
    await asyncio.sleep(300)
    desk.fail("GET", "/events", error=500)
    written = len(desk.written)
    await desk.reconcile()
    assert (desk.requests("GET", "events"), len(desk.written)) == (3, written), "no answer is no news"


@in_virtual_time
async def test_row_13_the_newest_event_counts_and_others_say_nothing_of_volumes() -> None:
    desk = Desk()
    await desk.start(shape="container-creating")
    first = warn(desk, "an old trouble", "FailedMount")
    warn(desk, "the newer one", "FailedMount")
    warn(desk, "another pod's", involvedObject={"kind": "Pod", "uid": "another"})
    warn(desk, "not about volumes", "PolicyViolation")
    warn(desk, "all is well", type="Normal")
    desk.put("events", first, message="the old one, again", count=2)
    await asyncio.sleep(120)
    await desk.reconcile()
    assert desk.status().message == "the pod does not start: the old one, again"


@in_virtual_time
async def test_row_13_a_volume_that_came_after_all_is_no_cause() -> None:
    desk = Desk()
    await desk.start(shape="container-creating")
    warn(desk)
    warn(desk, "the network is not ready", "FailedCreatePodSandBox")
    await asyncio.sleep(120)
    await desk.reconcile()
    assert "volumes and its network" in (desk.status().message or "")


@pytest.mark.parametrize("shape", ["running", "init-hangs", "sidecar-crashes", "image-pull-error", "unschedulable"])
@in_virtual_time
async def test_row_13_no_events_are_read_of_a_pod_that_is_not_late_or_says_itself_why(shape: str) -> None:
    desk = Desk()
    await late(desk, shape)
    warn(desk)
    for _ in range(10):
        await desk.reconcile()
        await asyncio.sleep(30)
    assert desk.requests("GET", "events") == 0
    assert "Multi-Attach" not in (desk.status().message or "")


@pytest.mark.parametrize("error", [0, 403, 404, 429, 500, 504])
@in_virtual_time
async def test_row_13_events_that_cannot_be_read_are_no_trouble_and_no_storm(error: int) -> None:
    desk = Desk()
    await late(desk)
    warn(desk)
    desk.fail("GET", "/events", times=9, error=error)
    for _ in range(10):
        assert await desk.reconcile() is not None
        await asyncio.sleep(29)
    assert desk.requests("GET", "events") == 1
    assert "volumes and its network" in (desk.status().message or "")
    desk.fates.clear()
    await asyncio.sleep(10)
    await desk.reconcile()
    assert "Multi-Attach" in (desk.status().message or "")


@in_virtual_time
async def test_row_13_a_missing_right_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk()
    desk.fail("GET", "/events", times=9, error=403)
    await late(desk)
    for _ in range(2):
        await desk.reconcile()
        await asyncio.sleep(300)
    assert desk.requests("GET", "events") == 2
    assert [record.getMessage() for record in caplog.records if "events" in record.getMessage()] == [
        "The operator may not list events: why volumes are not there is not told"
    ]


@pytest.mark.parametrize("message", ["\x1b[31mno\nvolume " + "x" * 9000, 5, None, {"a": 1}, ["x"]])
@in_virtual_time
async def test_row_13_what_an_event_says_is_bounded_and_one_line(message: Any) -> None:
    desk = Desk()
    await late(desk)
    warn(desk, message)
    await desk.reconcile()
    text = desk.status().message or ""
    assert text.startswith("the pod does not start: ")
    assert text.isprintable()
    assert len(text) <= 1024
