"""What the operator is measured on: a real control plane, pods played by kwok, the operator in a process of its own."""

import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any

import psutil

from cluster.api import Api
from cluster.workspace import Workspace, chart_rules
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ControlPlane
from harness.kubernetes.played import create_node
from harness.ports import free_port
from harness.programs import binaries
from harness.programs.program import Program
from harness.waiting import wait_until

ROOT = Path(__file__).parents[1]
KWOK = Path(__file__).parent / "kwok"
NATIVE = "system:serviceaccount:kube-system:job-controller"
JOBS = "spectrogramjobs"
THREADS = 4
# Flags of the control plane: its own clients are not held back, and nodes without heartbeats stay ready.
LIFTED = ["--kube-api-qps=5000", "--kube-api-burst=5000"]


def is_served(client: Client) -> bool:
    """Whether the API server knows the resource."""
    crd = client.find("crd", "spectrogramjobs.spectrogram.dev")
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


class Bench:
    """One control plane, in whose namespaces the rows are measured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # One for all operators, of which one runs at a time: the next is the same in leases, and waits for none.
        self._port = free_port()
        self._audit = folder / "audit.log"
        policy = folder / "audit.yaml"
        verbs = ["create", "update", "patch", "delete"]
        writes = {"level": "Metadata", "userGroups": ["system:serviceaccounts"], "verbs": verbs}
        rules = {"rules": [writes, {"level": "None"}], "omitStages": ["RequestReceived"]}
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", **rules}))
        flags = {
            "kube-apiserver": [f"--audit-policy-file={policy}", f"--audit-log-path={self._audit}"],
            "kube-controller-manager": [*LIFTED, "--node-monitor-grace-period=24h"],
            "kube-scheduler": LIFTED,
        }
        self.control_plane = ControlPlane(folder / "control-plane", flags=flags)
        command: list[str | Path] = [
            kwok(),
            f"--kubeconfig={self.control_plane.kubeconfig}",
            f"--config={KWOK / 'stages.yaml'}",
        ]
        options = ["--manage-all-nodes=true", "--node-lease-duration-seconds=0", "--enable-crds="]
        self._kwok = Program("kwok", [*command, *options], folder / "kwok.log")

    @contextmanager
    def running(self) -> Iterator["Bench"]:
        """The control plane with the SpectrogramJob, two nodes, and kwok."""
        with self.control_plane:
            client = self.control_plane.client()
            client.kubectl("apply", "--filename", str(ROOT / "crds" / "spectrogramjobs.yaml"))
            wait_until(lambda: is_served(client), what="the SpectrogramJob to be served")
            for name in ("played", "stays"):
                create_node(client, name, labels={"node": name}, cpu="100000", memory="1000Ti", pods="100000")
                disk = {"ephemeral-storage": "1000Ti"}
                client.patch_status("node", name, {"capacity": disk, "allocatable": disk})
            self._rules = chart_rules(client)
            self._kwok.start()
            try:
                yield self
            finally:
                self._kwok.kill()

    @contextmanager
    def namespace(self) -> Iterator[Workspace]:
        """A fresh one with the claims that jobs name, and the account that the operator has there."""
        workspace = Workspace(self.control_plane, self.folder, self._rules)
        workspace.open()
        try:
            yield workspace
        finally:
            workspace.api.close()

    @contextmanager
    def operator(self, workspace: Workspace, *, slots: int = 100_000, node: str = "played") -> Iterator["Operator"]:
        """The operator with its default settings but for the slots, from its start to its end."""
        pool = {"maxConcurrent": slots, "nodeSelector": {"node": node}}
        operator = Operator(workspace.kubeconfig, workspace.namespace, self.folder, {"default": pool}, self._port)
        operator.program.start()
        try:
            yield operator
        finally:
            operator.program.kill()

    @contextmanager
    def bare_kopf(self, workspace: Workspace) -> Iterator[Program]:
        """kopf alone, beside the operator."""
        command = ["env", f"KUBECONFIG={workspace.kubeconfig}", sys.executable, "-m", "benchmarks.bare_kopf"]
        program = Program("kopf", [*command, workspace.namespace], self.folder / f"kopf-{workspace.namespace}.log")
        program.start()
        try:
            yield program
        finally:
            program.kill()

    def writes(self, user: str, namespace: str) -> Counter[str]:
        """What a user wrote in a namespace, as in `update spectrogramjobs/status`."""
        found: Counter[str] = Counter()
        for line in self._audit.read_text().splitlines():
            entry = json.loads(line)
            about = entry.get("objectRef") or {}
            if entry["user"]["username"] == user and about.get("namespace") == namespace:
                parts = (about["resource"], about.get("subresource"))
                found[f"{entry['verb']} {'/'.join(part for part in parts if part)}"] += 1
        return found


class Operator:
    """One process of the operator."""

    def __init__(self, kubeconfig: Path, namespace: str, folder: Path, pools: Mapping[str, Any], port: int) -> None:
        self.port = port
        settings = {
            "KUBECONFIG": str(kubeconfig),
            "SPECTROGRAM_NAMESPACES": namespace,
            "SPECTROGRAM_POOLS": json.dumps(pools),
            "SPECTROGRAM_HEALTH_PORT": str(self.port),
            "SPECTROGRAM_METRICS_PORT": str(free_port()),
        }
        words = [f"{name}={value}" for name, value in settings.items()]
        command = ["env", *words, sys.executable, "-m", "spectrogram_operator"]
        self.program = Program("operator", command, folder / f"operator-{namespace}.log")

    def wait_until_ready(self) -> None:
        """Until /readyz, or without one /healthz, says so."""
        wait_until(lambda: self.answer("/readyz")[0] in (200, 404) and self.answer("/healthz")[0] == 200)

    def answer(self, path: str, timeout: float = 10.0) -> tuple[int, float]:
        """The HTTP status of a probe, 0 where nobody answers in time, and the seconds that it took."""
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as response:
                status: int = response.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            status = 0
        return status, time.perf_counter() - began

    @property
    def cpu(self) -> float:
        """Seconds of CPU time since its start."""
        return cpu_seconds(self.program)

    @property
    def memory(self) -> int:
        """Its proportional share of resident memory, in bytes."""
        return int(psutil.Process(self.program.pid).memory_full_info().pss)


def cpu_seconds(program: Program) -> float:
    """CPU time of a program since its start."""
    times = psutil.Process(program.pid).cpu_times()
    return times.user + times.system


def in_threads(api: Api, count: int, do: Callable[[Api, int], object]) -> None:
    """`do` with a connection and each number below `count`, a few at a time."""
    mine = local()

    def one(number: int) -> None:
        if not hasattr(mine, "api"):
            mine.api = api.another()
        do(mine.api, number)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(one, range(count)):
            pass


def kwok() -> Path:
    """The program, built once in a few minutes."""
    return binaries.go_tool(KWOK, "sigs.k8s.io/kwok/cmd/kwok")


@contextmanager
def bench() -> Iterator[Bench]:
    """All of it, in a folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-operator-") as folder, Bench(Path(folder)).running() as running:
        yield running
