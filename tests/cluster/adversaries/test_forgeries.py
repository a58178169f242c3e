"""Adversary: somebody who forges statuses, labels and owners, to have others' pods deleted or adopted.

What the operator did not derive itself is a claim (rules 6 to 8).
"""

from typing import Any

import pytest

from cluster.workspace import Workspace, pools
from harness.waiting import wait_until
from pods.statuses import succeeded
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.names import LABEL_ATTEMPT, LABEL_JOB_NAME, LABEL_JOB_UID, LABEL_QUEUE
from spectrogram_operator.core.building.podspec import pod_name

ONE = pools(default={"maxConcurrent": 1})


def create_victim(workspace: Workspace, name: str = "victim", **metadata: Any) -> dict[str, Any]:
    """A pod of somebody else."""
    container = {"name": "worker", "image": "example.org/theirs"}
    body = {"metadata": {"name": name, **metadata}, "spec": {"containers": [container]}}
    return workspace.api.create("pods", body)


def check_that_it_lives(workspace: Workspace, victim: dict[str, Any]) -> None:
    found = workspace.api.get("pods", victim["metadata"]["name"])["metadata"]
    assert (found["uid"], found.get("deletionTimestamp")) == (victim["metadata"]["uid"], None)


@pytest.mark.parametrize("state", ["Creating", "Created", "Finished"])
def test_a_status_that_names_somebody_elses_pod_does_it_no_harm(workspace: Workspace, state: str) -> None:
    """Whoever may write statuses has an attempt with the victim's name and UID; then the job is cancelled."""
    victim = create_victim(workspace)
    job = workspace.submit(suspend=True)
    identity = {"podName": "victim", "podUID": victim["metadata"]["uid"]}
    attempt = {"number": 1, "state": state, **identity, "pool": "default", "memoryBytes": 2**40}
    job["status"] = {"attempt": 1, "podName": "victim", "attempts": [attempt]}
    workspace.api.replace("spectrogramjobs", job, subresource="status")
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    workspace.change(cancelled=True)
    assert workspace.wait_for_end().phase in ("Cancelled", "Failed")
    workspace.submit("next")
    pod = workspace.start("next")
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end("next").phase == "Succeeded"
    check_that_it_lives(workspace, victim)


def test_a_status_as_full_as_it_may_be_is_no_more_than_a_claim(workspace: Workspace) -> None:
    """It says that a thousand attempts are left, in a pool that is none, with all the memory that there is."""
    job = workspace.submit()
    attempts = [
        {
            "number": number,
            "state": "Finished",
            "podName": "p" * 253,
            "pool": "gone",
            "memoryBytes": 2**62,
            "reason": "MemoryError",
        }
        for number in range(1, 11)
    ]
    job["status"] = {
        "attempt": 10,
        "attempts": attempts,
        "queue": "gone",
        "retries": {"user": 0, "infra": 0, "reroutes": 0},
        "message": "m" * 1024,
    }
    workspace.api.replace("spectrogramjobs", job, subresource="status")
    workspace.operator().start()
    pod = workspace.start(attempt=11)
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] in ("1Gi", "4Gi")
    assert pod["metadata"]["labels"][LABEL_QUEUE] == "default"


@pytest.mark.parametrize("owned", [False, True], ids=["without owner", "with an owner of the job's name"])
def test_a_pod_with_our_labels_is_neither_ours_nor_in_the_way(workspace: Workspace, owned: bool) -> None:
    """It has all labels of a worker's, takes no slot of the one that there is, and outlives the job."""
    body = workspace.submit(suspend=True)
    job, name = body["metadata"], pod_name(read_job(body), 1)
    labels = {
        "app.kubernetes.io/name": "spectrogram-worker",
        LABEL_JOB_NAME: job["name"],
        LABEL_JOB_UID: job["uid"],
        LABEL_ATTEMPT: "1",
        LABEL_QUEUE: "default",
    }
    claim = workspace.api.get("persistentvolumeclaims", "results")["metadata"]
    owner = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim["name"], "uid": claim["uid"]}
    more: dict[str, Any] = {"ownerReferences": [{**owner, "controller": True}]} if owned else {}
    forged = create_victim(workspace, "forged-a1", labels=labels, **more)
    workspace.operator(SPECTROGRAM_POOLS=ONE).start()
    workspace.change(suspend=False)
    pod = workspace.wait_for_node(wait_until(lambda: workspace.api.find("pods", name), what="the job's own pod"))
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"
    workspace.api.delete("spectrogramjobs", job["name"])
    check_that_it_lives(workspace, forged)
