"""The shapes that pods take in the API of Kubernetes 1.34, as `kubectl get pod -o json` prints them."""

from typing import Any

from pods.jobs import CREATED, job
from spectrogram_operator.api.status import Attempt, AttemptState
from spectrogram_operator.core.building.podspec import build_pod, pod_name
from spectrogram_operator.core.policy import GIBIBYTE, Policy

Body = dict[str, Any]

POD_UID = "c1d5be0a-77c5-4d0e-9a3e-51b3c4d0ef64"
STARTED = "2026-11-23T12:00:02Z"
FINISHED = "2026-11-23T12:07:41Z"
DELETED = "2026-11-23T12:08:11Z"
IMAGE = "registry.example.org/spectrogram-worker:0.1.0"
IMAGE_ID = "registry.example.org/spectrogram-worker@sha256:" + "4f" * 32
SIDECAR_IMAGE = "registry.example.org/proxy:1.27"
DEADLINE = "Pod was active on the node longer than the specified deadline"


def running(name: str = "worker", *, started: str = STARTED) -> Body:
    """Status of a container that runs."""
    return _container(name, {"running": {"startedAt": started}}, ready=True, started=True)


def waiting(reason: str, message: str = "", name: str = "worker") -> Body:
    """Status of a container that waits."""
    state = {"message": message, "reason": reason} if message else {"reason": reason}
    return _container(name, {"waiting": state}, image_id="")


def terminated(
    exit_code: int,
    reason: str = "",
    message: str = "",
    name: str = "worker",
    *,
    started: str = STARTED,
    finished: str = FINISHED,
) -> Body:
    """Status of a container that ended."""
    state: Body = {
        "containerID": _container_id(name),
        "exitCode": exit_code,
        "finishedAt": finished,
        "reason": reason or ("Completed" if exit_code == 0 else "Error"),
        "startedAt": started,
    }
    if message:
        state["message"] = message
    return _container(name, {"terminated": state})


def lost(name: str = "worker") -> Body:
    """Status of a container that the kubelet knows nothing of, or that it ended before its start."""
    state = {
        "exitCode": 137,
        "finishedAt": None,
        "message": "The container could not be located when the pod was terminated",
        "reason": "ContainerStatusUnknown",
        "startedAt": None,
    }
    return _container(name, {"terminated": state}, image_id="")


def condition(kind: str, status: str = "True", reason: str = "", message: str = "", since: str = STARTED) -> Body:
    """One condition of a pod."""
    entry: Body = {"lastProbeTime": None, "lastTransitionTime": since, "observedGeneration": 1}
    entry |= {"message": message} if message else {}
    entry |= {"reason": reason} if reason else {}
    return entry | {"status": status, "type": kind}


def disruption(reason: str, message: str, status: str = "True") -> Body:
    """The condition DisruptionTarget."""
    return condition("DisruptionTarget", status, reason, message, since=FINISHED)


def pod(
    phase: str,
    *containers: Body,
    init: tuple[Body, ...] = (),
    reason: str = "",
    message: str = "",
    extra: tuple[Body, ...] = (),
    deleting: bool = False,
    bare: bool = False,
) -> Body:
    """A pod on a node. `bare`: the node refused it, and says nothing but that."""
    body = _accepted(tuple(entry["name"] for entry in containers), tuple(entry["name"] for entry in init))
    body["spec"]["nodeName"] = "node-7"
    status: Body = {"phase": phase, "qosClass": "Guaranteed", "startTime": CREATED}
    if not bare:
        status |= {
            "conditions": [*extra, *_conditions(phase)],
            "containerStatuses": list(containers),
            "hostIP": "10.88.8.1",
            "hostIPs": [{"ip": "10.88.8.1"}],
            "observedGeneration": 1,
            "podIP": "10.88.7.12",
            "podIPs": [{"ip": "10.88.7.12"}],
        }
    status |= {"initContainerStatuses": list(init)} if init else {}
    status |= {"reason": reason} if reason else {}
    status |= {"message": message} if message else {}
    if deleting:
        body["metadata"] |= {"deletionGracePeriodSeconds": 30, "deletionTimestamp": DELETED}
    return body | {"status": status}


def unscheduled(reason: str, message: str, *, gate: str = "", labels: Body | None = None) -> Body:
    """A pod that no node has taken; `gate` is what holds it back."""
    scheduled = condition("PodScheduled", "False", reason, message, since=CREATED)
    status = {"conditions": [scheduled], "observedGeneration": 1, "phase": "Pending", "qosClass": "Guaranteed"}
    body = _accepted()
    body["spec"] |= {"schedulingGates": [{"name": gate}]} if gate else {}
    body["metadata"]["labels"] |= labels or {}
    return body | {"status": status}


def with_status(**status: Any) -> Body:
    """A pod of which only this much of a status was written."""
    return _accepted() | {"status": status}


def _container_id(name: str) -> str:
    return "containerd://" + {"worker": "a7"}.get(name, "b8") * 32


def _container(name: str, state: Body, *, ready: bool = False, started: bool = False, image_id: str = IMAGE_ID) -> Body:
    status: Body = {
        "image": IMAGE if name == "worker" else SIDECAR_IMAGE,
        "imageID": image_id,
        "lastState": {},
        "name": name,
        "ready": ready,
        "restartCount": 0,
        "started": started,
        "state": state,
    }
    return status | ({"containerID": _container_id(name)} if image_id else {})


def _conditions(phase: str) -> list[Body]:
    scheduled = condition("PodScheduled", since=CREATED)
    kinds = ("Ready", "ContainersReady")
    if phase == "Running":
        return [*(condition(kind) for kind in ("PodReadyToStartContainers", "Initialized", *kinds)), scheduled]
    if phase == "Pending":
        unready = [
            condition(kind, "False", "ContainersNotReady", "containers with unready status: [worker]") for kind in kinds
        ]
        return [condition("PodReadyToStartContainers", "False"), condition("Initialized"), *unready, scheduled]
    why = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    ended = [condition(kind, "False", why, since=FINISHED) for kind in kinds]
    return [
        condition("PodReadyToStartContainers", "False", since=FINISHED),
        condition("Initialized"),
        *ended,
        scheduled,
    ]


def _accepted(containers: tuple[str, ...] = ("worker",), init: tuple[str, ...] = ()) -> Body:
    """What the operator sends, with what the API server adds."""
    policy = Policy(worker_image=IMAGE, service_account="spectrogram-worker")
    owner = job()
    attempt = Attempt(
        number=1, state=AttemptState.CREATED, pod_name=pod_name(owner, 1), pool="default", memory_bytes=GIBIBYTE
    )
    body = build_pod(owner, attempt, policy)
    body["metadata"] |= {"creationTimestamp": CREATED, "generation": 1, "resourceVersion": "48211", "uid": POD_UID}
    (worker,) = body["spec"]["containers"]
    worker |= {"terminationMessagePath": "/dev/termination-log"}
    worker["ports"][0] |= {"protocol": "TCP"}
    del body["spec"]["nodeSelector"]
    sidecar = {
        "image": SIDECAR_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    known = {"worker": worker}
    tolerations = [
        {"effect": "NoExecute", "key": f"node.kubernetes.io/{key}", "operator": "Exists", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]
    body["spec"] |= {
        "containers": [known.get(name, {"name": name} | sidecar) for name in containers or ("worker",)],
        "dnsPolicy": "ClusterFirst",
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "schedulerName": "default-scheduler",
        "serviceAccount": "spectrogram-worker",
        "tolerations": tolerations,
    }
    if init:
        body["spec"]["initContainers"] = [{"name": name} | sidecar for name in init]
    return body
