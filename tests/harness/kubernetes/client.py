"""Thin functions around the real `kubectl` and `helm`: what a test does to the cluster, a user could have typed."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.programs import binaries
from harness.waiting import wait_until


class CommandError(Exception):
    """kubectl or helm said no. `output` is what it wrote to stderr, for tests of what must be refused."""

    def __init__(self, command: str, code: int, output: str) -> None:
        super().__init__(f"{command} ended with code {code}: {output.strip()}")
        self.code = code
        self.output = output


@dataclass(frozen=True)
class Client:
    kubeconfig: Path
    namespace: str = "default"

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """Run kubectl in this client's namespace (an argument -n or -A overrides it) and return what it printed."""
        return self._run("kubectl", arguments, input)

    def kubectl_json(self, *arguments: str, input: str | None = None) -> Any:
        return json.loads(self.kubectl(*arguments, "--output=json", input=input))

    def helm(self, *arguments: str, input: str | None = None, program: Path | None = None) -> str:
        """Run helm, of the tests' tools or another `program`, in this client's namespace."""
        return self._run("helm", arguments, input, program)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        objects = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.kubectl("apply", "--filename=-", input=json.dumps(objects))

    def create(self, manifest: Mapping[str, Any]) -> Any:
        """Create one object and return it as the API server stored it."""
        return self.kubectl_json("create", "--filename=-", input=json.dumps(manifest))

    def find(self, kind: str, name: str) -> Any:
        """The object, or None if there is none."""
        text = self.kubectl("get", kind, name, "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def patch_status(self, kind: str, name: str, status: Mapping[str, Any]) -> None:
        """Write a status as its owner would: that of a pod as its kubelet, that of a node as its node agent."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")

    def wait_for_node(self, name: str) -> None:
        """Until the scheduler may put pods on it: ready, and the controllers have taken notice."""

        def usable() -> bool:
            node = self.find("node", name) or {"spec": {}, "status": {}}
            conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", [])}
            taints = {taint["key"] for taint in node["spec"].get("taints", [])}
            return conditions.get("Ready") == "True" and not any(
                key.startswith("node.kubernetes.io/") for key in taints
            )

        wait_until(usable, timeout=120, what=f"the node {name}")

    def wait_for_pod(self, name: str, *phases: str, timeout: float = 120) -> Any:
        """The pod, once its phase is one of these; if that never comes, with what Kubernetes says about it."""

        def in_phase() -> Any:
            pod = self.find("pod", name)
            return pod if pod and pod["status"].get("phase") in phases else None

        try:
            return wait_until(in_phase, timeout, what=f"the pod {name} to be {' or '.join(phases)}")
        except TimeoutError as error:
            error.add_note(self.kubectl("describe", "pod", name))
            raise

    @contextmanager
    def fresh_namespace(self, prefix: str = "test", labels: Mapping[str, str] | None = None) -> Iterator["Client"]:
        """A client for a new namespace in which pods can be created; deleted at the end, with all that is in it."""
        metadata = {"generateName": f"{prefix}-", "labels": dict(labels or {})}
        created = self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        client = Client(self.kubeconfig, created["metadata"]["name"])
        try:
            wait_until(lambda: client.find("serviceaccount", "default"), what="the default service account")
            yield client
        finally:
            self.kubectl("delete", "namespace", client.namespace, "--wait=false", "--ignore-not-found")
            # By force: the pods of a node without kubelet would keep the namespace for ever. Only now, when the
            # namespace takes nothing new, does it last.
            client.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")

    @cached_property
    def environment(self) -> dict[str, str]:
        """For programs that talk to this cluster. Nothing of the user's own configuration shines through."""
        home = self.kubeconfig.parent
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(home / "kubectl-cache"),
            "KUBERC": "off",
            "HELM_NAMESPACE": self.namespace,
            **{f"HELM_{kind}_HOME": str(home / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")},
            "PATH": f"{binaries.tools()}:{os.environ['PATH']}",
        }

    def _run(self, tool: str, arguments: tuple[str, ...], input: str | None, program: Path | None = None) -> str:
        namespace = ["--namespace", self.namespace]
        done = subprocess.run(
            [str(program or binaries.tools() / tool), *namespace, *arguments],
            input=input,
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
        )
        if done.returncode:
            raise CommandError(f"{tool} {' '.join(arguments)}", done.returncode, done.stderr)
        return done.stdout
