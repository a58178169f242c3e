"""A namespace with what a job needs: claims that are bound, a node to run on, an operator with its own account."""

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.actors.operator_process import Operator
from cluster.api import Api
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ApiServer
from harness.waiting import wait_until
from pods.jobs import job_body
from pods.statuses import running
from spectrogram_operator.api.status import SpectrogramJobStatus

Body = dict[str, Any]

CHART = Path(__file__).parents[2] / "helm" / "spectrogram-operator"
ACCOUNT = "spectrogram-operator"
POOL_LABEL = "spectrogram.test/pool"
# Seconds. It bounds how long a broken test hangs: an operator that is killed thirty times starts thirty times.
PATIENCE = 600
TERMINAL = ("Succeeded", "Failed", "Cancelled")


def pool(node: str, **settings: Any) -> Body:
    """A pool whose pods go to the played node `node`, and that never limits what a test does not want limited."""
    toleration = {"key": POOL_LABEL, "operator": "Equal", "value": node, "effect": "NoSchedule"}
    return {"nodeSelector": {POOL_LABEL: node}, "tolerations": [toleration], "maxConcurrent": 1000, **settings}


def pools(default: Mapping[str, Any] | None = None, large: Mapping[str, Any] | None = None) -> str:
    """SPECTROGRAM_POOLS for the played nodes, with additions to each pool."""
    return json.dumps({"default": pool("default", **(default or {})), "large_jobs": pool("large", **(large or {}))})


def chart_rules(client: Client, *options: str) -> list[Body]:
    """What the chart, rendered with these options, lets the operator do in a namespace that it watches."""
    template = client.helm("template", "release", str(CHART), "--show-only=templates/rbac.yaml", *options)
    role = next(manifest for manifest in yaml.safe_load_all(template) if manifest["kind"] == "Role")
    rules: list[Body] = role["rules"]
    return rules


class Workspace:
    """The namespace of one test."""

    def __init__(self, control_plane: ApiServer, folder: Path, rules: list[Body]) -> None:
        """`rules` are what the operator may do."""
        self.control_plane = control_plane
        self.namespace = f"test-{secrets.token_hex(4)}"
        self.client = control_plane.client(self.namespace)
        self.folder = folder
        self.api = Api(control_plane, self.namespace)
        self._rules = rules
        self.volumes: list[str] = []
        self.operators: list[Operator] = []
        self.expected_errors: list[str] = []
        self._kubeconfig: Path | None = None

    # What a user and the platform team do.

    def open(self) -> None:
        """Create the namespace, and the claims `recordings` and `results`."""
        self.api.create("namespaces", {"metadata": {"name": self.namespace}})
        # Pods are refused without it.
        wait_until(lambda: self.api.find("serviceaccounts", "default"), what="the default service account")
        for claim in ("recordings", "results"):
            self.create_claim(claim)

    def create_claim(self, name: str) -> None:
        """A claim and the volume that it is bound to: the scheduler looks at both."""
        volume = f"{self.namespace}-{name}"
        size = {"storage": "1Gi"}
        self.api.create(
            "persistentvolumes",
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": volume},
                "spec": {
                    "capacity": size,
                    "accessModes": ["ReadWriteMany"],
                    "hostPath": {"path": "/nowhere"},
                    "storageClassName": "",
                    "claimRef": {"namespace": self.namespace, "name": name},
                    "persistentVolumeReclaimPolicy": "Retain",
                },
            },
        )
        self.volumes.append(volume)
        self.api.create(
            "persistentvolumeclaims",
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name},
                "spec": {
                    "accessModes": ["ReadWriteMany"],
                    "resources": {"requests": size},
                    "storageClassName": "",
                    "volumeName": volume,
                },
            },
        )
        wait_until(
            lambda: self.api.get("persistentvolumeclaims", name)["status"].get("phase") == "Bound",
            what=f"the claim {name} to be bound",
        )

    def submit(self, name: str = "fm-band", **spec: Any) -> Body:
        return self.api.create("spectrogramjobs", job_body(name, **spec))

    def change(self, name: str = "fm-band", **spec: Any) -> Body:
        return self.api.patch("spectrogramjobs", name, {"spec": spec})

    # What is there.

    def job(self, name: str = "fm-band") -> Body:
        return self.api.get("spectrogramjobs", name)

    def status(self, name: str = "fm-band") -> SpectrogramJobStatus:
        return SpectrogramJobStatus.model_validate(self.job(name).get("status", {}))

    def pods(self, job: str = "") -> list[Body]:
        """The pods of all jobs or of one, by name."""
        pods = self.api.list("pods", labelSelector="app.kubernetes.io/name=spectrogram-worker")
        owned = [pod for pod in pods if not job or pod["metadata"]["ownerReferences"][0]["name"] == job]
        return sorted(owned, key=lambda pod: str(pod["metadata"]["name"]))

    def events(self, job: str = "fm-band") -> list[str]:
        """Reasons of what the operator told people about a job, oldest first."""
        events = self.api.list("events", fieldSelector=f"involvedObject.name={job},involvedObject.kind=SpectrogramJob")
        return [event["reason"] for event in sorted(events, key=lambda one: int(one["metadata"]["resourceVersion"]))]

    # Waiting.

    def wait_for_status(self, name: str = "fm-band", **expected: Any) -> SpectrogramJobStatus:
        """Until these fields of the job's status have these values."""

        def as_expected() -> SpectrogramJobStatus | None:
            status = self.status(name)
            seen.update({field: getattr(status, field) for field in expected})
            return status if seen == expected else None

        seen: dict[str, Any] = {}
        try:
            return wait_until(as_expected, timeout=PATIENCE, what=f"{name}: {expected}")
        except TimeoutError as error:
            error.add_note(f"The status of {name}: {self.status(name)!r}")
            raise

    def wait_for_end(self, name: str = "fm-band") -> SpectrogramJobStatus:
        def ended() -> SpectrogramJobStatus | None:
            status = self.status(name)
            return status if status.completion_time else None

        try:
            return wait_until(ended, timeout=PATIENCE, what=f"the end of {name}")
        except TimeoutError as error:
            error.add_note(f"The status of {name}: {self.status(name)!r}")
            raise

    def wait_for_pod(self, job: str = "fm-band", attempt: int = 1) -> Body:
        """The pod of this attempt, once the scheduler has put it on a node."""

        def created() -> Body | None:
            return next((pod for pod in self.pods(job) if pod["metadata"]["name"].endswith(f"-a{attempt}")), None)

        return self.wait_for_node(wait_until(created, what=f"the pod of attempt {attempt} of {job}"))

    def wait_for_node(self, pod: Body) -> Body:
        def scheduled() -> Body | None:
            found = self.api.get("pods", pod["metadata"]["name"])
            return found if found["spec"].get("nodeName") else None

        return wait_until(scheduled, what=f"a node for {pod['metadata']['name']}")

    # What its kubelet does.

    def play(self, pod: Body, status: Mapping[str, Any]) -> Body:
        return self.api.patch_pod_status(pod["metadata"]["name"], status)

    def start(self, job: str = "fm-band", attempt: int = 1, *, ip: str = "") -> Body:
        """The pod of this attempt, running, and the job said so."""
        pod = self.play(self.wait_for_pod(job, attempt), running(ip=ip))
        self.wait_for_status(job, phase="Running", attempt=attempt)
        return pod

    def wait_for_deletion(self, pod: Body) -> Body:
        """Until somebody asked for the pod's end. It is still there, as it is until its kubelet has ended it."""

        def deleting() -> Body | None:
            found = self.api.get("pods", pod["metadata"]["name"])
            return found if "deletionTimestamp" in found["metadata"] else None

        return wait_until(deleting, what=f"the deletion of {pod['metadata']['name']}")

    def end_deleted(self, pod: Body, status: Mapping[str, Any]) -> None:
        """A kubelet's part in the deletion of a pod: its container ends, then the pod is gone."""
        self.wait_for_deletion(pod)
        self.play(pod, status)
        self.bury(pod)

    def bury(self, pod: Body) -> None:
        """The pod is gone from the API server, at once."""
        self.api.delete("pods", pod["metadata"]["name"], gracePeriodSeconds=0)

    # The operator.

    def operator(self, main: str = "spectrogram_operator", **settings: str) -> Operator:
        """A process of the operator that watches this namespace, not started yet."""
        log = self.folder / f"operator-{len(self.operators)}.log"
        defaults = {"SPECTROGRAM_POOLS": pools()}
        operator = Operator(self.kubeconfig, [self.namespace], log, {**defaults, **settings}, main)
        self.operators.append(operator)
        return operator

    @property
    def kubeconfig(self) -> Path:
        """Of the operator's service account, which has its Role and nothing else."""
        if self._kubeconfig is None:
            self._kubeconfig = self._create_account()
        return self._kubeconfig

    def admit(self, other: "Workspace") -> None:
        """Give the operators of that workspace their Role in this one."""
        self._grant(ACCOUNT, other.namespace, self._rules)

    def _grant(self, account: str, namespace: str, rules: list[Body]) -> None:
        named = {"metadata": {"name": account}}
        self.api.create("roles", {**named, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        self.api.create("rolebindings", {**named, "subjects": [subject], "roleRef": reference})

    def kubeconfig_with(self, account: str, rules: list[Body]) -> Path:
        """For a new account of the namespace that has these rights in it."""
        self.api.create("serviceaccounts", {"metadata": {"name": account}})
        self._grant(account, self.namespace, rules)
        return self.kubeconfig_of(account)

    def _create_account(self) -> Path:
        return self.kubeconfig_with(ACCOUNT, self._rules)

    @property
    def user(self) -> str:
        """How the API server names the operator."""
        return f"system:serviceaccount:{self.namespace}:{ACCOUNT}"

    def kubeconfig_of(self, account: str) -> Path:
        """For a program that runs as this account of the namespace."""
        request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
        token = self.api.create("serviceaccounts", request, name=account, subresource="token")["status"]["token"]
        authority = base64.b64encode(self.control_plane.certificates.authority.read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "tests",
                    "cluster": {"server": self.control_plane.server, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": account, "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": account}}],
            "current-context": "tests",
        }
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def check_operators(self) -> None:
        """No operator ended by itself, or logged an error that its test does not expect."""
        for operator in self.operators:
            # Before it is ended: then kopf complains now and again of connections and watches that it closes itself.
            complaints = [
                line for line in operator.complaints() if not any(text in line for text in self.expected_errors)
            ]
            assert operator.stop() == 0
            assert complaints == []

    def close(self) -> None:
        for operator in self.operators:
            operator.kill()
            print(f"--- {operator.log.name}\n{operator.tail()}")
        self.api.delete("namespaces", self.namespace)
        # By force: the pods of a node without kubelet would keep the namespace for ever.
        for pod in self.api.list("pods"):
            self.bury(pod)
        for volume in self.volumes:
            self.api.delete("persistentvolumes", volume)
        self.api.close()
