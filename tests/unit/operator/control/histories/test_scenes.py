"""Scenes in which one thing goes wrong for the operator: what it does then, and where it does wrong today."""

import asyncio
from collections import Counter

import pytest

from harness import virtual_time
from harness.api.memory_cluster import CONNECTION_LOST, Fate
from harness.api.store import PODS
from spectrogram_operator.api.names import LEASE_OF_ALL, PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.reconciling.notes import QUIET_SECONDS
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
from spectrogram_operator.core.status import is_over
from unit.operator.control.histories.scene import Misfortune, Scene, limited, scene
from unit.operator.control.rules.process import NEVER, STUCK


def fails(code: int, **fate: bool) -> Fate:
    return Fate(error=code, stored=fate.get("stored", False))


async def run_first_attempt(stage: Scene, job: str = "fm-band") -> None:
    """The job is submitted, and its first pod runs."""
    stage.world.submit(job, retry={"limit": 3, "zombies": "Retry"})
    await asyncio.sleep(2)
    stage.world.show(stage.pods(job)[-1], "running")
    await asyncio.sleep(2)


@scene(operators=2)
async def test_an_operator_with_an_old_view_creates_no_pod_beside_one_that_runs(stage: Scene) -> None:
    stage.misfortunes += [
        Misfortune("POST", PODS, Fate(seconds_before=2), operator="operator-1"),
        Misfortune("GET", PODS, fails(500), times=5, operator="operator-2", of_one=True),
    ]
    await stage.start()
    stage.world.submit("fm-band", retry={"limit": 3})
    await asyncio.sleep(1)
    stage.lags |= {("operator-2", PODS): NEVER, ("operator-2", PLURAL): NEVER}
    await stage.start("operator-2")
    await asyncio.sleep(3)
    stage.world.show(stage.pods()[0], "exit-75-transient-error")
    await asyncio.sleep(3)
    stage.world.remove(stage.pods()[0])
    await asyncio.sleep(15)
    stage.world.show(stage.pods()[0], "running")
    assert stage.job().status.attempt == 2
    await asyncio.sleep(60)


@scene(policy=limited(2))
async def test_a_deleted_job_holds_its_slot_while_its_pod_runs(stage: Scene) -> None:
    stage.lags["operator-1", PODS] = 30.0
    await stage.start()
    for name in ("fm-band", "am-band", "hf-band"):
        stage.world.submit(name)
    await asyncio.sleep(5)
    stage.world.show(stage.pods("fm-band")[0], "running")
    stage.world.delete_job("fm-band")
    await asyncio.sleep(5)


@scene(policy=limited(2))
async def test_a_pod_that_a_sidecar_keeps_alive_holds_its_slot(stage: Scene) -> None:
    stage.lags["operator-1", PODS] = 30.0
    stage.misfortunes.append(Misfortune("DELETE", PODS, Fate(seconds_before=60)))
    await stage.start()
    for name in ("fm-band", "am-band", "hf-band"):
        stage.world.submit(name)
    await asyncio.sleep(5)
    stage.world.show(stage.pods("fm-band")[0], "running")
    stage.world.show(stage.pods("fm-band")[0], "sidecar-outlives-success")
    stage.world.wish("fm-band", priority=1)
    await asyncio.sleep(20)


@scene()
async def test_no_attempt_begins_beside_a_pod_that_a_sidecar_keeps_alive(stage: Scene) -> None:
    stage.lags["operator-1", PODS] = 60.0
    stage.misfortunes.append(Misfortune("DELETE", PODS, fails(504)))
    await stage.start()
    stage.world.submit("fm-band", retry={"limit": 3, "zombies": "Retry"})
    await asyncio.sleep(5)
    stage.world.show(stage.pods()[0], "running")
    stage.world.show(stage.pods()[0], "sidecar-outlives-oom-killed")
    stage.world.wish("fm-band", priority=1)
    await asyncio.sleep(30)


@scene()
async def test_a_conflict_is_read_again_and_needs_no_event(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    stage.lags["operator-1", PLURAL] = NEVER
    stage.world.wish("fm-band", priority=5)
    await asyncio.sleep(1)
    stage.world.show(stage.pods()[0], "succeeded")
    await asyncio.sleep(1)
    assert stage.job().status.phase is Phase.SUCCEEDED


@scene()
async def test_an_api_server_that_is_away_is_asked_ever_more_rarely(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    stage.misfortunes.append(Misfortune("PUT", PLURAL, fails(CONNECTION_LOST), times=10**6))
    stage.requests.clear()
    stage.world.show(stage.pods()[0], "succeeded")
    await asyncio.sleep(600)
    assert 5 <= len(stage.requests) <= 25
    stage.misfortunes.clear()
    await asyncio.sleep(61)
    assert stage.job().status.phase is Phase.SUCCEEDED


@scene()
async def test_what_happens_during_a_reconcile_is_looked_at_after_it(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    stage.misfortunes.append(Misfortune("PUT", PLURAL, Fate(seconds_before=1, seconds_after=5)))
    stage.world.evict(stage.pods()[0])
    await asyncio.sleep(2)
    stage.world.show(stage.pods()[0], "exit-85-interrupted")
    await asyncio.sleep(1)
    stage.world.remove(stage.pods()[0])
    await asyncio.sleep(5)
    assert stage.job().status.phase is Phase.RETRYING


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("request_of", [("PUT", PLURAL), ("POST", PODS)])
def test_an_operator_that_dies_at_a_start_goes_on_in_its_next_life(request_of: tuple[str, str], stored: bool) -> None:
    @scene()
    async def script(stage: Scene) -> None:
        stage.misfortunes.append(Misfortune(*request_of, Fate(kill=True, stored=stored)))
        process = await stage.start()
        stage.world.submit("fm-band")
        await process.died.wait()
        await stage.end(process)
        await stage.start()
        await asyncio.sleep(QUICK_START_SECONDS + 2)
        assert [pod.name for pod in stage.pods()] == [stage.job().status.attempts[0].pod_name]
        assert stage.job().status.attempt == 1
        assert stage.job().status.attempts[0].pod_uid == stage.pods()[0].uid

    script()


@scene(sweep_seconds=20)
async def test_a_sweep_that_learns_nothing_changes_nothing(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    stage.misfortunes += [
        Misfortune("GET", PODS, fails(500), times=10**6),
        Misfortune("DELETE", PODS, fails(500), times=10**6),
    ]
    stage.world.show(stage.pods()[0], "sidecar-outlives-oom-killed")
    await asyncio.sleep(200)
    assert stage.job().status.attempts[0].reason == "OOMKilled"
    assert stage.job().status.reason == "WaitingForPodToEnd"


@scene()
async def test_a_pod_of_the_same_name_and_another_uid_is_not_ended(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    stage.lags["operator-1", PODS] = NEVER
    body = stage.store.get(PODS, "radio", stage.pods()[0].name)
    stage.world.remove(stage.pods()[0])
    stage.store.put(PODS, {**body, "metadata": body["metadata"] | {"ownerReferences": []}})
    stage.world.wish("fm-band", cancelled=True)
    await asyncio.sleep(60)
    assert [request.name for _, request in stage.requests if request.method == "DELETE"]
    assert "deletionTimestamp" not in stage.store.get(PODS, "radio", body["metadata"]["name"])["metadata"]


@scene(policy=limited(1))
async def test_a_job_of_higher_priority_waits_for_the_slot_that_is_being_taken(stage: Scene) -> None:
    stage.misfortunes.append(Misfortune("PUT", PLURAL, Fate(seconds_before=2)))
    await stage.start()
    stage.world.submit("fm-band")
    await asyncio.sleep(1)
    stage.world.submit("am-band", priority=5)
    await asyncio.sleep(5)
    assert [pod.owner_uid for pod in stage.rules.live_pods] == [stage.job("fm-band").uid]


@scene(policy=limited(2))
async def test_jobs_that_arrive_together_share_the_slots(stage: Scene) -> None:
    stage.misfortunes.append(Misfortune("PUT", PLURAL, Fate(seconds_after=0.5), times=10**6))
    await stage.start()
    for number in range(12):
        stage.world.submit(f"job-{number}")
    for _ in range(12):
        await asyncio.sleep(5)
        for pod in stage.rules.live_pods:
            stage.world.show(pod, "succeeded")
    await asyncio.sleep(5)
    assert all(is_over(job.status) for job in stage.rules.jobs.values())


@scene()
async def test_the_probe_tells_a_queue_that_hangs_from_one_that_has_nothing_to_do(stage: Scene) -> None:
    process = await stage.start()
    await run_first_attempt(stage)
    await asyncio.sleep(1000)
    process.service.check_alive(120)
    stage.misfortunes.append(Misfortune("GET", "persistentvolumeclaims", STUCK, times=10**6))
    for number in range(40):
        stage.world.submit(f"job-{number}")
    await asyncio.sleep(1)
    process.service.check_alive(120)
    stage.misfortunes.append(Misfortune("PUT", PLURAL, STUCK, times=10**6))
    for number in range(40):
        stage.world.wish(f"job-{number}", suspend=True)
    await asyncio.sleep(130)
    with pytest.raises(RuntimeError, match="does not move"):
        process.service.check_alive(120)


# Labels


@scene()
async def test_a_pod_whose_label_is_taken_away_is_looked_up_and_one_that_has_it_again_is_watched(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    (pod,) = stage.pods()
    stage.requests.clear()
    stage.world.take_label(pod)
    await asyncio.sleep(65)
    looks = [request for _, request in stage.requests if (request.method, request.name) == ("GET", pod.name)]
    assert 5 <= len(looks) <= 8
    assert (stage.job().status.phase, len(stage.pods())) == (Phase.RUNNING, 1)

    stage.world.put_label_back(pod)
    await asyncio.sleep(11)
    stage.requests.clear()
    await asyncio.sleep(100)
    assert stage.requests == []
    stage.world.show(pod, "succeeded")
    await asyncio.sleep(0.5)
    assert stage.job().status.phase is Phase.SUCCEEDED


@scene()
async def test_a_pod_that_ends_without_its_label_is_judged_all_the_same(stage: Scene) -> None:
    stage.sweep_seconds = 120.0
    await stage.start()
    await run_first_attempt(stage)
    (pod,) = stage.pods()
    stage.world.take_label(pod)
    await asyncio.sleep(245)
    stage.world.show(pod, "running")
    await asyncio.sleep(12)
    stage.world.show(pod, "succeeded")
    await asyncio.sleep(11)
    assert stage.job().status.phase is Phase.SUCCEEDED


# Leases


def changes_of(stage: Scene, operator: str) -> list[str]:
    """What this operator has written, created and deleted."""
    return [
        f"{request.method} {request.plural}"
        for who, request in stage.requests
        if who == operator and request.method != "GET"
    ]


@scene()
async def test_of_two_operators_one_acts_and_the_other_is_ready_to(stage: Scene) -> None:
    await stage.start(identity="one")
    await asyncio.sleep(1)
    second = await stage.start("operator-2", identity="two")
    second.service.watching = True
    for job in ("fm-band", "am-band"):
        await run_first_attempt(stage, job)
    assert second.service.not_ready() == ""
    assert "PUT spectrogramjobs" in changes_of(stage, "operator-1")
    assert changes_of(stage, "operator-2") == []


@scene(policy=limited(1))
async def test_when_the_one_that_acts_dies_the_other_goes_on_where_it_was(stage: Scene) -> None:
    first = await stage.start(identity="one")
    await asyncio.sleep(1)
    await stage.start("operator-2", identity="two")
    await run_first_attempt(stage)
    stage.world.submit("am-band")
    await stage.end(first)
    stage.world.show(stage.pods()[0], "exit-75-transient-error")
    await asyncio.sleep(60)
    assert (stage.job().status.attempt, stage.job("am-band").status.phase) == (2, Phase.QUEUED)
    stage.world.show(stage.pods()[-1], "succeeded")
    await asyncio.sleep(2)
    assert stage.job().status.phase is Phase.SUCCEEDED
    assert len(stage.pods("am-band")) == 1


@scene()
async def test_an_operator_that_loses_its_lease_stops_and_its_slots_are_the_other_s(stage: Scene) -> None:
    """A person edits the lease: the holder sees it when it renews, and changes nothing from then on."""
    await stage.start(identity="one")
    await run_first_attempt(stage)
    lease = stage.store.get("leases", *LEASE_OF_ALL)
    stage.store.put("leases", {**lease, "spec": lease["spec"] | {"holderIdentity": "nobody"}})
    await asyncio.sleep(12)
    stage.requests.clear()
    stage.world.submit("am-band")
    await asyncio.sleep(10)
    assert changes_of(stage, "operator-1") == []
    await asyncio.sleep(40)
    assert len(stage.pods("am-band")) == 1


@scene(policy=limited(1))
async def test_a_successor_whose_watches_are_late_lists_first_what_the_former_has_started(stage: Scene) -> None:
    """It knows that one job may go on after its backoff, and not that another has the slot. Its list takes a while."""
    first = await stage.start(identity="one")
    await asyncio.sleep(1)
    await stage.start("operator-2", identity="two")
    await run_first_attempt(stage, "am-band")
    stage.world.show(stage.pods("am-band")[0], "exit-75-transient-error")
    await asyncio.sleep(2)
    stage.lags |= {("operator-2", PODS): NEVER, ("operator-2", PLURAL): NEVER}
    stage.misfortunes.append(Misfortune("GET", PODS, Fate(seconds_before=20), operator="operator-2", of_one=False))
    stage.world.submit("fm-band")
    await asyncio.sleep(2)
    await stage.stop(first)
    await asyncio.sleep(60)
    assert (len(stage.pods("fm-band")), len(stage.pods("am-band"))) == (1, 1)


@scene(operators=2, policy=limited(2))
async def test_two_operators_with_different_settings_that_both_act_do_not_write_without_end(stage: Scene) -> None:
    """Each says of jobs that wait, and of one that cannot start, what its own settings say."""
    await stage.start(policy=limited(1))
    await stage.start("operator-2")
    for number in range(6):
        stage.world.submit(f"job-{number}")
    await asyncio.sleep(2)
    for pod in list(stage.rules.pods.values()):
        stage.world.show(pod, "unschedulable")
    await asyncio.sleep(3600)
    writes = Counter(request.name for _, request in stage.requests if request.method == "PUT")
    assert [stage.job(f"job-{number}").status.attempt for number in range(3)] == [1, 1, 0]
    assert max(writes.values()) <= 2 * 3600 / QUIET_SECONDS + 5


@scene(operators=2)
async def test_two_operators_of_which_one_sees_late_do_not_overwrite_each_other_without_end(stage: Scene) -> None:
    stage.lags["operator-1", PODS] = 300.0
    await stage.start()
    await stage.start("operator-2")
    await run_first_attempt(stage)
    await asyncio.sleep(300)
    assert sum(request.method == "PUT" for _, request in stage.requests) <= 2 * 300 / QUIET_SECONDS + 5
    stage.world.show(stage.pods()[0], "succeeded")
    await asyncio.sleep(QUIET_SECONDS)
    assert stage.job().status.phase is Phase.SUCCEEDED


@scene(clocks={"operator-2": 7200.0})
async def test_row_40_an_operator_whose_clock_is_ahead_gives_up_no_pod_that_another_has_started(stage: Scene) -> None:
    first = await stage.start()
    stage.world.submit("fm-band")
    await asyncio.sleep(1)
    stage.world.show(stage.pods()[0], "unschedulable")
    await asyncio.sleep(60)
    await stage.stop(first)
    await stage.start("operator-2")
    await asyncio.sleep(1800)
    assert (stage.job().status.reason, stage.job().status.attempt) == ("Unschedulable", 1)
    await asyncio.sleep(1800)
    assert stage.job().status.reason == "PendingTimeout"


@scene()
async def test_row_40_a_clock_that_is_set_while_a_job_runs_ends_nothing(stage: Scene) -> None:
    await stage.start()
    await run_first_attempt(stage)
    for hours in (50, -50, 0):
        stage.clocks["operator-1"] = hours * 3600.0
        await asyncio.sleep(100)
        assert stage.job().status.phase is Phase.RUNNING
    stage.clocks["operator-1"] = 7200.0
    stage.world.show(stage.pods()[0], "succeeded")
    await asyncio.sleep(2)
    ended = stage.job().status.completion_time
    assert ended is not None
    assert abs((virtual_time.now() - ended).total_seconds()) < 5


@scene(late_creations=True)
async def test_a_pod_that_comes_when_who_asked_for_it_is_long_gone_is_ended(stage: Scene) -> None:
    stage.misfortunes.append(Misfortune("POST", PODS, Fate(seconds_before=40, kill=True)))
    first = await stage.start()
    stage.world.submit("fm-band")
    await asyncio.sleep(1)
    assert first.died.is_set()
    await stage.end(first)
    stage.world.wish("fm-band", suspend=True)
    await stage.start()
    await asyncio.sleep(30)
    assert (stage.job().status.phase, stage.pods()) == (Phase.SUSPENDED, [])
    await asyncio.sleep(20)
    assert [request.method for _, request in stage.requests if request.plural == PODS][-1] == "DELETE"
    assert stage.pods() == []
