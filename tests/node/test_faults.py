"""Faults that a real node can make, and what becomes of their jobs. The operator is a process of this machine, so that
it does not suffer what its workers' node does.
"""

import itertools
import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from cluster.actors.operator_process import Operator
from cluster.api import Api
from harness import installation
from harness.kubernetes.control_plane import ControlPlane
from harness.kubernetes.injecting import injecting
from harness.kubernetes.standby import standby_node
from harness.nodes import network
from harness.nodes.node import Node
from harness.waiting import wait_until
from node.setup import create_claims
from node.site import JOB, LONG, MEDIUM, Body, Site, worker_process
from spectrogram_operator.api.status import Attempt, Phase, RetryClass
from spectrogram_operator.core.status import holds

WORKER = "localhost/spectrogram-worker"
SOON = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
TOLERATIONS = [{"key": f"node.kubernetes.io/{key}", **SOON} for key in ("unreachable", "not-ready")]
POOL: Body = {"cpu": "50m", "memory": "256Mi", "maxConcurrent": 100, "tolerations": TOLERATIONS}
POOLS = {"default": POOL, "large_jobs": {**POOL, "cpu": "1000", "schedulerName": "by-hand"}}
"""Pods of the queue large_jobs want more than the node has, and no scheduler says so: the test itself binds them."""
SETTINGS = {
    "SPECTROGRAM_WORKER_IMAGE": f"{WORKER}:faulty",
    "SPECTROGRAM_POOLS": json.dumps(POOLS),
    "SPECTROGRAM_SCRATCH_SIZE": "16Mi",
    "SPECTROGRAM_STARTUP_TIMEOUT": "180",
    "SPECTROGRAM_NODE_LOST_GRACE": "5",
    "SPECTROGRAM_INFRASTRUCTURE_RETRIES": "1",
    "SPECTROGRAM_SWEEP_INTERVAL": "5",
}


class End(NamedTuple):
    """How a worker ends that does what `path` says (harness/nodes/faulty_worker.py), and what is said of it."""

    path: str
    reason: str
    retry_class: RetryClass
    code: int
    words: str


ENDS = (
    End("lost-child", "ChildOOMKilled", RetryClass.ZOMBIE, 0, "child"),
    End("crash", "WorkerError", RetryClass.USER, 139, "139"),
    End("error", "WorkerError", RetryClass.USER, 1, "a bug of the site's own"),
    End("nothing", "OutputMissing", RetryClass.USER, 0, "without a manifest"),
    End("full-disk", "EphemeralStorageExceeded", RetryClass.FATAL, 137, "exceeds"),
)


@dataclass(frozen=True)
class Bench(Site):
    """A site whose operator is a process."""

    process: Operator = field(kw_only=True)

    @property
    def operator_log(self) -> str:
        return self.process.tail()

    def first(self, name: str) -> Attempt:
        """The first attempt of a job, once it was judged."""
        self.wait(name, lambda status: status.attempts and status.attempts[0].finish_time, "the end of its attempt")
        return self.attempt(name)


@pytest.fixture(scope="module")
def bench(
    control_plane: ControlPlane,
    radio_site: Site,
    recordings: Path,
    node: Node,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """With the jobs under way that need nobody. The chart of the other site has brought their definition."""
    for archive in installation.faulty_workers():
        node.import_image(archive)
    folder = tmp_path_factory.mktemp("faults")
    claims = {"recordings": recordings, **{name: folder / name for name in ("results", "small", "vanished")}}
    for name in ("results", "small"):
        claims[name].mkdir()
    node.mount_disk(claims["small"], "64k")
    with control_plane.client().fresh_namespace("faults", installation.RESTRICTED) as client:
        create_claims(client, claims, node)
        process = Operator(client.kubeconfig, [client.namespace], folder / "operator.log", SETTINGS)
        with closing(Api(control_plane, client.namespace)) as api:
            bench = Bench(client, api, client, "-", claims, process=process)
            process.start()
            try:
                for end in ENDS:
                    bench.submit(end.path, output={"path": end.path}, retry={"limit": 0})
                bench.submit("unmountable", output={"claimName": "vanished"})
                bench.submit("no-space", output={"claimName": "small"})
                yield bench
            finally:
                process.kill()
                bench.delete_jobs()
    client.kubectl("delete", "persistentvolume", "--wait=false", *(f"{client.namespace}-{name}" for name in claims))


def recorded(bench: Bench, job: str, title: str) -> None:
    """With RECORD_PODS=FOLDER in the environment, the pod as it is now becomes a fixture there, as in tests/pods/."""
    if folder := os.environ.get("RECORD_PODS"):
        pod = bench.pod(job)
        pod["metadata"].pop("managedFields", None)
        Path(folder, f"recorded-{title}.json").write_text(json.dumps(pod, indent=4, sort_keys=True) + "\n")


@contextmanager
def other_setting(process: Operator, name: str, value: str) -> Iterator[None]:
    """The operator with another value, until the context ends."""
    before = process.environment[name]

    def start_with(setting: str) -> None:
        process.stop()
        process.environment[name] = setting
        process.start()

    start_with(value)
    try:
        yield
    finally:
        start_with(before)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.path))
def test_a_worker_that_ends_badly_by_itself(bench: Bench, end: End) -> None:
    """Faults 2, 8 and 47."""
    status = bench.wait_for_end(end.path)
    attempt = status.attempts[-1]
    assert (status.phase, attempt.number, attempt.reason) == (Phase.FAILED, 1, end.reason)
    assert (attempt.retry_class, attempt.exit_code) == (end.retry_class, end.code)
    assert end.words in (attempt.message or "")
    recorded(bench, end.path, end.path)


def test_results_that_do_not_fit_on_their_disk_are_said_to(bench: Bench) -> None:
    """Fault 46."""
    status = bench.wait_for_end("no-space")
    assert (status.phase, status.reason, status.attempts[-1].exit_code) == (Phase.FAILED, "OutputNoSpace", 86)
    recorded(bench, "no-space", "no-space")


def test_a_worker_that_somebody_kills_is_the_infrastructures_trouble(bench: Bench) -> None:
    """Fault 3: no container runtime says more of it than its exit code."""
    bench.submit("killed", **MEDIUM)
    bench.wait_for_progress("killed")
    os.kill(worker_process(bench.pod("killed")), signal.SIGKILL)
    first = bench.first("killed")
    assert (first.reason, first.exit_code, first.retry_class) == ("Killed", 137, RetryClass.INFRASTRUCTURE)
    recorded(bench, "killed", "killed-by-hand")
    status = bench.wait_for_end("killed")
    assert (status.phase, status.retries.infra, status.retries.user) == (Phase.SUCCEEDED, 1, 0)


def test_a_pod_that_its_node_refuses_is_tried_elsewhere(bench: Bench) -> None:
    """Fault 27: it was bound to a node that has no room for it."""
    bench.submit("bound", queue="large_jobs")
    bench.wait("bound", lambda status: status.attempts and status.attempts[0].pod_uid, "its pod")
    pod = bench.attempt("bound").pod_name
    target = {"apiVersion": "v1", "kind": "Node", "name": "node0"}
    bench.api.create("pods", {"metadata": {"name": pod}, "target": target}, name=pod, subresource="binding")
    first = bench.first("bound")
    assert (first.reason, first.retry_class) == ("AdmissionRejected", RetryClass.INFRASTRUCTURE)
    assert "cpu" in (first.message or "").lower()
    recorded(bench, "bound", "rejected-out-of-cpu")


def test_what_ends_while_the_operator_is_down_is_judged_when_it_is_back(bench: Bench) -> None:
    """Fault 15."""
    bench.submit("unwatched", **MEDIUM)
    bench.wait_for_progress("unwatched")
    bench.process.kill()
    wait_until(lambda: bench.pod("unwatched")["status"]["phase"] == "Succeeded", what="the end of the worker")
    bench.process.start()
    status = bench.wait_for_end("unwatched")
    assert (status.phase, status.attempt) == (Phase.SUCCEEDED, 1)


def test_a_pod_that_vanishes_while_nobody_looks_is_missing(bench: Bench) -> None:
    """Fault 13."""
    bench.submit("vanished", **LONG)
    bench.wait_for_progress("vanished")
    bench.process.kill()
    bench.client.kubectl("delete", "pod", bench.attempt("vanished").pod_name, "--force", "--grace-period=0")
    bench.process.start()
    status = bench.wait_for_end("vanished")
    attempt = status.attempts[-1]
    assert (status.phase, attempt.reason, attempt.retry_class) == (Phase.FAILED, "PodMissing", RetryClass.ZOMBIE)


def test_a_job_that_is_made_anew_runs_beside_the_end_of_the_old_one(bench: Bench) -> None:
    """Fault 34."""
    bench.submit("twin", **LONG)
    bench.wait_for_progress("twin")
    old = bench.pod("twin")["metadata"]
    bench.client.kubectl("delete", JOB, "twin")
    bench.submit("twin")
    status = bench.wait_for_end("twin")
    assert (status.phase, status.attempt) == (Phase.SUCCEEDED, 1)
    assert status.attempts[0].pod_name != old["name"]
    wait_until(lambda: bench.client.find("pod", old["name"]) is None, what="the end of the old pod")


def test_a_volume_that_does_not_come_is_named(bench: Bench) -> None:
    """Fault 26: after two minutes, and in the end."""
    bench.wait("unmountable", lambda status: holds(status, "Stalled"), "to be stalled")
    first = bench.first("unmountable")
    assert (first.reason, first.retry_class) == ("StartupTimeout", RetryClass.INFRASTRUCTURE)
    assert "vanished" in (first.message or "")
    bench.client.kubectl("delete", JOB, "unmountable")


def test_a_program_that_is_not_there_is_not_tried_again(bench: Bench) -> None:
    """Fault 23."""
    with other_setting(bench.process, "SPECTROGRAM_WORKER_IMAGE", f"{WORKER}:unstartable"):
        bench.submit("unstartable")
        status = bench.wait_for_end("unstartable")
    attempt = status.attempts[-1]
    assert (status.phase, attempt.number, attempt.reason) == (Phase.FAILED, 1, "ContainerStartFailed")
    assert (attempt.retry_class, attempt.exit_code) == (RetryClass.FATAL, 128)
    assert "/nowhere" in (attempt.message or "")
    recorded(bench, "unstartable", "start-error")


def test_an_init_container_of_others_that_fails_is_not_the_workers_fault(bench: Bench, tmp_path: Path) -> None:
    """Fault 24; the webhook is in force a moment after it was made known."""
    strict = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    init = {
        "name": "prepare",
        "image": f"{WORKER}:faulty",
        "command": ["python3", "-c", "raise SystemExit(3)"],
        "securityContext": strict,
    }
    numbers = itertools.count(1)

    def injected() -> str | None:
        name = f"prepared-{next(numbers)}"
        bench.submit(name, retry={"limit": 0}, output={"path": "hang"})
        bench.wait(name, lambda status: status.attempts and status.attempts[0].pod_uid, "its pod")
        if "initContainers" in bench.pod(name)["spec"]:
            return name
        bench.client.kubectl("delete", JOB, name, "--wait=false")
        return None

    with injecting(
        bench.client, network.ADDRESS, tmp_path, [{"op": "add", "path": "/spec/initContainers", "value": [init]}]
    ):
        name = wait_until(injected, what="a pod with an init container")
        status = bench.wait_for_end(name)
    attempt = status.attempts[-1]
    assert (status.phase, attempt.reason, attempt.retry_class) == (Phase.FAILED, "InitFailed", RetryClass.USER)
    assert "prepare" in (attempt.message or "")
    recorded(bench, name, "init-failed")


def test_a_node_that_falls_silent_is_given_up_and_the_job_goes_on_when_there_is_one_again(
    bench: Bench, node: Node
) -> None:
    """Fault 16."""
    bench.submit("silenced", output={"path": "hang"}, timeLimits={"hardSeconds": 900})
    bench.wait("silenced", lambda status: status.phase == "Running", "its worker")
    with standby_node(bench.client):
        node.stop_part("kubelet")
        try:
            first = bench.first("silenced")
        finally:
            node.start_part("kubelet")
            bench.client.wait_for_node(node.name)
    assert (first.reason, first.retry_class) == ("NodeTainted", RetryClass.INFRASTRUCTURE)
    bench.wait("silenced", lambda status: status.attempt == 2 and status.phase == "Running", "its next attempt")
    bench.client.kubectl("delete", JOB, "silenced", "--wait=false")


def test_a_node_that_is_deleted_takes_its_pods_along_and_the_job_goes_on_when_it_is_back(
    bench: Bench, node: Node
) -> None:
    """Fault 17."""
    bench.submit("homeless", output={"path": "hang"}, timeLimits={"hardSeconds": 900})
    bench.wait("homeless", lambda status: status.phase == "Running", "its worker")
    bench.client.kubectl("delete", "node", node.name)
    try:
        first = bench.first("homeless")
    finally:
        node.stop_part("kubelet")
        node.start_part("kubelet")
        bench.client.wait_for_node(node.name)
    assert (first.reason, first.retry_class) == ("NodeLost", RetryClass.INFRASTRUCTURE)
    bench.wait("homeless", lambda status: status.attempt == 2 and status.phase == "Running", "its next attempt")
    bench.client.kubectl("delete", JOB, "homeless", "--wait=false")
