"""Creations that are refused, and creations that come to nothing."""

import asyncio
import itertools
from contextlib import suppress
from datetime import timedelta

import pytest

from harness import virtual_time
from pods.shapes import Body
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"

# Creations that are refused


@in_virtual_time
async def test_a_refused_creation_is_told_at_once_and_tried_again_after_a_while() -> None:
    desk = Desk()
    desk.submit()
    desk.fail("POST", "/pods", error=403)
    assert await desk.reconcile() == 0.0
    assert await desk.reconcile() == 30
    assert (desk.status().phase, desk.status().reason) == (Phase.QUEUED, "Forbidden")
    await asyncio.sleep(29)
    await desk.reconcile()
    assert desk.requests("POST", "pods") == 1
    await asyncio.sleep(1)
    await desk.reconcile()
    assert (desk.requests("POST", "pods"), len(desk.pod_names())) == (2, 1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (403, 'violates PodSecurity "restricted:latest": seccompProfile'),
        (400, 'admission webhook "policy.example.org" denied the request: no'),
        (422, "ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no"),
    ],
)
@in_virtual_time
async def test_fault_43_what_a_policy_forbids_ends_the_job_at_the_first_answer(code: int, message: str) -> None:
    desk = Desk()
    desk.submit()
    desk.fail("POST", "/pods", times=9, error=code, message=message)
    assert await desk.reconcile() == 0.0
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodRejected")
    assert message in (desk.status().message or "")
    assert (desk.requests("POST", "pods"), len(desk.status().attempts)) == (1, 1)


async def hold(desk: Desk, hours: float) -> list[float]:
    """Look at the job whenever it wants to be looked at; the times between two tries to create its pod, in seconds."""
    times: list[float] = []
    until = virtual_time.now() + timedelta(hours=hours)
    while virtual_time.now() < until:
        before = desk.requests("POST", "pods")
        wait = await desk.reconcile()
        times += [virtual_time.now().timestamp()] * (desk.requests("POST", "pods") - before)
        desk.look()
        await asyncio.sleep(wait if wait is not None else 30)
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('User "operator" cannot create resource "pods" in API group ""', "Forbidden"),
        ('error looking up service account radio/a: serviceaccount "a" not found', "ServiceAccountNotFound"),
        ("exceeded quota: jobs, requested: pods=1", "QuotaExceeded"),
    ],
)
@in_virtual_time
async def test_fault_43_missing_rights_hold_a_job_for_as_long_as_it_takes_at_no_cost(message: str, reason: str) -> None:
    desk = Desk(slots=1, refusal_seconds=30.0, max_refusal_seconds=100.0)
    desk.submit()
    desk.fail("POST", "/pods", times=10_000, error=403, message=message)
    between = await hold(desk, hours=4)
    assert between[:4] == [30, 60, 100, 100]
    assert set(between[2:]) == {100}
    status = desk.status()
    assert (status.phase, status.reason, status.attempt) == (Phase.QUEUED, reason, 1)
    assert (status.retries.user, status.retries.infra) == (0, 0)
    desk.fates.clear()
    await hold(desk, hours=0.1)
    assert len(desk.pod_names()) == 1


@in_virtual_time
async def test_fault_44_a_namespace_that_is_being_deleted_holds_its_jobs_until_they_are_gone() -> None:
    desk = Desk()
    desk.submit()
    ending = "unable to create new content in namespace radio because it is being terminated"
    desk.fail("POST", "/pods", times=10_000, error=403, message=ending)
    assert max(await hold(desk, hours=6)) == 300
    assert (desk.status().phase, desk.status().reason) == (Phase.QUEUED, "NamespaceTerminating")
    assert (desk.status().retries.user, desk.status().retries.infra) == (0, 0)
    desk.store.remove(PLURAL, "radio", "fm-band")
    desk.look()
    asked = len(desk.heard)
    assert await desk.reconcile() is None
    assert len(desk.heard) == asked


# Creations that come to nothing


@in_virtual_time
async def test_row_15_a_pod_that_vanishes_each_time_it_is_created_is_given_up() -> None:
    desk = Desk()
    desk.submit()
    for _ in range(10):
        await desk.reconcile()
        for pod in desk.pod_names():
            desk.store.remove("pods", "radio", pod)
            desk.look()
        await asyncio.sleep(10)
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodVanishing")
    assert desk.requests("POST", "pods") == 6


@in_virtual_time
async def test_row_15_a_creation_that_fails_is_no_pod_that_vanished() -> None:
    desk = Desk()
    desk.submit()
    await desk.reconcile()
    desk.take_away_pod()
    desk.fail("POST", "/pods", times=8, error=500)
    for _ in range(20):
        await desk.reconcile()
        await asyncio.sleep(60)
    assert desk.requests("POST", "pods") == 10
    assert (desk.status().phase, len(desk.pod_names())) == (Phase.STARTING, 1)


@in_virtual_time
async def test_row_17_a_pod_that_is_being_created_has_its_slot_though_its_job_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(slots=1)
    create, sent = desk.cluster.create_pod, asyncio.Event()

    async def create_late(manifest: Body) -> object:
        sent.set()
        await asyncio.sleep(5)
        return await create(manifest)

    monkeypatch.setattr(desk.cluster, "create_pod", create_late)
    desk.submit("first")
    first = asyncio.create_task(desk.reconcile("first"))
    await sent.wait()
    desk.store.remove(PLURAL, "radio", "first")
    desk.submit("second")
    await desk.reconcile("second")
    assert desk.status("second").reason == "WaitingForSlot"
    await first
    await desk.reconcile("second")
    (orphan,) = desk.pod_names()
    assert orphan.startswith("first-")
    desk.store.remove("pods", "radio", orphan)
    desk.look()
    await desk.reconcile("second")
    assert [pod.startswith("second-") for pod in desk.pod_names()] == [True]


@in_virtual_time
async def test_row_37_a_job_whose_reservation_is_being_written_has_its_slot_though_the_lease_is_lost_for_a_while() -> (
    None
):
    desk = Desk(slots=1)
    desk.submit("first")
    desk.fail("PUT", "first", stored=True, seconds_before=5)
    first = asyncio.create_task(desk.reconcile("first"))
    await asyncio.sleep(1)
    desk.served = False
    desk.controller.slots.close("radio")
    desk.submit("second", priority=10)
    desk.served = True
    desk.controller.slots.open("radio")
    await desk.reconcile("second")
    assert desk.status("second").reason == "WaitingForSlot"
    await first
    assert [pod.startswith("first-") for pod in desk.pod_names()] == [True]


@in_virtual_time
async def test_an_operator_that_is_killed_before_each_creation_blames_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    async def kill(manifest: object) -> None:
        raise Killed

    desk = Desk()
    desk.submit()
    with monkeypatch.context() as patch:
        patch.setattr(desk.cluster, "create_pod", kill)
        for _ in range(20):
            with suppress(Killed):
                await desk.reconcile()
            await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, len(desk.pod_names())) == (Phase.STARTING, 1)
