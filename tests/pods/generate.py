"""Writes the pods of this folder: `python -m pods.generate`, in tests/.

A file that was recorded from a real node has no case here, and is left alone.
"""

import json
import re
from pathlib import Path

from pods.reports import report
from pods.shapes import (
    DEADLINE,
    FINISHED,
    IMAGE,
    Body,
    condition,
    disruption,
    lost,
    pod,
    running,
    terminated,
    unscheduled,
    waiting,
    with_status,
)
from spectrogram_operator.api.names import KUEUE_GATE, KUEUE_MANAGED, KUEUE_QUEUE
from spectrogram_worker.contract import ExitCode, last_words

FOLDER = Path(__file__).parent

_DRAIN = disruption("EvictionByEvictionAPI", "Eviction API: evicting")
_PREEMPTION = disruption("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod")
_KUEUE = condition(
    "TerminationTarget",
    "True",
    "WorkloadEvictedDueToPreempted",
    "Preempted to accommodate a workload (UID: 45dadf3d-5510-43d8-b0c1-e43738567f7e, JobUID:"
    " ed18f0f0-948c-4385-b56c-d2e88135f692) due to prioritization in the ClusterQueue",
    FINISHED,
)
_TAINT = disruption("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
_NODE_GONE = disruption("DeletionByPodGC", "PodGC: node no longer exists")
_LOW_ON_MEMORY = (
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 42Mi. Container worker was using"
    " 1013Mi, request is 1Gi, has larger consumption of memory. "
)
_PULL = 'failed to pull and unpack image "registry.example.org/spectrogram-worker:0.1.0": not found'
_UNREACHABLE = (
    'failed to pull and unpack image "registry.example.org/spectrogram-worker:0.1.0": failed to do request: Head'
    ' "https://registry.example.org/v2/": dial tcp: lookup registry.example.org: no such host'
)
_GATED = "Scheduling is blocked due to non-empty scheduling gates"
_SHUTDOWN = "Pod was terminated in response to imminent node shutdown."


def _from_kubelet(message: str) -> Body:
    return disruption("TerminationByKubelet", message)


def _deadline(*containers: Body, bare: bool = False) -> Body:
    return pod("Failed", *containers, reason="DeadlineExceeded", message=DEADLINE, bare=bare)


def _rejected(reason: str, message: str) -> Body:
    return pod("Failed", reason=reason, message=f"Pod was rejected: {message}", bare=True)


def _waiting(reason: str, message: str = "") -> Body:
    return pod("Pending", waiting(reason, message))


def _not_ready(body: Body, reason: str = "", message: str = "") -> Body:
    """Somebody else than the kubelet has set Ready to False."""
    (ready,) = (entry for entry in body["status"]["conditions"] if entry["type"] == "Ready")
    ready |= {"status": "False", "lastTransitionTime": FINISHED}
    ready |= {"reason": reason, "message": message} if reason else {}
    return body


def _limited(body: Body, memory: str) -> Body:
    """A webhook has lowered the memory limit, and the request with it."""
    (worker,) = body["spec"]["containers"]
    for bound in ("limits", "requests"):
        worker["resources"][bound]["memory"] = memory
    return body


def _restarted(body: Body, last: Body) -> Body:
    (status,) = body["status"]["containerStatuses"]
    status |= {"lastState": last["state"], "restartCount": 1}
    return body


def _worker_exits() -> dict[str, Body]:
    cases = {}
    for code in ExitCode:
        if code is not ExitCode.DONE:
            name = re.sub("(?<=[a-z])(?=[A-Z])", "-", code.reason).lower()
            message = last_words(report(code.reason, f"what the worker says of {code.reason}", percent=43))
            cases[f"exit-{code.value}-{name}"] = pod("Failed", terminated(code, message=message))
    return cases


def _crowded(message: str, others: int) -> Body:
    """The worker has ended beside so many other containers: of 12 KiB for all messages each gets its share."""
    share = 12 * 1024 // (1 + others)
    cut = message.encode()[:share].decode(errors="replace")
    return pod("Succeeded", terminated(0, message=cut), *(terminated(0, name=f"proxy-{n}") for n in range(others)))


PUBLISHED = report("Completed", "all outputs are published", published=True)
SUCCESS = last_words(PUBLISHED)
INTERRUPTED = last_words(report("Interrupted"))
INPUT_NOT_FOUND = last_words(report("InputNotFound"))
WARNED = last_words(
    report(
        "Completed",
        "50 of 50 columns are in fm-band; 2 warnings",
        published=True,
        warnings=("the times of captures 1 and 2 contradict each other", "the picture is left out for want of memory"),
    )
)
TALKATIVE = last_words(
    report(
        "Completed", "8 warnings", published=True, warnings=tuple(f"sample {n} is late: Größe" * 9 for n in range(8))
    )
)

CASES: dict[str, Body] = {
    # the worker ends
    "succeeded": pod("Succeeded", terminated(0, message=SUCCESS)),
    "succeeded-with-warnings": pod("Succeeded", terminated(0, message=WARNED)),
    "succeeded-older-worker": pod("Succeeded", terminated(0, message=PUBLISHED.to_json())),
    "succeeded-among-seven": _crowded(TALKATIVE, 6),
    "succeeded-without-manifest": pod("Succeeded", terminated(0, message=last_words(report("Completed")))),
    "succeeded-without-message": pod("Succeeded", terminated(0)),
    "succeeded-without-statuses": with_status(
        phase="Succeeded", qosClass="Guaranteed", startTime="2026-11-23T12:00:00Z"
    ),
    "exit-0-manifest-of-another-job": pod("Succeeded", terminated(0, message=SUCCESS.replace("5a0c6f0e", "deadbeef"))),
    **_worker_exits(),
    "exit-66-claims-success": pod("Failed", terminated(66, message=SUCCESS)),
    "exit-1-crash": pod(
        "Failed",
        terminated(1, message="Traceback (most recent call last):\n  …\nZeroDivisionError: division by zero\n"),
    ),
    "exit-139-segmentation-fault": pod("Failed", terminated(139)),
    "exit-143": pod("Failed", terminated(143)),
    "exit-137-unlabelled": pod("Failed", terminated(137)),
    "restarted-and-running": _restarted(pod("Running", running()), terminated(137, "OOMKilled")),
    "restarted-and-succeeded": _restarted(pod("Succeeded", terminated(0, message=SUCCESS)), terminated(137)),
    "restarted-and-waiting": _restarted(
        pod("Failed", waiting("CrashLoopBackOff", "back-off 10s restarting failed container")), terminated(1)
    ),
    # memory
    "oom-killed": pod("Failed", terminated(137, "OOMKilled")),
    "oom-killed-while-drained": pod("Failed", terminated(137, "OOMKilled"), extra=(_DRAIN,), deleting=True),
    "child-oom-killed-succeeded": pod("Succeeded", terminated(0, "OOMKilled", SUCCESS)),
    "child-oom-killed-without-manifest": pod("Succeeded", terminated(0, "OOMKilled")),
    "child-oom-killed-exit-1": pod("Failed", terminated(1, "OOMKilled")),
    "init-oom-killed": pod(
        "Failed", waiting("PodInitializing"), init=(terminated(137, "OOMKilled", name="proxy-init"),)
    ),
    "sidecar-oom-killed-exit-66": pod("Failed", terminated(66), terminated(137, "OOMKilled", name="proxy")),
    "sidecar-oom-killed-drained": pod(
        "Failed", terminated(143), terminated(137, "OOMKilled", name="proxy"), extra=(_DRAIN,), deleting=True
    ),
    "sidecar-oom-killed-deleted": pod(
        "Failed", terminated(137), terminated(137, "OOMKilled", name="proxy"), deleting=True
    ),
    "sidecar-oom-killed-deadline": _deadline(terminated(137), terminated(137, "OOMKilled", name="proxy")),
    "sidecar-oom-killed-crashed": pod("Failed", terminated(139), terminated(137, "OOMKilled", name="proxy")),
    "sidecar-oom-killed": pod("Failed", terminated(137), terminated(137, "OOMKilled", name="proxy")),
    # time
    "deadline-exceeded": _deadline(terminated(137)),
    "deadline-exceeded-sigterm": _deadline(terminated(143)),
    "deadline-exceeded-exit-85": _deadline(terminated(85, message=INTERRUPTED)),
    "deadline-exceeded-after-success": _deadline(terminated(0, message=SUCCESS)),
    "deadline-exceeded-exit-0-without-manifest": _deadline(terminated(0)),
    "deadline-exceeded-before-start": _deadline(lost()),
    "deadline-exceeded-without-statuses": _deadline(bare=True),
    # evictions
    "evicted-node-memory": pod(
        "Failed", terminated(137), reason="Evicted", message=_LOW_ON_MEMORY, extra=(_from_kubelet(_LOW_ON_MEMORY),)
    ),
    "evicted-node-condition": pod(
        "Failed", reason="Evicted", message="The node had condition: [DiskPressure]. ", bare=True
    ),
    "evicted-container-storage": pod(
        "Failed",
        terminated(137),
        reason="Evicted",
        message='Container worker exceeded its local ephemeral storage limit "1Gi". ',
    ),
    "evicted-pod-storage": pod(
        "Failed",
        terminated(137),
        reason="Evicted",
        message="Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
    ),
    "evicted-scratch": pod(
        "Failed", lost(), reason="Evicted", message='Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". '
    ),
    # somebody deletes the pod
    "deleted-terminating": pod("Running", running(), deleting=True),
    "deleted-exit-143": pod("Failed", terminated(143), deleting=True),
    "deleted-exit-137": pod("Failed", terminated(137), deleting=True),
    "deleted-exit-85": pod("Failed", terminated(85, message=INTERRUPTED), deleting=True),
    "deleted-before-start": pod("Failed", lost(), deleting=True),
    "deleted-after-success": pod("Succeeded", terminated(0, message=SUCCESS), deleting=True),
    # disruptions
    "drained-terminating": pod("Running", running(), extra=(_DRAIN,), deleting=True),
    "drained-exit-85": pod("Failed", terminated(85, message=INTERRUPTED), extra=(_DRAIN,), deleting=True),
    "drained-exit-137": pod("Failed", terminated(137), extra=(_DRAIN,), deleting=True),
    "drained-after-success": pod("Succeeded", terminated(0, message=SUCCESS), extra=(_DRAIN,), deleting=True),
    "drain-announced": pod("Running", running(), extra=(_DRAIN,)),
    "drain-called-off": pod(
        "Running", running(), extra=(disruption("EvictionByEvictionAPI", "Eviction API: evicting", "False"),)
    ),
    "drain-announced-exit-66": pod("Failed", terminated(66, message=INPUT_NOT_FOUND), extra=(_DRAIN,)),
    "disrupted-unknown-reason": pod("Failed", terminated(137), extra=(disruption("SomethingNew", ""),)),
    "preempted": pod("Failed", terminated(143), extra=(_PREEMPTION,), deleting=True),
    "preempted-by-kubelet": pod(
        "Failed",
        terminated(137),
        reason="Preempting",
        message="Preempted in order to admit critical pod",
        extra=(_from_kubelet("Preempted in order to admit critical pod"),),
    ),
    "preempted-by-kueue": pod("Running", running(), extra=(_KUEUE,), deleting=True),
    "preempted-by-kueue-exit-143": pod("Failed", terminated(143), extra=(_KUEUE,), deleting=True),
    "preempted-by-volcano": _not_ready(pod("Running", running(), deleting=True), "Evict", "preempted by radio/survey"),
    "taint-terminating": pod("Running", running(), extra=(_TAINT,), deleting=True),
    "node-unreachable": _not_ready(pod("Running", running(), extra=(_TAINT,), deleting=True)),
    "node-unreachable-deleted": _not_ready(pod("Running", running(), deleting=True)),
    "taint": pod("Failed", terminated(137), extra=(_TAINT,), deleting=True),
    "node-gone": pod("Failed", running(), extra=(_NODE_GONE,)),
    "node-shutdown": pod(
        "Failed", terminated(137), reason="Terminated", message=_SHUTDOWN, extra=(_from_kubelet(_SHUTDOWN),)
    ),
    "node-shutdown-exit-85": pod("Failed", terminated(85, message=INTERRUPTED), reason="Terminated", message=_SHUTDOWN),
    "node-shutdown-old": pod("Failed", reason="Shutdown", message="Node is shutting, evicting pods", bare=True),
    # the node
    "rejected-out-of-cpu": _rejected(
        "OutOfcpu", "Node didn't have enough resource: cpu, requested: 1000, used: 1900, capacity: 2000"
    ),
    "rejected-out-of-memory": _rejected("OutOfmemory", "Node didn't have enough resource: memory"),
    "rejected-node-affinity": _rejected("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match"),
    "rejected-unexpected": _rejected("UnexpectedAdmissionError", "Allocate failed due to no healthy devices present"),
    "container-lost": pod("Failed", lost()),
    "start-error": pod(
        "Failed",
        terminated(128, "StartError", 'failed to create containerd task: exec: "spectrogram-worker": not found'),
    ),
    "cannot-run": pod("Failed", terminated(127, "ContainerCannotRun", "no such file or directory")),
    "failed-without-statuses": with_status(phase="Failed"),
    "failed-while-waiting": pod("Failed", waiting("ContainerCreating")),
    "phase-unknown": with_status(phase="Unknown", reason="NodeStatusUnknown"),
    # containers of others
    "init-input-not-found": pod("Failed", waiting("PodInitializing"), init=(terminated(66, name="fetch-recording"),)),
    "init-failed": pod("Failed", waiting("PodInitializing"), init=(terminated(2, name="proxy-init"),)),
    "sidecar-first-succeeded": pod("Succeeded", terminated(0, name="proxy"), terminated(0, message=SUCCESS)),
    "sidecar-outlives-success": pod("Running", running("proxy"), terminated(0, message=SUCCESS)),
    "sidecar-outlives-oom-killed": pod("Running", terminated(137, "OOMKilled"), running("proxy")),
    "sidecar-started-before": pod("Running", running("proxy"), waiting("PodInitializing")),
    "init-sidecar-killed-after-crash": pod("Failed", terminated(1), init=(terminated(137, name="proxy"),)),
    # not running yet
    "empty-status": with_status(),
    "just-created": with_status(phase="Pending", qosClass="Guaranteed"),
    "unschedulable": unscheduled(
        "Unschedulable", "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available."
    ),
    "claim-not-found": unscheduled(
        "Unschedulable", '0/3 nodes are available: persistentvolumeclaim "recordings" not found. not found'
    ),
    "scheduling-gated": unscheduled("SchedulingGated", _GATED, gate="example.org/approval"),
    "gated-by-kueue": unscheduled(
        "SchedulingGated", _GATED, gate=KUEUE_GATE, labels={KUEUE_QUEUE: "team-a", KUEUE_MANAGED: "true"}
    ),
    "gated-unnoticed": unscheduled("SchedulingGated", _GATED, gate=KUEUE_GATE, labels={KUEUE_QUEUE: "team-a"}),
    "init-hangs": pod("Pending", waiting("PodInitializing"), init=(running("proxy-init"),)),
    "sidecar-crashes": pod(
        "Pending", waiting("PodInitializing"), waiting("CrashLoopBackOff", "back-off 5m0s restarting", "proxy")
    ),
    "container-creating": _waiting("ContainerCreating"),
    "image-pull-error": _waiting("ErrImagePull", _PULL),
    "image-pull-back-off": _waiting("ImagePullBackOff", f'Back-off pulling image "{_PULL}"'),
    "registry-busy": _waiting("ErrImagePull", "429 Too Many Requests - Server message: toomanyrequests: slow down"),
    "registry-unreachable": _waiting("ErrImagePull", _UNREACHABLE),
    "registry-unreachable-back-off": _waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'),
    "registry-pull-qps": _waiting("ErrImagePull", "pull QPS exceeded"),
    "registry-denied": _waiting("ErrImagePull", "pull access denied: insufficient_scope: authorization failed"),
    "image-never-pull": _waiting("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
    "image-name-invalid": _waiting("InvalidImageName", "couldn't parse image name: invalid reference format"),
    "config-error": _waiting("CreateContainerConfigError", 'secret "store-credentials" not found'),
    "config-error-non-root": _waiting("CreateContainerConfigError", "container has runAsNonRoot, image runs as root"),
    "secret-cache": _waiting(
        "CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"
    ),
    "create-error": _waiting("CreateContainerError", "failed to reserve container name"),
    "sidecar-image-pull-error": pod("Pending", running(), waiting("ErrImagePull", _PULL, "proxy")),
    "running-with-less-memory": _limited(pod("Running", running()), "512Mi"),
    "running": pod("Running", running()),
}


def as_text(body: Body) -> str:
    """As kubectl prints it."""
    return json.dumps(body, indent=4, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, body in CASES.items():
        (FOLDER / f"{name}.json").write_text(as_text(body))
