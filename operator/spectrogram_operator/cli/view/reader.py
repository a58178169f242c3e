"""A short-lived pod that reads results out of a claim: the worker's image, the claim read-only, no API token.

It meets Pod Security `restricted`. What the workers' pods are like the chart publishes in a ConfigMap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spectrogram_operator.api.names import LABEL_PUBLISHES, MAIN_CONTAINER
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.core.building.restricted import CONTAINER_SECURITY, pod_security
from spectrogram_worker.contract.handing_out import WANTED_VARIABLE, WantedResults

PUBLISHED, PUBLISHED_OF_ALL = f"{LABEL_PUBLISHES}=worker", f"{LABEL_PUBLISHES}=worker-of-all"
"""What is published for the namespace that it is in, and for all namespaces."""
HAND_OUT = ("python", "-m", "spectrogram_worker.hand_out")
SECONDS = 600
_NOTHING = ("python", "-c", f"import time; time.sleep({SECONDS})")
_LONGEST_NAME = 40
_LABEL = "app.kubernetes.io/name"


@dataclass(frozen=True, kw_only=True)
class WorkerPods:
    """How the workers' pods are, as far as one that reads must be like them."""

    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    service_account: str = "default"
    run_as_user: int = 65532
    fs_group: int = 65532


def read_published(data: Mapping[str, str]) -> WorkerPods:
    """What the ConfigMap says. Raises KeyError and ValueError where it says it otherwise."""
    return WorkerPods(
        image=data["image"],
        pull_policy=data["imagePullPolicy"],
        pull_secrets=tuple(filter(None, data["imagePullSecrets"].split(","))),
        service_account=data["serviceAccount"],
        run_as_user=int(data["runAsUser"]),
        fs_group=int(data["fsGroup"]),
    )


def reader_pod(job: str, claim: str, wanted: WantedResults, pods: WorkerPods, *, waits: bool) -> Body:
    """The pod. It prints what is wanted, or with `waits` does nothing until somebody runs HAND_OUT in it."""
    resources = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"}
    container: dict[str, Any] = {
        "name": MAIN_CONTAINER,
        "image": pods.image,
        "imagePullPolicy": pods.pull_policy,
        "command": list(_NOTHING if waits else HAND_OUT),
        "env": [{"name": WANTED_VARIABLE, "value": wanted.model_dump_json(by_alias=True, exclude_none=True)}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "results", "mountPath": wanted.folder, "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"view-{job[:_LONGEST_NAME].replace('.', '-').rstrip('-')}-",
            "labels": {_LABEL: "spectrogram-view"},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 0,
            "serviceAccountName": pods.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in pods.pull_secrets],
            "securityContext": pod_security(pods.run_as_user, pods.fs_group),
            "containers": [container],
            "volumes": [{"name": "results", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}],
        },
    }


def obstacle(pod: Body) -> str:
    """Why the pod does not run yet, in the words of whoever knows."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("message") or waiting.get("reason"):
            return str(waiting.get("message") or waiting["reason"])
    unmet = [one["message"] for one in status.get("conditions") or () if one["status"] == "False" and "message" in one]
    return str(unmet[0] if unmet else status.get("message") or "no node has taken it")
