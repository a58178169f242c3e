"""Jobs whose pod does not come to run: no node, no claim, no image, no quota; and what the API server refuses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.workspace import ACCOUNT, POOL_LABEL, Workspace, pools
from harness.kubernetes.client import CommandError
from harness.waiting import wait_until
from pods.shapes import Body, condition
from pods.statuses import ended, succeeded, waiting
from spectrogram_operator.api.quantity import format_bytes, parse_bytes
from spectrogram_operator.core.status import find_condition, holds

NOWHERE = pools(default={"nodeSelector": {POOL_LABEL: "nowhere"}})
PULL_ERROR = 'rpc error: code = NotFound desc = failed to pull image "spectrogram-worker:latest": not found'
MULTI_ATTACH = 'Multi-Attach error for volume "pvc-1": volume is already used by pod(s) fm-band-a0'
BACK_OFF = 'Back-off pulling image "spectrogram-worker:latest"'


def test_a_pod_that_no_node_takes_is_pending_in_the_schedulers_words(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=NOWHERE).start()
    workspace.submit()

    status = workspace.wait_for_status(phase="Pending", reason="Unschedulable")
    assert "nodes are available" in (status.message or "")
    running = find_condition(status.conditions, "Running")
    assert running is not None
    assert (running.status, running.reason) == ("False", "Unschedulable")
    assert status.start_time is not None


def test_a_pod_that_no_node_takes_for_too_long_fails_the_job(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=NOWHERE, SPECTROGRAM_PENDING_TIMEOUT="2").start()
    workspace.submit()

    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "PendingTimeout")
    assert "nodes are available" in (status.message or "")
    wait_until(lambda: workspace.pods() == [], what="the end of its pod")


@pytest.mark.parametrize(
    ("severity", "reason", "said", "told"),
    [
        ("Normal", "TriggeredScaleUp", "pod triggered scale-up: [{workers 0->1 (max: 5)}]", "adds a node"),
        ("Normal", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", "adds no node"),
        (
            "Warning",
            "FailedScaleUp",
            "Node scale up in zones a of this pod failed",
            "could not add a node",
        ),
    ],
)
def test_what_an_autoscaler_says_of_a_pod_without_a_node_is_told(
    workspace: Workspace, severity: str, reason: str, said: str, told: str
) -> None:
    workspace.operator(SPECTROGRAM_POOLS=NOWHERE).start()
    workspace.submit()
    workspace.wait_for_status(phase="Pending", reason="Unschedulable")
    (pod,) = workspace.pods()
    tell(workspace, pod, severity, reason, said)
    reserve_earlier(workspace)
    (scheduled,) = workspace.api.get("pods", pod["metadata"]["name"])["status"]["conditions"]
    workspace.play(pod, {"conditions": [scheduled | {"lastTransitionTime": minutes_ago()}]})

    words = f"the cluster autoscaler {told} for it: {said}; the scheduler: {scheduled['message']}"
    status = workspace.wait_for_status(message=words)
    assert (status.phase, status.reason) == ("Pending", "Unschedulable")


def test_a_claim_that_does_not_exist_is_named_and_awaited(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_SWEEP_INTERVAL="1").start()
    source = {"claimName": "survey", "path": "fm.drf"}
    workspace.submit(input=source)
    status = workspace.wait_for_status(phase="Pending", reason="PVCNotFound")
    assert status.message == (
        f"no PersistentVolumeClaim survey in the namespace {workspace.namespace}: create it, or correct claimName"
    )
    assert holds(status, "Accepted") is False
    assert workspace.pods() == []

    workspace.create_claim("survey")
    pod = workspace.start()
    assert holds(workspace.status(), "Accepted")
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_claim_that_never_comes_fails_the_job(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_PENDING_TIMEOUT="2", SPECTROGRAM_SWEEP_INTERVAL="1").start()
    workspace.submit(output={"claimName": "survey"})

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "PVCNotFound", 0)


def test_an_image_that_cannot_be_pulled_ends_the_job_after_a_while(workspace: Workspace) -> None:
    """ErrImagePull and ImagePullBackOff take turns; the clock goes on all the same, and the cause stays."""
    workspace.operator(SPECTROGRAM_IMAGE_PULL_TIMEOUT="4").start()
    workspace.submit()
    pod = workspace.wait_for_pod()
    workspace.play(pod, waiting("ErrImagePull", PULL_ERROR))
    first = workspace.wait_for_status(phase="Starting", reason="ImagePullFailed")
    assert PULL_ERROR in (first.message or "")
    assert holds(first, "Stalled")
    workspace.play(pod, waiting("ImagePullBackOff", BACK_OFF))
    workspace.play(pod, waiting("ErrImagePull", PULL_ERROR))
    workspace.end_deleted(pod, killed_while_waiting())

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "ImagePullFailed", 1)
    assert PULL_ERROR in (status.message or "")


def test_an_image_that_comes_at_last_is_fine(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.wait_for_pod()
    workspace.play(pod, waiting("ErrImagePull", PULL_ERROR))
    workspace.wait_for_status(reason="ImagePullFailed")
    workspace.start()

    assert holds(workspace.status(), "Stalled") is False
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_an_image_that_may_not_be_pulled_ends_the_job_at_once(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.wait_for_pod()
    workspace.play(pod, waiting("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never'))
    workspace.end_deleted(pod, killed_while_waiting())

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "ImagePullFailed", 1)
    assert "pull policy of Never" in (status.message or "")


def test_a_pod_whose_node_never_starts_it_is_replaced(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_STARTUP_TIMEOUT="2").start()
    workspace.submit(retry={"limit": 0})
    pod = workspace.wait_for_pod()
    workspace.play(pod, waiting("ContainerCreating"))
    workspace.end_deleted(pod, killed_while_waiting())
    workspace.wait_for_pod(attempt=2)

    status = workspace.status()
    assert (status.attempts[0].reason, status.retries.infra) == ("StartupTimeout", 1)


def test_row_13_the_event_that_names_a_volume_is_told(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    pod = workspace.wait_for_pod()
    tell_of_a_volume(workspace, pod)
    wait_long(workspace, pod)

    status = workspace.wait_for_status(message=f"the pod does not start: {MULTI_ATTACH}")
    assert (status.phase, holds(status, "Stalled")) == ("Starting", True)


def test_row_13_an_operator_that_may_not_list_events_goes_by_the_pod(workspace: Workspace) -> None:
    operator = workspace.operator()
    forbid_events = {
        "rules": [rule for rule in workspace.client.find("role", ACCOUNT)["rules"] if rule["resources"] != ["events"]]
    }
    workspace.client.kubectl("patch", "role", ACCOUNT, "--type=merge", "--patch", json.dumps(forbid_events))
    operator.start()
    workspace.submit()
    pod = workspace.wait_for_pod()
    tell_of_a_volume(workspace, pod)
    wait_long(workspace, pod)

    workspace.wait_for_status(message="the pod does not start: the node has not set up its volumes and its network")
    operator.wait_for_log("The operator may not list events")


def test_a_deadline_that_no_kubelet_enforces_is_enforced_by_the_operator(
    workspace: Workspace, operator: Operator
) -> None:
    """What a pod says of its start is held against when its attempt was reserved: both lie far back here."""
    workspace.submit()
    pod = workspace.start()
    workspace.wait_for_status(phase="Running")
    long_ago = "2026-01-01T00:00:00Z"
    workspace.play(pod, {"startTime": long_ago})
    (attempt,) = workspace.job()["status"]["attempts"]
    attempt |= {"reservedTime": long_ago, "startTime": long_ago}
    workspace.client.patch_status("spectrogramjob", "fm-band", {"attempts": [attempt]})
    workspace.end_deleted(pod, ended(137))

    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert "the kubelet did not end the pod" in (status.message or "")


def test_a_job_waits_for_quota_at_no_cost(workspace: Workspace, operator: Operator) -> None:
    limit_pods(workspace, 0)
    workspace.submit(retry={"limit": 0})
    status = workspace.wait_for_status(phase="Queued", reason="QuotaExceeded")
    assert "exceeded quota: few" in (status.message or "")
    assert holds(status, "Admitted") is False
    assert status.attempt == 1

    workspace.client.kubectl("patch", "quota", "few", "--patch", '{"spec": {"hard": {"pods": "1"}}}')
    pod = workspace.start()
    assert workspace.status().attempt == 1
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"


def test_a_limit_range_that_worker_pods_cannot_meet_is_told(workspace: Workspace, operator: Operator) -> None:
    limit = {"type": "Container", "max": {"memory": "512Mi"}}
    create(workspace, "LimitRange", "small", {"limits": [limit]})
    workspace.submit()

    status = workspace.wait_for_end()
    assert (status.phase, status.reason) == ("Failed", "PodRejected")
    assert "maximum memory usage per Container is 512Mi" in (status.message or "")
    assert workspace.pods() == []


def test_a_pod_that_a_gate_holds_waits_at_no_cost(workspace: Workspace) -> None:
    """Fault 20. Said of a pod that no scheduler looks at: a gate is set when a pod is created, by others than us."""
    nobody = pools(default={"schedulerName": "nobody"})
    workspace.operator(SPECTROGRAM_POOLS=nobody, SPECTROGRAM_PENDING_TIMEOUT="1").start()
    workspace.submit()
    wait_until(lambda: workspace.pods(), what="the pod")
    (pod,) = workspace.pods()
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "waits for its queue"}
    workspace.play(pod, {"phase": "Pending", "conditions": [gate]})
    workspace.wait_for_status(phase="Queued", reason="SchedulingGated")


def test_a_policy_that_refuses_the_pod_ends_the_job_in_its_words(workspace: Workspace, operator: Operator) -> None:
    """Fault 43: nobody waits for a policy to change."""
    name = f"no-pods-{workspace.namespace}"
    here = {"matchLabels": {"kubernetes.io/metadata.name": workspace.namespace}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    of_all = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rule = {"expression": "false", "message": "no pods on a Sunday"}
    policy = {"matchConstraints": {"resourceRules": [pods]}, "validations": [rule]}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": here}}
    workspace.client.apply(
        {**of_all, "kind": "ValidatingAdmissionPolicy", "spec": policy},
        {**of_all, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )
    try:
        wait_until(lambda: refuses_pods(workspace), what="the policy to be in force")
        workspace.submit()
        status = workspace.wait_for_end()
    finally:
        for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
            workspace.client.kubectl("delete", kind, name)
    assert (status.phase, status.reason, status.attempt) == ("Failed", "PodRejected", 1)
    assert "no pods on a Sunday" in (status.message or "")


def refuses_pods(workspace: Workspace) -> bool:
    try:
        workspace.client.kubectl("run", "probe", "--image=none", "--dry-run=server")
    except CommandError as error:
        return "no pods on a Sunday" in error.output
    return False


def test_the_worker_pod_is_welcome_where_pod_security_is_restricted(workspace: Workspace, operator: Operator) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    workspace.client.kubectl("label", "namespace", workspace.namespace, label)
    workspace.submit()
    pod = workspace.start()

    assert pod["spec"]["automountServiceAccountToken"] is False
    assert [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]] == ["input", "output", "scratch"]


def test_the_pod_has_the_limits_of_the_job(workspace: Workspace, operator: Operator) -> None:
    workspace.submit("usual")
    workspace.submit("own", resources={"memory": "2Gi", "cpu": "2"}, timeLimits={"softSeconds": 60, "hardSeconds": 90})

    def limits(job: str) -> tuple[Any, ...]:
        spec = workspace.wait_for_pod(job)["spec"]
        resources = spec["containers"][0]["resources"]
        assert resources["requests"] == resources["limits"]
        memory = parse_bytes(resources["limits"]["memory"])
        return spec["activeDeadlineSeconds"], format_bytes(memory), resources["limits"]["cpu"]

    assert limits("usual") == (900, "1Gi", "1")
    assert limits("own") == (90, "2Gi", "2")


def limit_pods(workspace: Workspace, count: int) -> None:
    """A quota, once the API server enforces it."""
    create(workspace, "ResourceQuota", "few", {"hard": {"pods": str(count)}})

    def enforced() -> bool:
        return "used" in workspace.client.find("quota", "few").get("status", {})

    wait_until(enforced, what="the quota")


def create(workspace: Workspace, kind: str, name: str, spec: Body) -> None:
    workspace.client.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def tell(workspace: Workspace, pod: Body, kind: str, reason: str, message: str) -> None:
    """An event about the pod, as a node or an autoscaler posts it."""
    metadata = pod["metadata"]
    about = {"kind": "Pod", "namespace": workspace.namespace, "name": metadata["name"], "uid": metadata["uid"]}
    content = {"type": kind, "reason": reason, "message": message}
    workspace.api.create("events", {"metadata": {"generateName": "told."}, "involvedObject": about, **content})


def tell_of_a_volume(workspace: Workspace, pod: Body) -> None:
    tell(workspace, pod, "Warning", "FailedAttachVolume", MULTI_ATTACH)


def wait_long(workspace: Workspace, pod: Body) -> None:
    """For the operator, a node has been starting the pod for some minutes: its status and the job's say so."""
    workspace.play(
        pod, waiting("ContainerCreating") | {"conditions": [condition("PodReadyToStartContainers", "False")]}
    )
    workspace.wait_for_status(reason="ContainerCreating")
    reserve_earlier(workspace)
    workspace.play(pod, {"conditions": [condition("PodScheduled", since=minutes_ago())]})


def minutes_ago() -> str:
    return (datetime.now(UTC) - timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reserve_earlier(workspace: Workspace) -> None:
    """The attempt was reserved minutes ago, its status says."""
    (attempt,) = workspace.job()["status"]["attempts"]
    workspace.client.patch_status(
        "spectrogramjob", "fm-band", {"attempts": [attempt | {"reservedTime": minutes_ago()}]}
    )


def killed_while_waiting() -> Body:
    """What a kubelet leaves of a container that never ran."""
    return ended(137, reason="ContainerStatusUnknown", message="The container could not be located")
