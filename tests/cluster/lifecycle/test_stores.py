"""Jobs that name a store or a web address: the pods that a real API server is given, and what is refused at once."""

import json
from typing import Any

import pytest

from cluster.workspace import Workspace
from pods.shapes import Body
from pods.statuses import succeeded, waiting
from spectrogram_operator.core.status import holds
from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.document import ENVIRONMENT_VARIABLE, Bucket, Places

ENDPOINT = "https://s3.example.org"
STORES: Body = {
    "archive": {"bucket": "recordings", "endpoint": ENDPOINT, "prefix": "survey", "credentialsSecret": "archive-keys"},
    "cloud": {"bucket": "radio", "region": "eu-central-1", "serviceAccount": "cloud-reader"},
    "shelf": {"claimName": "recordings"},
    "team": {"claimName": "team-results"},
}
ARCHIVE = {"store": "archive", "path": "fm.drf"}


@pytest.fixture
def stores(workspace: Workspace) -> Workspace:
    """The operator knows STORES and one host; the namespace takes restricted pods only."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    workspace.client.kubectl("label", "namespace", workspace.namespace, label)
    hosts = json.dumps(["*.example.org"])
    workspace.operator(SPECTROGRAM_STORES=json.dumps(STORES), SPECTROGRAM_ALLOWED_URL_HOSTS=hosts).start()
    return workspace


def told(pod: Body) -> WorkerDocument:
    variable, *_ = pod["spec"]["containers"][0]["env"]
    assert variable["name"] == ENVIRONMENT_VARIABLE
    return WorkerDocument.model_validate_json(variable["value"])


def claims(pod: Body) -> dict[str, str]:
    return {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }


def test_a_bucket_is_no_volume_and_is_opened_by_its_secret(stores: Workspace) -> None:
    stores.submit(input=ARCHIVE)
    pod = stores.start()

    assert claims(pod) == {"output": "results"}
    (container,) = pod["spec"]["containers"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/data/output", "/scratch"]
    references = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"][1:]}
    assert references == {
        f"SPECTROGRAM_INPUT_{key}": {"name": "archive-keys", "key": key, "optional": optional}
        for key, optional in (
            ("AWS_ACCESS_KEY_ID", False),
            ("AWS_SECRET_ACCESS_KEY", False),
            ("AWS_SESSION_TOKEN", True),
        )
    }
    bucket = Bucket(store="archive", bucket="recordings", endpoint=ENDPOINT, prefix="survey")
    assert told(pod).places == Places(input_bucket=bucket)
    # To those who see jobs and not pods, the store is a name.
    job = json.dumps(stores.job())
    assert not [word for word in ("s3.example.org", "survey", "archive-keys") if word in job]

    stores.play(pod, succeeded(pod))
    assert stores.wait_for_end().phase == "Succeeded"


def test_a_store_that_is_a_claim_is_mounted_as_one(stores: Workspace) -> None:
    stores.submit(input={"store": "shelf", "path": "fm.drf"}, output={"store": "shelf"})
    pod = stores.wait_for_pod()
    assert claims(pod) == {"output": "recordings"}
    mounts = {mount["mountPath"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/data/input"]["readOnly"] is True
    assert told(pod).places == Places()


def test_an_address_on_an_allowed_host_is_passed_on(stores: Workspace) -> None:
    address = "https://data.example.org/2026/fm.wav?version=3"
    stores.submit(input={"url": address}, output={"store": "archive", "path": "survey/fm"})
    pod = stores.wait_for_pod()
    assert claims(pod) == {}
    document = told(pod)
    assert (document.places.input_url, document.places.allowed_url_hosts) == (address, ("*.example.org",))
    assert (document.input.path, document.output_path) == ("fm.wav", "survey/fm")


REFUSED: dict[str, tuple[Body, str]] = {
    "store": (
        {"input": {"store": "archve", "path": "fm.drf"}},
        "spec.input.store: no store archve: the platform team has named archive, cloud, shelf, team",
    ),
    "host": (
        {"input": {"url": "https://example.org/fm.wav"}},
        "spec.input.url: the host example.org is not allowed: the platform team allows hosts in the chart's"
        " allowedUrlHosts, which has *.example.org",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_platform_team_has_not_named_fails_at_once(stores: Workspace, what: str) -> None:
    spec, message = REFUSED[what]
    stores.submit(**spec)
    status = stores.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "InvalidSpec", 0)
    assert status.message == message
    assert stores.pods() == []


def test_the_claim_behind_a_store_is_awaited(stores: Workspace) -> None:
    stores.submit(input=ARCHIVE, output={"store": "team"})
    status = stores.wait_for_status(phase="Pending", reason="PVCNotFound")
    assert status.message == (
        f"no PersistentVolumeClaim team-results (the store team) in the namespace {stores.namespace}:"
        " create it, or name another store"
    )
    assert stores.pods() == []


def test_a_secret_that_is_missing_is_named(stores: Workspace) -> None:
    stores.submit(input=ARCHIVE)
    pod = stores.wait_for_pod()
    stores.play(pod, waiting("CreateContainerConfigError", 'secret "archive-keys" not found'))
    status = stores.wait_for_status(phase="Starting", reason="ContainerConfigError")
    assert status.message == 'CreateContainerConfigError: secret "archive-keys" not found'
    assert holds(status, "Stalled")


def test_the_account_of_a_store_is_awaited_and_is_the_pod_s(stores: Workspace) -> None:
    source: dict[str, Any] = {"store": "cloud", "path": "fm.drf"}
    stores.submit(input=source)
    status = stores.wait_for_status(phase="Queued", reason="ServiceAccountNotFound")
    assert 'serviceaccount "cloud-reader" not found' in (status.message or "")

    stores.api.create("serviceaccounts", {"metadata": {"name": "cloud-reader"}})
    pod = stores.wait_for_pod()
    assert pod["spec"]["serviceAccountName"] == "cloud-reader"
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["scratch", "output"], "no token"
