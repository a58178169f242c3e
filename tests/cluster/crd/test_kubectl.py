"""The definition on a real API server: what kubectl shows, selects, refuses and explains."""

import pytest
import yaml

from cluster.api import Api, Body
from cluster.crd.specs import CRD_SCHEMA, SIX_LINES
from harness.kubernetes.client import Client, CommandError


def test_the_table_that_people_see(api: Api, namespace: Client) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    status = {
        "phase": "Running",
        "reason": "PodRunning",
        "message": "43 % done, about 2 min left",
        "queue": "large_jobs",
        "attemptText": "2/3",
        "podName": "fm-band-a2",
        "nodeName": "node-7",
        "progress": {"percent": 43, "text": "43%"},
        "memory": {"peakBytes": 432013312, "peakText": "412Mi", "text": "412Mi/1Gi"},
    }
    api.patch("spectrogramjobs", "fm-band", {"status": status}, subresource="status")

    narrow = [line.split() for line in namespace.kubectl("get", "sgj").splitlines()]
    assert narrow[0] == ["NAME", "PHASE", "REASON", "QUEUE", "PROGRESS", "ATTEMPT", "MEMORY", "AGE"]
    assert narrow[1][:7] == ["fm-band", "Running", "PodRunning", "large_jobs", "43%", "2/3", "412Mi/1Gi"]
    wide = namespace.kubectl("get", "spectrogramjobs", "--output=wide").splitlines()
    assert wide[0].split() == [*narrow[0], "POD", "NODE", "PEAK", "STARTED", "FINISHED", "MESSAGE"]
    assert wide[1].split()[8:11] == ["fm-band-a2", "node-7", "412Mi"]
    assert wide[1].endswith("43 % done, about 2 min left")
    assert "fm-band" in namespace.kubectl("get", "batch")


def test_jobs_can_be_selected_by_phase_and_queue(api: Api, namespace: Client) -> None:
    for name, phase, queue in (("a", "Failed", "default"), ("b", "Running", "default"), ("c", "Failed", "large_jobs")):
        body = yaml.safe_load(SIX_LINES)
        body["metadata"]["name"] = name
        api.create("spectrogramjobs", body)
        api.patch("spectrogramjobs", name, {"status": {"phase": phase, "queue": queue}}, subresource="status")

    def found(selector: str) -> list[str]:
        return [one["metadata"]["name"] for one in api.list("spectrogramjobs", fieldSelector=selector)]

    assert found("status.phase=Failed") == ["a", "c"]
    assert found("status.phase=Failed,status.queue=large_jobs") == ["c"]
    names = namespace.kubectl("get", "sgj", "--field-selector=status.phase=Running", "--output=name")
    assert names.split() == ["spectrogramjob.spectrogram.dev/b"]


def test_kubectl_apply_refuses_a_misspelt_field(namespace: Client) -> None:
    text = SIX_LINES.replace("output:", "transfrom: {fftSize: 512}\n  output:")
    with pytest.raises(CommandError, match=r'strict decoding error: unknown field "spec\.transfrom"'):
        namespace.kubectl("apply", "--filename=-", input=text)


def test_kubectl_explain_describes_every_field(namespace: Client) -> None:
    for part in ("spec", "status"):
        told = namespace.kubectl("explain", f"sgj.{part}", "--recursive")
        for name in top_level_names(CRD_SCHEMA["properties"][part]):
            assert f"\n  {name}\t" in told, name
    told = namespace.kubectl("explain", "sgj.spec.transform.fftSize")
    assert "Bins of each transform, 8 to 1048576" in told
    assert "Default: 1024" in told
    assert undescribed(CRD_SCHEMA["properties"]["spec"], "spec") == []
    assert undescribed(CRD_SCHEMA["properties"]["status"], "status") == []


def undescribed(node: Body, path: str) -> list[str]:
    found = [] if node.get("description", "").endswith(".") else [path]
    for name, child in node.get("properties", {}).items():
        found += undescribed(child, f"{path}.{name}")
    if "properties" in node.get("items", {}):
        found += undescribed(node["items"], f"{path}[]")
    return found


def top_level_names(node: Body) -> list[str]:
    return list(node["properties"])
