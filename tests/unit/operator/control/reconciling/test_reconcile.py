"""One reconcile: what is looked up, what is written and in which order, and what every refusal leads to."""

import asyncio
import itertools
from contextlib import suppress
from datetime import timedelta

import pytest

from harness import virtual_time
from harness.api.memory_cluster import Fate
from pods.jobs import job_body
from pods.shapes import Body
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.control.reconciling.reconcile import Reconciler
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
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


# The attempt's pod


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


def take_away(desk: Desk) -> Body:
    """The pod is gone, and the watch shows none."""
    (name,) = desk.pod_names()
    body = desk.store.remove("pods", "radio", name)
    desk.look()
    return body


@pytest.mark.parametrize("error", [0, 403, 404, 429, 500, 504])
@in_virtual_time
async def test_a_look_up_that_fails_changes_nothing(error: int) -> None:
    desk = Desk()
    await desk.start()
    take_away(desk)
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
    take_away(desk)
    assert await desk.reconcile() == 10
    assert desk.status().phase is Phase.RUNNING
    await asyncio.sleep(10)
    await desk.reconcile()
    assert (desk.status().phase, desk.status().reason) == (Phase.FAILED, "PodMissing")


@in_virtual_time
async def test_row_4_a_clock_that_is_set_back_delays_neither_a_missing_pod_nor_a_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    await desk.start()
    take_away(desk)
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
    body = take_away(desk)
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
    body = take_away(desk)
    desk.store.objects["pods", "radio", body["metadata"]["name"]] = body
    for _ in range(3):
        assert await desk.reconcile() == 10
        assert desk.status().phase is Phase.RUNNING


@in_virtual_time
async def test_the_last_that_a_watch_saw_of_a_pod_explains_why_it_is_gone() -> None:
    desk = Desk()
    await desk.start()
    desk.show("evicted-node-memory", told=False)
    take_away(desk)
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


# Claims


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
    take_away(desk)
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
