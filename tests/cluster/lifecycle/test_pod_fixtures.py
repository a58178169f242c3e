"""The pods of tests/pods/, by which the planner is tested: a real API server takes them and gives them back, and the
real operator judges by them what the table of test_outcome.py says.
"""

import json
from typing import Any

from cluster.workspace import Body, Workspace
from harness.waiting import wait_until
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.core.judging.pod import read_pod
from unit.operator.core.fixtures import NAMES, body
from unit.operator.core.judging.test_outcome import ENDED


def test_the_api_server_takes_every_status_and_gives_back_the_same(workspace: Workspace) -> None:
    """Strictly: a field that it does not know, or a value that cannot be, is refused."""
    for name in NAMES:
        fixture = body(name)
        created = workspace.api.create("pods", without_what_the_server_decides(name, fixture))
        # Whatever the scheduler says of it at the same time: no resourceVersion, no conflict.
        metadata = {"name": name, "uid": created["metadata"]["uid"]}
        # The quality of service is the server's own finding, from the containers' resources.
        status = {**fixture["status"], "qosClass": created["status"]["qosClass"]}
        path = f"/api/v1/namespaces/{workspace.namespace}/pods/{name}/status?fieldValidation=Strict"
        stored = workspace.api.request("PUT", path, {**created, "metadata": metadata, "status": status})
        assert read_pod({**fixture, "status": stored["status"]}) == read_pod(fixture), name


def test_every_pod_that_is_over_is_judged_as_its_fault_says(workspace: Workspace) -> None:
    """Each pod as that of a job's first attempt, as the kubelet would have left it. Without retries, all at once."""
    workspace.operator(SPECTROGRAM_INFRASTRUCTURE_RETRIES="0").start()
    for _, name, _, _ in ENDED:
        workspace.submit(name, retry={"limit": 0})
    for _, name, _, _ in ENDED:
        leave(workspace, workspace.wait_for_pod(name), body(name))
    found = {name: judged(workspace, name) for _, name, _, _ in ENDED}
    assert [(name, found[name].reason, found[name].retry_class) for _, name, _, _ in ENDED] == [
        (name, reason, retry_class) for _, name, reason, retry_class in ENDED
    ]
    for pod in workspace.pods():
        workspace.bury(pod)


def leave(workspace: Workspace, pod: Body, fixture: Body) -> None:
    """The pod is as the fixture shows it: with its status, and being deleted where that is."""
    metadata = fixture["metadata"]
    if "deletionTimestamp" in metadata:
        workspace.api.delete("pods", pod["metadata"]["name"])
    own = pod["metadata"]["ownerReferences"][0]["uid"]
    status = json.loads(json.dumps(fixture["status"]).replace(metadata["ownerReferences"][0]["uid"], own))
    workspace.play(pod, {**status, "qosClass": pod["status"]["qosClass"]})


def judged(workspace: Workspace, job: str) -> Attempt:
    """The first attempt of the job, once it is over."""

    def ended() -> Attempt | None:
        attempts = workspace.status(job).attempts
        return attempts[0] if attempts and attempts[0].finish_time else None

    return wait_until(ended, timeout=120, what=f"the end of the attempt of {job}")


def without_what_the_server_decides(name: str, fixture: dict[str, Any]) -> dict[str, Any]:
    spec = {**fixture["spec"], "serviceAccountName": "default", "serviceAccount": "default"}
    for decided in ("priority", "preemptionPolicy"):
        spec.pop(decided, None)
    if "nodeName" in spec:
        spec["nodeName"] = "played-default"
    return {"metadata": {"name": name}, "spec": spec}
