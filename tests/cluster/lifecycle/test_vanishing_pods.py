"""Pods that are taken away: by a person, by a drain, by the scheduler, by a node, or by nobody knows whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.api import ApiError
from cluster.audit import Audit
from cluster.workspace import ACCOUNT, POOL_LABEL, Workspace, pools
from harness.kubernetes.played import create_node
from harness.waiting import wait_until
from pods.statuses import ended, failed, succeeded
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.core.building.podspec import pod_name
from spectrogram_worker.contract import ExitCode


def test_a_pod_that_vanished_while_nobody_looked_is_missing(
    workspace: Workspace, operator: Operator, audit: Audit
) -> None:
    workspace.submit()
    pod = workspace.start()
    operator.kill()
    workspace.bury(pod)
    operator.start()

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempts[0].retry_class) == ("Failed", "PodMissing", "Zombie")
    assert "Detected as zombie: no such pod: two look-ups said so" in (status.message or "")
    assert workspace.pods() == []
    wait_until(lambda: "Failed" in workspace.events(), what="the last event")
    assert workspace.events()[-2:] == ["ZombieDetected", "Failed"]
    name = pod["metadata"]["name"]
    asked = [one for one in audit.requests(workspace.namespace, ACCOUNT) if (one.verb, one.name) == ("get", name)]
    assert [one.code for one in asked][-2:] == [404, 404]


def test_a_pod_that_nobody_may_look_for_is_unknown_and_not_missing(workspace: Workspace, operator: Operator) -> None:
    """A role that lost a rule, a token that expired, a proxy in between: none of these says that a pod is gone."""
    workspace.submit()
    pod = workspace.start()
    operator.kill()
    workspace.bury(pod)
    role = workspace.api.get("roles", ACCOUNT)
    blind = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if rule["resources"] != ["pods"] or verb != "get"]}
        for rule in role["rules"]
    ]
    workspace.api.patch("roles", ACCOUNT, {"rules": blind})
    operator.start()
    operator.wait_for_log(f"Error checking if job {workspace.namespace}/fm-band is running on worker: 403 Forbidden")
    workspace.submit("later", suspend=True)
    workspace.wait_for_status("later", phase="Suspended")
    assert workspace.status().phase == "Running"

    workspace.api.patch("roles", ACCOUNT, {"rules": role["rules"]})
    assert workspace.wait_for_end().reason == "PodMissing"


def test_a_missing_pod_is_replaced_where_the_job_says_so(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(retry={"zombies": "Retry"})
    pod = workspace.start()
    operator.kill()
    workspace.bury(pod)
    operator.start()
    second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert status.phase == "Succeeded"
    assert reasons(status) == ["PodMissing", "Completed"]
    assert (status.retries.user, status.retries.infra) == (0, 1)


def test_a_pod_deleted_by_force_before_the_operators_eyes_was_deleted_by_a_person(
    workspace: Workspace, operator: Operator
) -> None:
    """The last that the watch shows of it explains its end."""
    workspace.submit()
    workspace.client.kubectl("delete", "pod", workspace.start()["metadata"]["name"], "--force", "--grace-period=0")
    workspace.start(attempt=2)

    assert reasons(workspace.status()) == ["PodDeleted", None]


def test_a_pod_deleted_by_a_person_is_replaced_once_it_has_ended(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.client.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    workspace.wait_for_status(reason="PodDeleted")
    assert len(workspace.pods()) == 1
    workspace.end_deleted(pod, failed(pod, ExitCode.INTERRUPTED))
    second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert status.phase == "Succeeded"
    assert reasons(status) == ["PodDeleted", "Completed"]
    assert status.retries.user == 1


def test_a_worker_that_finishes_in_time_beats_the_deletion_of_its_pod(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.start()
    workspace.client.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    workspace.end_deleted(pod, succeeded(pod))

    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_drained_pod_costs_no_try(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(retry={"limit": 0})
    pod = workspace.start()
    evict(workspace, pod)
    workspace.wait_for_status(reason="Drained")
    workspace.end_deleted(pod, ended(143))
    second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert status.phase == "Succeeded"
    assert reasons(status) == ["Drained", "Completed"]
    assert (status.retries.infra, status.attempt_text) == (1, "1/1")


def test_a_drain_on_record_explains_a_pod_that_is_gone_after_a_restart(
    workspace: Workspace, operator: Operator
) -> None:
    """The evidence is in status before the pod is gone: nobody saw the end, and still it is no zombie."""
    workspace.submit()
    pod = workspace.start()
    evict(workspace, pod)
    workspace.wait_for_status(reason="Drained")
    operator.kill()
    workspace.bury(pod)
    operator.start()
    workspace.start(attempt=2)

    status = workspace.status()
    assert (status.attempts[0].reason, status.attempts[0].retry_class) == ("Drained", "Infrastructure")
    assert (status.retries.infra, status.retries.user) == (1, 0)


@pytest.fixture
def own_node(workspace: Workspace, request: pytest.FixtureRequest) -> Iterator[str]:
    """A node of this test alone, with room for one worker."""
    name = f"own-{workspace.namespace}"
    taint = {"key": POOL_LABEL, "value": name, "effect": "NoSchedule"}
    create_node(workspace.client, name, labels={POOL_LABEL: name}, taints=[taint], memory="1536Mi")
    disk = {"ephemeral-storage": "100Gi"}
    workspace.client.patch_status("node", name, {"capacity": disk, "allocatable": disk})
    yield name
    workspace.client.kubectl("delete", "node", name)


def placed_on(node: str) -> str:
    """SPECTROGRAM_POOLS for workers on this node."""
    toleration = {"key": POOL_LABEL, "operator": "Equal", "value": node, "effect": "NoSchedule"}
    return pools(default={"nodeSelector": {POOL_LABEL: node}, "tolerations": [toleration]})


def test_a_pod_preempted_by_the_scheduler_costs_no_try(workspace: Workspace, own_node: str) -> None:
    workspace.operator(SPECTROGRAM_POOLS=placed_on(own_node)).start()
    workspace.submit()
    pod = workspace.start()
    with priority_class(workspace) as important:
        rival = workspace.api.create("pods", rival_pod(own_node, important))
        workspace.wait_for_status(reason="Preempted")
        workspace.end_deleted(pod, ended(143))
        workspace.wait_for_status(phase="Pending", reason="Unschedulable")
        workspace.bury(rival)
        second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert reasons(status) == ["Preempted", "Completed"]
    assert (status.retries.infra, status.retries.user) == (1, 0)


def test_a_pod_driven_off_by_a_taint_costs_no_try(workspace: Workspace, own_node: str) -> None:
    workspace.operator(SPECTROGRAM_POOLS=placed_on(own_node)).start()
    workspace.submit()
    pod = workspace.start()
    workspace.client.kubectl("taint", "node", own_node, "broken=yes:NoExecute")
    workspace.wait_for_status(reason="NodeTainted")
    workspace.end_deleted(pod, ended(137))
    workspace.client.kubectl("taint", "node", own_node, "broken-")
    second = workspace.start(attempt=2)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert reasons(status) == ["NodeTainted", "Completed"]
    assert (status.retries.infra, status.retries.user) == (1, 0)


def test_a_job_deleted_while_it_runs_takes_its_pod_along_and_frees_its_slot(workspace: Workspace) -> None:
    one = pools(default={"maxConcurrent": 1})
    workspace.operator(SPECTROGRAM_POOLS=one).start()
    workspace.submit()
    pod = workspace.start()
    workspace.submit("next")
    workspace.wait_for_status("next", phase="Queued", reason="WaitingForSlot")

    workspace.client.kubectl("delete", "sgj", "fm-band")
    workspace.wait_for_deletion(pod)
    # Its worker still runs and uses its memory: the slot is taken until it has ended.
    assert workspace.pods("next") == []
    workspace.end_deleted(pod, failed(pod, ExitCode.INTERRUPTED))

    second = workspace.start("next")
    workspace.play(second, succeeded(second))
    assert workspace.wait_for_end("next").phase == "Succeeded"


def test_a_job_of_the_same_name_is_another_job(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    first = workspace.start()
    workspace.client.kubectl("delete", "sgj", "fm-band")
    workspace.submit()
    wait_until(lambda: len(workspace.pods()) == 2, what="the pod of the second job beside the ending one")
    second = next(pod for pod in workspace.pods() if pod["metadata"]["name"] != first["metadata"]["name"])
    workspace.end_deleted(first, ended(143))
    second = workspace.wait_for_node(second)
    workspace.play(second, succeeded(second))

    status = workspace.wait_for_end()
    assert (status.phase, status.attempt) == ("Succeeded", 1)


def test_a_pod_of_the_same_name_that_is_somebody_elses_is_left_alone(workspace: Workspace, operator: Operator) -> None:
    workspace.submit(suspend=True)
    workspace.wait_for_status(phase="Suspended")
    name = pod_name_of(workspace)
    workspace.api.create("pods", {**rival_pod("nowhere", ""), "metadata": {"name": name}})
    workspace.change(suspend=False)

    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "PodNameCollision")
    assert workspace.api.find("pods", name) is not None


def evict(workspace: Workspace, pod: dict[str, Any]) -> None:
    """As `kubectl drain` does for each pod of a node."""
    name = pod["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    workspace.api.create("pods", body, name=name, subresource="eviction")


def reasons(status: SpectrogramJobStatus) -> list[str | None]:
    return [attempt.reason for attempt in status.attempts]


@contextmanager
def priority_class(workspace: Workspace) -> Iterator[str]:
    name = f"important-{workspace.namespace}"
    workspace.client.kubectl("create", "priorityclass", name, "--value=1000000")
    # Admission reads priority classes from a watch of its own, which may be behind.
    try_out = f"/api/v1/namespaces/{workspace.namespace}/pods?dryRun=All"

    def is_known() -> bool:
        try:
            workspace.api.request("POST", try_out, rival_pod("none", name))
        except ApiError as error:
            return "no PriorityClass" not in error.message
        return True

    wait_until(is_known, what=f"pods of the priority class {name} to be admitted")
    yield name
    workspace.client.kubectl("delete", "priorityclass", name)


def rival_pod(node: str, priority_class_name: str) -> dict[str, Any]:
    """A pod that takes the node's memory for itself."""
    container = {"name": "main", "image": "none", "resources": {"requests": {"memory": "1Gi"}}}
    spec: dict[str, Any] = {
        "containers": [container],
        "nodeSelector": {POOL_LABEL: node},
        "tolerations": [{"key": POOL_LABEL, "operator": "Exists"}],
    }
    if priority_class_name:
        spec["priorityClassName"] = priority_class_name
    return {"metadata": {"name": "rival"}, "spec": spec}


def pod_name_of(workspace: Workspace) -> str:
    """The name that the first pod of the job will have."""
    return pod_name(read_job(workspace.job()), 1)
