"""What people, schedulers and kubelets do to the fake API server, and what they see there."""

from typing import Any

from harness.api.fake_server import FakeApiServer
from harness.waiting import until
from pods.jobs import job_body
from pods.statuses import running, succeeded


def status(server: FakeApiServer, name: str = "fm-band") -> dict[str, Any]:
    """The job's status."""
    found = server.get("spectrogramjobs", name).get("status", {})
    assert isinstance(found, dict)
    return found


def submit(server: FakeApiServer, name: str = "fm-band") -> dict[str, Any]:
    """Create the job, as kubectl would."""
    return server.put("spectrogramjobs", job_body(name))


def play(server: FakeApiServer, pod: dict[str, Any], status: dict[str, Any]) -> None:
    """Change the pod's status as its kubelet would; the scheduler came before."""
    server.put("pods", {**pod, "spec": pod["spec"] | {"nodeName": "node-7"}, "status": status})


async def run_to_the_end(server: FakeApiServer) -> None:
    """Play the one pod to success and wait for the job to say so."""
    pod = (await until(server.pods))[0]
    play(server, pod, running())
    play(server, pod, succeeded(pod))
    await until(lambda: status(server).get("completionTime"))
    assert status(server)["phase"] == "Succeeded"
    assert len(server.pods()) == 1
    assert status(server)["attempt"] == 1
