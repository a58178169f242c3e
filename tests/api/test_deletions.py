"""Whom the operator's deletions reach: the pod that it meant, by its UID, and the pod that is on a node in its time."""

import pytest

from api.steps import play, status, submit
from harness.api.fake_server import FakeApiServer, Fault
from harness.waiting import until
from pods.statuses import ended, running

pytestmark = pytest.mark.usefixtures("operator")


def change(server: FakeApiServer, **spec: object) -> None:
    """Somebody edits the job."""
    job = server.get("spectrogramjobs", "fm-band")
    server.put("spectrogramjobs", {**job, "spec": job["spec"] | spec})


async def test_a_pod_made_anew_by_somebody_else_is_not_deleted(server: FakeApiServer) -> None:
    submit(server)
    (pod,) = await until(server.pods)
    play(server, pod, running())
    await until(lambda: status(server).get("phase") == "Running")
    name = pod["metadata"]["name"]
    server.deaf = True
    server.remove("pods", name)
    stranger = server.put("pods", {"metadata": {"name": name}, "spec": pod["spec"], "status": running()})
    server.deaf = False
    change(server, cancelled=True)
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["phase"] == "Cancelled"
    assert server.requests["DELETE", f"/api/v1/namespaces/pods/{name}"] >= 1
    assert server.get("pods", name) == stranger


async def test_a_cancelled_job_is_over_once_its_pod_has_ended(server: FakeApiServer) -> None:
    submit(server)
    (pod,) = await until(server.pods)
    play(server, pod, running())
    await until(lambda: status(server).get("phase") == "Running")
    name = pod["metadata"]["name"]
    change(server, cancelled=True)
    await until(lambda: "deletionTimestamp" in server.get("pods", name)["metadata"])
    assert "completionTime" not in status(server)
    play(server, server.get("pods", name), ended(85))
    server.remove("pods", name)
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["phase"] == "Cancelled"


async def test_a_pod_that_the_server_finds_invalid_fails_its_job_at_once(server: FakeApiServer) -> None:
    """Which the operator never sends by itself; an admission webhook may have made it so."""
    server.faults.append(Fault(lambda method, path: method == "POST" and path.endswith("/pods"), 422, times=10))
    submit(server)
    await until(lambda: status(server).get("completionTime"))
    assert (status(server)["phase"], status(server)["reason"]) == ("Failed", "InvalidSpec")
    assert server.faults[0].times == 9
