"""The operator under faults of the API server (faults 13, 31 and 36 to 39): no job lost, no pod created twice."""

import asyncio

import pytest

from api.steps import play, run_to_the_end, status, submit
from harness.api.fake_server import FakeApiServer, Fault
from harness.waiting import until
from pods.statuses import running, succeeded

pytestmark = pytest.mark.usefixtures("operator")


def writes_status(method: str, path: str) -> bool:
    return method == "PUT" and path.endswith("/status")


def creates_pod(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("/pods")


def reads_pod(method: str, path: str) -> bool:
    return method == "GET" and "/pods/" in path


@pytest.mark.parametrize("code", [409, 422, 429, 500, 503])
async def test_a_status_write_that_fails_is_planned_again(server: FakeApiServer, code: int) -> None:
    server.faults.append(Fault(writes_status, code, times=3))
    submit(server)
    await run_to_the_end(server)
    assert server.faults[0].times == 0


async def test_a_status_write_whose_answer_is_lost_took_effect(server: FakeApiServer) -> None:
    server.faults.append(Fault(writes_status, 504, stored=True, times=2))
    submit(server)
    await run_to_the_end(server)


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_pod_creation_that_fails_is_tried_again_under_the_same_name(server: FakeApiServer, code: int) -> None:
    """Fault 37: nothing about the job has changed, and nothing is written."""
    server.faults.append(Fault(creates_pod, code))
    submit(server)
    await until(lambda: server.faults[0].times == 0)
    written = status(server)
    assert (written["phase"], written["reason"]) == ("Starting", "CreatingPod")
    await run_to_the_end(server)
    assert [attempt["number"] for attempt in status(server)["attempts"]] == [1]


async def test_a_pod_creation_whose_answer_is_lost_is_adopted(server: FakeApiServer) -> None:
    server.faults.append(Fault(creates_pod, 504, stored=True))
    submit(server)
    await run_to_the_end(server)


async def test_a_job_made_anew_while_the_watches_were_broken_is_another_job(server: FakeApiServer) -> None:
    """A relist tells of what there is, not of what is gone: kopf goes on showing the former job and its pod."""
    submit(server)
    former = (await until(server.pods))[0]
    play(server, former, running())
    await until(lambda: status(server).get("phase") == "Running")
    server.deaf = True
    server.remove("pods", former["metadata"]["name"])
    server.remove("spectrogramjobs", "fm-band")
    another = submit(server)
    server.deaf = False
    server.break_watches()
    pod = (await until(server.pods))[0]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == another["metadata"]["uid"]
    await run_to_the_end(server)


async def test_a_deaf_watch_is_made_up_for_by_the_sweep(server: FakeApiServer) -> None:
    submit(server)
    pod = (await until(server.pods))[0]
    await until(lambda: status(server).get("attempts", [{}])[-1].get("podUID"))
    server.deaf = True
    play(server, pod, succeeded(pod))
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["phase"] == "Succeeded"


async def test_a_pod_that_vanishes_without_an_event_is_missing_only_after_two_lookups(server: FakeApiServer) -> None:
    submit(server)
    pod = (await until(server.pods))[0]
    play(server, pod, running())
    await until(lambda: status(server).get("phase") == "Running")
    server.deaf = True
    name = pod["metadata"]["name"]
    server.remove("pods", name)
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["reason"] == "PodMissing"
    assert "Detected as zombie" in status(server)["message"]
    assert server.requests["GET", f"/api/v1/namespaces/pods/{name}"] >= 2


async def test_unknown_is_not_missing(server: FakeApiServer) -> None:
    submit(server)
    pod = (await until(server.pods))[0]
    play(server, pod, running())
    await until(lambda: status(server).get("phase") == "Running")
    # A proxy's 404 is no answer of the API server: it names no pod.
    proxy = Fault(reads_pod, 404, times=10**6, body={"error": "no route to host"})
    server.faults.append(proxy)
    server.deaf = True
    stored = server.store.objects.pop(("pods", "default", pod["metadata"]["name"]))
    await until(lambda: proxy.times <= 10**6 - 4)
    assert status(server)["phase"] == "Running"
    server.store.objects["pods", "default", pod["metadata"]["name"]] = stored
    server.faults.clear()
    play(server, stored, succeeded(stored))
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["phase"] == "Succeeded"


async def test_the_api_server_is_away_for_a_while(server: FakeApiServer, operator: asyncio.subprocess.Process) -> None:
    submit(server)
    pod = (await until(server.pods))[0]
    away = Fault(lambda method, path: True, 503, times=60)
    server.faults.append(away)
    server.break_watches()
    play(server, pod, succeeded(pod))
    await until(lambda: away.times < 55)
    away.times = 0
    await until(lambda: status(server).get("completionTime"))
    assert operator.returncode is None
    assert len(server.pods()) == 1
