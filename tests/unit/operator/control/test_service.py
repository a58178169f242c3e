"""The service: what it takes from the watches, when it calls itself alive, and that its tasks go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from harness import virtual_time
from harness.api.memory_cluster import Fate
from harness.api.watching import Watches, Weather
from pods.jobs import job_body
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import ApiServer, ClusterError
from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import Settings, read_settings
from unit.operator.control.desk import Desk, in_virtual_time

STUCK_SECONDS = 120.0


def service(connect: Callable[[], Awaitable[ApiServer]]) -> Service:
    """With the settings of an empty environment."""
    return served(read_settings({}), connect)


def served(settings: Settings, connect: Callable[[], Awaitable[ApiServer]], identity: str = "me") -> Service:
    """With these settings."""
    return Service(settings, connect, CollectorRegistry(), version="1", identity=identity, clock=virtual_time.now)


async def started(desk: Desk) -> Service:
    """A service at work on this desk."""

    async def connect() -> ApiServer:
        return desk.cluster

    found = service(connect)
    await found.start()
    await found.listed.wait()
    return found


async def unconnected() -> ApiServer:
    raise AssertionError("nobody starts it")


# The probe


async def hanging(desk: Desk) -> Service:
    """A service whose every worker waits for an answer that never comes, and one more job."""
    found = await started(desk)
    desk.fates += [("PUT", "/status", Fate(seconds_before=1e9))] * 100
    for number in range(20):
        desk.put(PLURAL, f"job-{number}", spec=job_body(suspend=True)["spec"])
        found.controller.job_event(desk.store.get(PLURAL, "radio", f"job-{number}"))
    await asyncio.sleep(STUCK_SECONDS + 1)
    return found


@in_virtual_time
async def test_a_queue_that_does_not_move_is_dead_at_the_second_look() -> None:
    stuck = await hanging(Desk())
    stuck.check_alive(STUCK_SECONDS)
    with pytest.raises(RuntimeError, match="does not move"):
        stuck.check_alive(STUCK_SECONDS)
    await stuck.stop()


@in_virtual_time
async def test_an_old_key_is_no_matter_while_others_are_done() -> None:
    busy = await hanging(Desk())
    for _ in range(3):
        busy.controller.queue.done += 1
        assert busy.check_alive(STUCK_SECONDS) == f"{busy.controller.queue.done} reconciles"
    await busy.stop()


@in_virtual_time
async def test_a_service_without_work_is_alive_and_so_is_one_that_has_just_got_some() -> None:
    desk = Desk()
    alive = await started(desk)
    for _ in range(3):
        await asyncio.sleep(1000)
        alive.check_alive(STUCK_SECONDS)
    alive.controller.queue.add("radio/fm-band")
    alive.check_alive(STUCK_SECONDS)
    await alive.stop()


@pytest.mark.parametrize("name", ["work queue", "sweep"])
@in_virtual_time
async def test_a_service_of_which_a_task_has_ended_is_dead(name: str) -> None:
    desk = Desk()
    broken = await started(desk)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
    broken.check_alive(STUCK_SECONDS)
    task.cancel()
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="has ended"):
        broken.check_alive(STUCK_SECONDS)
    await broken.stop()


# What a watch tells


@in_virtual_time
async def test_the_body_of_a_deleted_pod_explains_its_end() -> None:
    desk = Desk()
    told = await started(desk)
    watches = Watches(desk.store, told.controller, Weather())
    watches.start()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    await asyncio.sleep(1)
    (name,) = desk.pod_names()
    desk.show("running", told=False)
    await asyncio.sleep(1)
    assert desk.status().phase is Phase.RUNNING
    await watches.stop()
    desk.show("evicted-node-memory", told=False)
    told.controller.pod_event(desk.store.remove("pods", "radio", name), deleted=True)
    await asyncio.sleep(1)
    assert desk.status().attempts[0].reason == "Evicted"
    await told.stop()


@pytest.mark.parametrize(
    ("owners", "keys"),
    [
        ([{"kind": "SpectrogramJob", "name": "fm-band", "uid": "u", "controller": True}], ["radio/fm-band"]),
        ([{"kind": "Node", "name": "n"}, {"name": "fm-band", "uid": "u", "controller": True}], ["radio/fm-band"]),
        ([{"kind": "Node", "name": "n"}], []),
        ([], []),
        (None, []),
    ],
)
@in_virtual_time
async def test_a_pod_s_event_is_its_controller_s(owners: list[dict[str, Any]] | None, keys: list[str]) -> None:
    desk = Desk()
    metadata = {"namespace": "radio", "name": "p", "uid": "p", "resourceVersion": "1", "ownerReferences": owners}
    desk.controller.pod_event({"metadata": metadata})
    assert desk.woken == keys


# First lists


@in_virtual_time
async def test_what_cannot_be_listed_is_said_and_served_once_it_can() -> None:
    desk = Desk()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    desk.fail("GET", f"/{PLURAL}", times=3, error=404)
    waiting = service(lambda: _connected(desk))
    await waiting.start()
    await asyncio.sleep(1)
    assert "not installed" in waiting.not_ready()
    assert desk.pod_names() == []
    await waiting.listed.wait()
    await asyncio.sleep(1)
    assert len(desk.pod_names()) == 1
    assert waiting.not_ready() == "not watching yet"
    waiting.watching = True
    assert waiting.not_ready() == ""
    await waiting.stop()


@in_virtual_time
async def test_a_namespace_without_rights_keeps_no_other_from_being_served() -> None:
    desk = Desk()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    desk.fail("GET", "/namespaces/closed/", times=10**4, error=403)
    settings = replace(read_settings({}), namespaces=("closed", "radio"))
    half = served(settings, lambda: _connected(desk))
    await half.start()
    await asyncio.sleep(300)
    assert len(desk.pod_names()) == 1
    assert half.not_ready().startswith("closed: the operator has no right to list here")
    await half.stop()


@pytest.mark.parametrize("failures", [0, 1])
@in_virtual_time
async def test_what_a_former_life_left_running_of_a_job_that_is_over_is_ended(failures: int) -> None:
    """Jobs come after pods, and meanwhile the work queue works."""
    desk = Desk()
    await desk.start()
    desk.show("sidecar-outlives-success")
    desk.fail("DELETE", "/pods/", error=500)
    with pytest.raises(ClusterError):
        await desk.reconcile()
    assert desk.status().phase is Phase.SUCCEEDED
    desk.fail("GET", f"/{PLURAL}", times=failures, error=500)
    desk.fates.append(("GET", f"/{PLURAL}", Fate(seconds_before=5)))
    desk.heard.clear()
    next_life = await started(desk)
    await asyncio.sleep(20)
    assert desk.requests("DELETE", "pods") == 1
    await next_life.stop()


async def _connected(desk: Desk) -> ApiServer:
    return desk.cluster


# The sweep's task


@in_virtual_time
async def test_a_sweep_that_fails_is_followed_by_the_next() -> None:
    desk = Desk()
    deaf = await started(desk)
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    deaf.controller.store.see_job(desk.store.get(PLURAL, "radio", "fm-band"))
    await asyncio.sleep(10)
    desk.show("succeeded", told=False)
    desk.fail("GET", "/api/v1/pods", error=500)
    desk.heard.clear()
    await asyncio.sleep(120)
    assert desk.status().phase is not Phase.SUCCEEDED
    await asyncio.sleep(120)
    assert desk.status().phase is Phase.SUCCEEDED
    assert desk.requests("GET", "pods") == 2
    await deaf.stop()


@pytest.mark.parametrize("missed", ["created", "deleted", "resumed"])
@in_virtual_time
async def test_within_an_hour_what_the_watch_of_jobs_did_not_tell_is_seen(missed: str) -> None:
    desk = Desk()
    if missed != "created":
        desk.put(PLURAL, "fm-band", spec=job_body(suspend=True)["spec"])
    deaf = await started(desk)
    await asyncio.sleep(10)
    if missed == "deleted":
        desk.store.remove(PLURAL, "radio", "fm-band")
    else:
        desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    await asyncio.sleep(3500)
    assert desk.pod_names() == []
    await asyncio.sleep(200)
    assert len(desk.pod_names()) == (0 if missed == "deleted" else 1)
    assert bool(+deaf.controller.store.places) is (missed != "deleted")
    await deaf.stop()


@in_virtual_time
async def test_metrics_tell_of_the_lease_of_the_queue_and_of_namespaces_that_are_gone() -> None:
    desk, registry = Desk(), CollectorRegistry()

    async def connect() -> ApiServer:
        return desk.cluster

    one = {"SPECTROGRAM_NAMESPACES": "radio"}
    watched = Service(read_settings(one), connect, registry, version="1", identity="me", clock=virtual_time.now)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"spectrogram_{name}", labels)

    assert value("operator_leader", namespace="radio") == 0
    await watched.start()
    await watched.listed.wait()
    await asyncio.sleep(10)
    assert value("operator_leader", namespace="radio") == 1
    assert value("operator_seconds_since_last_watch_event") == pytest.approx(10, abs=2)
    desk.put(PLURAL, "fm-band", spec=job_body(suspend=True)["spec"])
    watched.controller.job_event(desk.store.get(PLURAL, "radio", "fm-band"))
    assert value("operator_workqueue_depth") == 1
    assert value("operator_seconds_since_last_watch_event") == 0
    await asyncio.sleep(10)
    assert value("operator_workqueue_depth") == 0
    assert (value("operator_reconcile_duration_seconds_count", result="success") or 0) >= 1
    assert value("jobs", namespace="radio", queue="default", phase="Suspended") == 1
    desk.fail("PUT", "/status", times=1, error=503)
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    watched.controller.job_event(desk.store.get(PLURAL, "radio", "fm-band"))
    await asyncio.sleep(10)
    assert value("operator_reconcile_duration_seconds_count", result="error") == 1
    await watched.stop()
    assert value("operator_leader", namespace="radio") == 0


@in_virtual_time
async def test_of_jobs_only_the_operator_tells_that_acts_and_the_other_looks_at_none() -> None:
    """Until it takes over: then it looks at everything, at a job that is over and was changed meanwhile too."""
    desk, registries = Desk(), (CollectorRegistry(), CollectorRegistry())
    settings = read_settings({"SPECTROGRAM_NAMESPACES": "radio"})
    acting, waiting = (
        Service(settings, lambda: _connected(desk), registry, version="1", identity=identity, clock=virtual_time.now)
        for identity, registry in zip("ab", registries, strict=True)
    )
    await acting.start()
    await acting.listed.wait()
    await waiting.start()
    await asyncio.sleep(1)

    def told() -> list[list[float]]:
        found = [[sample for family in one.collect() for sample in family.samples] for one in registries]
        return [[one.value for one in samples if one.name == "spectrogram_jobs" and one.value] for samples in found]

    async def change(*heard_by: Service, **spec: Any) -> None:
        desk.put(PLURAL, "fm-band", spec=job_body(**spec)["spec"])
        for service in heard_by:
            service.controller.job_event(desk.store.get(PLURAL, "radio", "fm-band"))
        assert waiting.controller.queue.depth == 0
        await asyncio.sleep(1)

    await change(acting, waiting, suspend=True)
    assert told() == [[1], []]
    await change(acting, cancelled=True)
    await change(waiting, cancelled=True, priority=3)
    await acting.stop()
    await asyncio.sleep(10)
    now = desk.store.get(PLURAL, "radio", "fm-band")
    assert now["status"]["observedGeneration"] == now["metadata"]["generation"]
    assert told() == [[], [1]]
    await waiting.stop()


@in_virtual_time
async def test_what_a_failed_reconcile_left_undone_is_done_later() -> None:
    desk = Desk()
    patient = await started(desk)
    desk.fail("PUT", "/status", times=3, error=503)
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    patient.controller.job_event(desk.store.get(PLURAL, "radio", "fm-band"))
    await asyncio.sleep(9)
    assert len(desk.pod_names()) == 1
    assert desk.requests("PUT", PLURAL) == 4
    await patient.stop()


# Leases


@in_virtual_time
async def test_a_service_that_stops_gives_its_lease_up_and_the_next_need_not_wait() -> None:
    desk = Desk()
    first = await started(desk)
    await asyncio.sleep(1)
    await first.stop()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    second = served(read_settings({}), lambda: _connected(desk), "another")
    await second.start()
    await asyncio.sleep(1)
    assert len(desk.pod_names()) == 1
    await second.stop()


@in_virtual_time
async def test_without_the_right_to_leases_nothing_is_served_and_it_is_said() -> None:
    desk = Desk()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    desk.fail("GET", "/leases/", times=3, error=403, message="leases is forbidden")
    waiting = service(lambda: _connected(desk))
    assert waiting.not_ready() == "starting"
    await waiting.start()
    waiting.watching = True
    await asyncio.sleep(1)
    assert "leases is forbidden" in waiting.not_ready()
    assert desk.pod_names() == []
    await asyncio.sleep(30)
    assert waiting.not_ready() == ""
    assert len(desk.pod_names()) == 1
    await waiting.stop()


@in_virtual_time
async def test_the_sweep_of_an_operator_that_waits_checks_no_jobs(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.put(PLURAL, "fm-band", spec=job_body()["spec"])
    first = await started(desk)
    await asyncio.sleep(1)
    second = served(read_settings({}), lambda: _connected(desk), "another")
    with caplog.at_level(logging.INFO, logger="spectrogram_operator"):
        await second.start()
        await asyncio.sleep(121)
    assert sorted(text for text in caplog.messages if text.startswith("Checking")) == [
        "Checking 0 jobs for zombie detection",
        "Checking 1 jobs for zombie detection",
    ]
    for one in (first, second):
        await one.stop()
