"""A real control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, ready in a few seconds.

Each one has its own folder, ports and certificates, so several may run at once. What it stores is thrown away at the
end: never point it at data that anybody wants to keep.
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.kubernetes.certificates import Certificates
from harness.kubernetes.client import Client
from harness.ports import free_port
from harness.programs import binaries
from harness.programs.program import Program

SERVICE_ADDRESSES = "10.0.0.0/24"
# Of these the first always is the Service `kubernetes`, by which pods reach the API server.
FIRST_SERVICE_ADDRESS = "10.0.0.1"


class ApiServer:
    """The API server of a control plane that this process or another one started, as its administrator reaches it."""

    def __init__(self, server: str, certificates: Certificates) -> None:
        self.server = server
        self.certificates = certificates
        self.kubeconfig = certificates.kubeconfig("admin", server, group="system:masters")

    def client(self, namespace: str = "default") -> Client:
        return Client(self.kubeconfig, namespace)

    def ready(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self.certificates.authority))
        try:
            with urllib.request.urlopen(f"{self.server}/readyz", timeout=5, context=trust) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class ControlPlane(ApiServer):
    """`flags` adds to the command line of a part: `{"kube-controller-manager": ["--terminated-pod-gc-threshold=5"]}`.

    `address` is what the API server listens on; a node needs one that is not loopback (nodes/network.py has one).
    """

    def __init__(
        self, folder: Path, *, address: str = "127.0.0.1", flags: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        unknown = set(flags or {}) - set(binaries.PARTS)
        if unknown:
            raise ValueError(f"flags for what is no part of a control plane: {', '.join(sorted(unknown))}")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = address
        super().__init__(f"https://{address}:{free_port(address)}", Certificates(folder / "certificates"))
        self.parts = {name: self._part(name, command, flags or {}) for name, command in self._commands().items()}

    def start(self) -> Self:
        try:
            self.parts["etcd"].start()
            self.start_part("kube-apiserver")
            self.parts["kube-controller-manager"].start()
            self.parts["kube-scheduler"].start()
            # Pods are refused without it; that it is there shows too that the controller manager works.
            self.parts["kube-controller-manager"].wait_until(
                lambda: self.client().find("serviceaccount", "default") is not None, what="the first service account"
            )
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for part in reversed(self.parts.values()):
            part.kill()

    def stop_part(self, name: str) -> None:
        """As `kill -9` would. The others go on, and meet what they meet when a real control plane loses a part."""
        self.parts[name].kill()

    def start_part(self, name: str) -> None:
        self.parts[name].start()
        if name == "kube-apiserver":
            self.parts[name].wait_until(self.ready, what="a ready API server")

    def restart_api_server(self) -> None:
        """Kill it and start it again on the same port, with the same data."""
        self.stop_part("kube-apiserver")
        self.start_part("kube-apiserver")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _part(self, name: str, command: Sequence[str], flags: Mapping[str, Sequence[str]]) -> Program:
        program = binaries.kubernetes() / name
        return Program(name, [program, *command, *flags.get(name, ())], self.folder / f"{name}.log")

    def _commands(self) -> dict[str, list[str]]:
        certificates, port = self.certificates, self.server.rpartition(":")[2]
        etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        names = [self.address, FIRST_SERVICE_ADDRESS, "127.0.0.1", "localhost", "kubernetes.default.svc"]
        server = certificates.issue("kube-apiserver", addresses=list(dict.fromkeys(names)))
        kubelet_client = certificates.issue("kube-apiserver-kubelet-client", group="system:masters")
        accounts = certificates.issue("service-accounts")
        manager, scheduler = (
            certificates.kubeconfig(user, self.server)
            for user in ("system:kube-controller-manager", "system:kube-scheduler")
        )
        return {
            "etcd": [
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
            "kube-apiserver": [
                f"--etcd-servers={etcd}",
                f"--bind-address={self.address}",
                f"--secure-port={port}",
                f"--client-ca-file={certificates.authority}",
                f"--tls-cert-file={server.certificate}",
                f"--tls-private-key-file={server.key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={accounts.key}",
                f"--service-account-signing-key-file={accounts.key}",
                "--authorization-mode=RBAC,Node",
                "--allow-privileged",
                f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={certificates.authority}",
                f"--kubelet-client-certificate={kubelet_client.certificate}",
                f"--kubelet-client-key={kubelet_client.key}",
            ],
            "kube-controller-manager": [
                f"--kubeconfig={manager}",
                "--leader-elect=false",
                "--secure-port=0",
                f"--service-account-private-key-file={accounts.key}",
                f"--root-ca-file={certificates.authority}",
                "--use-service-account-credentials",
                # The default of 20 requests a second alone makes the first service account four seconds late.
                "--kube-api-qps=300",
                "--kube-api-burst=600",
            ],
            "kube-scheduler": [f"--kubeconfig={scheduler}", "--leader-elect=false", "--secure-port=0"],
        }
