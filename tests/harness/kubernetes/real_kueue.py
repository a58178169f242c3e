"""The real Kueue beside a test's control plane, with its integration for plain pods and no other.

Its program and its objects are of the Go module in programs/kueue/. The program is built once, in some four minutes on
two cores.
"""

import base64
import subprocess
from pathlib import Path
from typing import Any

import yaml

from harness.kubernetes.client import CommandError
from harness.kubernetes.control_plane import ApiServer
from harness.ports import free_port
from harness.programs import binaries
from harness.programs.program import Program

MODULE = binaries.MODULES / "kueue"
PACKAGE = "sigs.k8s.io/kueue/cmd/kueue"
NAMESPACE, SERVICE, SECRET = "kueue-system", "kueue-webhook-service", "kueue-webhook-server-cert"
FLAVOR = "any"
WEBHOOKS = ("pod", "workload", "clusterqueue", "cohort", "resourceflavor")
Body = dict[str, Any]


class RealKueue:
    """Runs while its context is open."""

    def __init__(self, control_plane: ApiServer, folder: Path) -> None:
        self._client = control_plane.client(NAMESPACE)
        self._folder = folder
        self._webhooks, health, metrics = (free_port() for _ in range(3))
        self._certificates = folder / "webhook-certificates"
        configuration = folder / "kueue.yaml"
        configuration.write_text(yaml.safe_dump(self._configuration(health, metrics)))
        command: list[str | Path] = [binaries.go_tool(MODULE, PACKAGE), f"--config={configuration}"]
        options = [f"--kubeconfig={control_plane.kubeconfig}", "--feature-gates=VisibilityOnDemand=false"]
        self._program = Program("kueue", [*command, *options], folder / "kueue.log")

    def __enter__(self) -> "RealKueue":
        """Its definitions, its webhooks, and the program; returns when it admits workloads."""
        self._client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        source = module_folder() / "config" / "components"
        for definition in _documents(*(source / "crd" / "bases").glob("*.yaml")):
            self._client.kubectl(
                "apply", "--server-side", "--filename=-", input=yaml.safe_dump(self._served(definition))
            )
        self._client.apply(self._service(), {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}})
        self._client.apply(*map(self._called, _documents(source / "webhook" / "manifests.yaml")))
        self._program.start()
        self._program.wait_until(self._has_certificates, what="the certificates of Kueue's webhooks")
        self._program.wait_until(self._accepts_a_flavor, what="Kueue's webhooks")
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()

    def _configuration(self, health: int, metrics: int) -> Body:
        return {
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            "namespace": NAMESPACE,
            "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
            "metrics": {"bindAddress": f"127.0.0.1:{metrics}"},
            "webhook": {"host": "127.0.0.1", "port": self._webhooks, "certDir": str(self._certificates)},
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {"enable": True, "webhookServiceName": SERVICE, "webhookSecretName": SECRET},
            "integrations": {"frameworks": ["pod"]},
        }

    def _service(self) -> Body:
        """By this name the API server finds the webhooks on this machine, and by it they show their certificate."""
        spec = {"type": "ExternalName", "externalName": "localhost"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}, "spec": spec}

    def _at(self, path: str) -> Body:
        return {"service": {"namespace": NAMESPACE, "name": SERVICE, "path": path, "port": self._webhooks}}

    def _served(self, definition: Body) -> Body:
        """The definition, whose old versions Kueue converts where it has two."""
        if len(definition["spec"]["versions"]) > 1:
            webhook = {"clientConfig": self._at("/convert"), "conversionReviewVersions": ["v1"]}
            definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
        return definition

    def _called(self, configuration: Body) -> Body:
        """The webhooks of what is enabled here, by the names that Kueue looks for."""
        kind = "mutating" if configuration["kind"].startswith("Mutating") else "validating"
        wanted = {f"{kind[0]}{name}.kb.io" for name in WEBHOOKS}
        webhooks = [
            {**webhook, "clientConfig": self._at(webhook["clientConfig"]["service"]["path"])}
            for webhook in configuration["webhooks"]
            if webhook["name"] in wanted
        ]
        return {**configuration, "metadata": {"name": f"kueue-{kind}-webhook-configuration"}, "webhooks": webhooks}

    def _has_certificates(self) -> bool:
        """What a kubelet does: Kueue writes them into its Secret, and reads them from a folder."""
        data = (self._client.find("secret", SECRET) or {}).get("data") or {}
        if "tls.crt" not in data:
            return False
        self._certificates.mkdir(exist_ok=True)
        for name, content in data.items():
            (self._certificates / name).write_bytes(base64.b64decode(content))
        return True

    def _accepts_a_flavor(self) -> bool:
        """The one that stands for every node, by the name FLAVOR."""
        flavor = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": FLAVOR}}
        try:
            self._client.apply(flavor)
        except CommandError:
            return False
        return True


def module_folder() -> Path:
    """Where Go keeps the module's files."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", PACKAGE.removesuffix("/cmd/kueue")]
    return Path(subprocess.run(command, cwd=MODULE, check=True, capture_output=True, text=True).stdout.strip())


def _documents(*files: Path) -> list[Body]:
    return [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]
