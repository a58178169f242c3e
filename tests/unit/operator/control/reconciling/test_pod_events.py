"""Events of pods: read where these do not start, once in five minutes, and never in the way of anything."""

import asyncio
import logging
from typing import Any

import pytest

from spectrogram_operator.control.cluster.kubernetes import MOST_EVENTS
from spectrogram_operator.control.reconciling import pod_events
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
from spectrogram_operator.core.status import find_condition
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
    selector = f"involvedObject.uid={uid}"
    assert (asked.namespace, asked.query) == ("radio", {"fieldSelector": selector, "limit": str(MOST_EVENTS)})


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
    warn(desk, "all is well", "SuccessfulAttachVolume", type="Normal")
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


@pytest.mark.parametrize(
    "shape",
    [
        "running",
        "init-hangs",
        "sidecar-crashes",
        "image-pull-error",
        "claim-not-found",
        "just-created",
        "scheduling-gated",
    ],
)
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
        "The operator may not list events: why pods do not start is told as far as they say it"
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


ADDS = "pod triggered scale-up: [{workers 0->1 (max: 5)}]"
FULL = "pod didn't trigger scale-up: 1 max node group size reached"
SCHEDULER = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available."


def autoscale(desk: Desk, reason: str = "TriggeredScaleUp", message: Any = ADDS, **event: Any) -> str:
    """The cluster autoscaler posts an event about the pod that there is; its name."""
    return warn(desk, message, reason, **{"type": "Normal", "source": {"component": "cluster-autoscaler"}, **event})


async def without_a_node(desk: Desk) -> None:
    """A pod that has fitted on no node for half a minute."""
    await desk.start(shape="unschedulable")
    await asyncio.sleep(30)
    desk.heard.clear()


@in_virtual_time
async def test_a_pod_that_waits_for_a_node_says_that_one_is_added() -> None:
    desk = Desk()
    await desk.start(shape="unschedulable")
    autoscale(desk)
    await desk.reconcile()
    assert (desk.requests("GET", "events"), desk.status().message) == (0, SCHEDULER), "an autoscaler needs a moment"
    await asyncio.sleep(30)
    assert await desk.reconcile() == 300
    status = desk.status()
    words = f"the cluster autoscaler adds a node for it: {ADDS}; the scheduler: {SCHEDULER}"
    assert (status.phase, status.reason, status.message) == ("Pending", "Unschedulable", words)
    running = find_condition(status.conditions, "Running")
    assert running is not None
    assert (running.status, running.message) == ("False", words)
    for _ in range(29):
        await asyncio.sleep(10)
        await desk.reconcile()
    assert desk.requests("GET", "events") == 1, "it stands until events are read again"
    autoscale(desk, "FailedScaleUp", "GCE out of resources", type="Warning")
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().message or "").startswith("the cluster autoscaler could not add a node for it: GCE out of")


@in_virtual_time
async def test_a_pod_that_no_autoscaler_speaks_of_says_what_the_scheduler_says() -> None:
    desk = Desk()
    await without_a_node(desk)
    for _ in range(2):
        await desk.reconcile()
    assert (desk.requests("GET", "events"), desk.status().message) == (1, SCHEDULER)


@in_virtual_time
async def test_a_node_that_came_ends_what_was_said_of_it_and_its_volumes_are_asked_for() -> None:
    desk = Desk()
    await without_a_node(desk)
    autoscale(desk)
    await desk.reconcile()
    assert "adds a node" in (desk.status().message or "")
    desk.show("container-creating")
    await desk.reconcile()
    assert desk.status().message == "the node is starting the pod"
    warn(desk)
    await asyncio.sleep(120)
    await desk.reconcile()
    assert desk.status().message == f"the pod does not start: {MULTI_ATTACH}"
    assert desk.requests("GET", "events") == 2


@in_virtual_time
async def test_a_node_that_is_being_made_does_not_lengthen_the_wait_for_one() -> None:
    desk = Desk(pending_seconds=40)
    await desk.start(shape="unschedulable")
    autoscale(desk)
    await asyncio.sleep(20)
    await desk.reconcile()
    assert "adds a node" in (desk.status().message or ""), "where there is less time it is read after half of it"
    await asyncio.sleep(20)
    await desk.reconcile()
    (attempt,) = desk.status().attempts
    assert (attempt.reason, ADDS in (attempt.message or "")) == ("PendingTimeout", True)


@pytest.mark.parametrize("message", ["\x1b[31mno\nnode " + "x" * 9000, 5, None, {"a": 1}, ["x"]])
@in_virtual_time
async def test_what_an_autoscaler_says_is_bounded_and_leaves_the_schedulers_words_their_place(message: Any) -> None:
    desk = Desk()
    await without_a_node(desk)
    autoscale(desk, message=message, source="forged")
    await desk.reconcile()
    text = desk.status().message or ""
    assert text.startswith("the cluster autoscaler adds a node for it: ")
    assert text.endswith(f"; the scheduler: {SCHEDULER}")
    assert text.isprintable()
    assert len(text) < 450


@in_virtual_time
async def test_where_very_many_pods_wait_the_events_of_some_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_events, "MOST_PODS", 3)
    desk = Desk(slots=10)
    names = [f"job-{number}" for number in range(10)]
    for name in names:
        desk.submit(name)
        await desk.reconcile(name)
        await desk.reconcile(name)
    desk.look()
    for pod in desk.pod_names():
        desk.show("unschedulable", pod)
    for _ in range(30):
        await asyncio.sleep(30)
        for name in names:
            await desk.reconcile(name)
    assert desk.requests("GET", "events") == 3 * 3, "three in five minutes, for a quarter of an hour"
    assert {desk.status(name).message for name in names} == {SCHEDULER}
