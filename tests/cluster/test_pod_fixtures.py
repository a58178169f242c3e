"""The pods of tests/pods/, by which the planner is tested, are pods that a real API server takes and gives back."""

from typing import Any

from cluster.workspace import Workspace
from spectrogram_operator.core.judging.pod import read_pod
from unit.operator.core.fixtures import NAMES, body


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


def without_what_the_server_decides(name: str, fixture: dict[str, Any]) -> dict[str, Any]:
    spec = {**fixture["spec"], "serviceAccountName": "default", "serviceAccount": "default"}
    for decided in ("priority", "preemptionPolicy"):
        spec.pop(decided, None)
    if "nodeName" in spec:
        spec["nodeName"] = "played-default"
    return {"metadata": {"name": name}, "spec": spec}
