"""What the chart installs: its rights, its view for people and for Prometheus, its pods, its end."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import installation
from harness.client import Client
from harness.control_plane import ControlPlane
from harness.node import Node
from harness.waiting import wait_until
from node.setup import POOLS, SETTINGS, create_claims
from node.site import JOB, LONG, POD_LABEL, Site, in_background
from spectrogram_operator.api.status import Phase, RetryClass

HEADER = "NAME PHASE REASON QUEUE PROGRESS ATTEMPT MEMORY AGE"
WIDE_HEADER = f"{HEADER} POD NODE PEAK STARTED FINISHED MESSAGE"
AGE = r"\d+[sm].*"

# What `kubectl auth can-i --list` says of every account of the cluster, and nobody can take away.
OF_EVERYBODY = {
    ("selfsubjectaccessreviews.authorization.k8s.io", "create"),
    ("selfsubjectreviews.authentication.k8s.io", "create"),
    ("selfsubjectrulesreviews.authorization.k8s.io", "create"),
}
OF_THE_OPERATOR = {
    ("events", "create patch"),
    ("persistentvolumeclaims", "get"),
    ("pods", "get list watch create delete"),
    ("spectrogramjobs.spectrogram.dev", "get list watch"),
    ("spectrogramjobs.spectrogram.dev/finalizers", "update"),
    ("spectrogramjobs.spectrogram.dev/status", "get patch update"),
}

# Run in a worker's container: what could somebody do who took it over?
SELF_TEST = """
import json, os
def writable(folder):
    try:
        open(folder + "/probe", "w").close()
        os.remove(folder + "/probe")
        return True
    except OSError:
        return False
status = dict(line.rstrip().split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps({
    "user": os.getuid(), "group": os.getgid(), "groups": os.getgroups(),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "writable": [folder for folder in ("/", "/opt/venv", "/tmp", "/data/input", "/data/output", "/scratch")
                 if writable(folder)],
    "capabilities": status["CapEff"], "seccomp": status["Seccomp"], "noNewPrivileges": status["NoNewPrivs"],
}))
"""

# More memory than the container may have, in processes that are smaller than the worker: the kernel takes the largest.
HOG = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        block = b"x" * 30_000_000
        time.sleep(3600)
time.sleep(3600)
"""


def row(text: str) -> dict[str, str]:
    """The one line of a table of kubectl, by column: cells may be empty, and messages have spaces."""
    header, line = text.rstrip("\n").split("\n")
    starts = [match.start() for match in re.finditer(r"\S+", header)]
    ends = [*starts[1:], None]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


@pytest.fixture(scope="module")
def running(radio_site: Site) -> Iterator[str]:
    """A job that runs, and is some percent done."""
    site = replace(radio_site, mine=[])
    site.submit("running", timeLimits={"softSeconds": 900, "hardSeconds": 1000}, **LONG)
    site.wait_for_progress("running")
    yield "running"
    site.delete_jobs()


def test_kubectl_get_shows_the_columns_of_the_design_with_true_values(radio: Site, running: str, node: Node) -> None:
    text = radio.client.kubectl("get", "sgj", running, "--output=wide")

    assert text.split("\n")[0].split() == WIDE_HEADER.split()
    assert radio.client.kubectl("get", "sgj", running).split("\n")[0].split() == HEADER.split()
    attempt = radio.attempt(running)
    patterns = {
        "NAME": running,
        "PHASE": "Running",
        "REASON": "PodRunning",
        "QUEUE": "default",
        "PROGRESS": r"\d+%",
        "ATTEMPT": "1/3",
        "MEMORY": r"\d+(\.\d)?Mi/256Mi",
        "AGE": AGE,
        "POD": attempt.pod_name,
        "NODE": node.name,
        "PEAK": r"\d{8,9}",
        "STARTED": AGE,
        "FINISHED": "",
        "MESSAGE": r"\d+ % done, .* left",
    }
    for column, value in row(text).items():
        assert re.fullmatch(patterns[column], value), f"{column}: {value!r}"

    radio.submit("over")
    radio.wait_for_end("over")
    after = row(radio.client.kubectl("get", "sgj", "over", "--output=wide"))
    assert [after[column] for column in ("PHASE", "REASON", "PROGRESS", "ATTEMPT")] == [
        *("Succeeded", "Completed", "100%", "1/3")
    ]
    assert re.fullmatch(AGE, after["FINISHED"])
    listed = radio.client.kubectl("get", "sgj", "--field-selector=status.phase=Succeeded", "--output=name")
    assert f"{JOB}.spectrogram.dev/over" in listed.split()


def test_a_worker_can_do_nothing_but_its_work(radio: Site, running: str) -> None:
    pod = radio.pod(running)
    spec, container = pod["spec"], pod["spec"]["containers"][0]

    assert spec["activeDeadlineSeconds"] == 1000
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"]["memory"] == str(256 * 2**20)
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("spectrogram-operator-worker", False)
    found = json.loads(radio.client.kubectl("exec", pod["metadata"]["name"], "--", "python3", "-c", SELF_TEST))
    assert found == {
        "user": 65532,
        "group": 65532,
        "groups": [65532],
        "token": False,
        "writable": ["/data/output", "/scratch"],
        "capabilities": "0000000000000000",
        "seccomp": "2",
        "noNewPrivileges": "1",
    }


def test_the_operator_may_do_what_it_needs_and_nothing_else(radio: Site) -> None:
    account = f"system:serviceaccount:{radio.operator.namespace}:{radio.release}"

    assert rights(radio.client, account) == OF_EVERYBODY | OF_THE_OPERATOR
    assert rights(radio.operator, account) == OF_EVERYBODY, "nothing in its own namespace, which it does not watch"
    worker = f"system:serviceaccount:{radio.client.namespace}:{radio.release}-worker"
    assert rights(radio.client, worker) == OF_EVERYBODY


def rights(client: Client, account: str) -> set[tuple[str, str]]:
    """Resources and verbs. What anybody may read without being known (health, versions, schemas) has no resource."""
    lines = client.kubectl("auth", "can-i", "--list", f"--as={account}").splitlines()[1:]
    found = (re.fullmatch(r"(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]", line) for line in lines)
    entries = [match.groups() for match in found if match is not None]
    assert len(entries) == len(lines)
    assert all(verbs == "get" for resource, _, _, verbs in entries if not resource)
    # Names would make a right smaller than it reads here.
    assert not any(names for _, _, names, _ in entries)
    return {(resource, verbs) for resource, _, _, verbs in entries if resource}


def metric(site: Site, name: str, **labels: str) -> float:
    """What Prometheus would find at the operator's Service: the one sample with these labels."""
    service = site.operator.find("service", f"{site.release}-metrics")["spec"]
    with urllib.request.urlopen(f"http://{service['clusterIP']}:{service['ports'][0]['port']}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples]
    (value,) = [sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)]
    return value


def test_prometheus_and_the_kubelet_find_the_operator_well(radio: Site, running: str) -> None:
    here = {"namespace": "radio", "queue": "default"}

    def succeeded() -> float:
        return metric(radio, "spectrogram_jobs_finished_total", **here, result="succeeded", reason="Completed")

    before = succeeded()
    radio.submit("counted")
    assert radio.wait_for_end("counted").phase is Phase.SUCCEEDED

    wait_until(lambda: succeeded() > before, what="the success in the metrics")
    assert metric(radio, "spectrogram_jobs", **here, phase="Running") >= 1
    assert metric(radio, "spectrogram_reconcile_errors_total") == 0
    pod = radio.operator_pod()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    probe = pod["spec"]["containers"][0]["livenessProbe"]["httpGet"]
    assert (probe["path"], probe["port"]) == ("/healthz", "health")
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/healthz") as answer:
        assert answer.status == 200


@pytest.fixture
def annex(
    control_plane: ControlPlane, radio_site: Site, recordings: Path, node: Node, tmp_path: Path
) -> Iterator[Site]:
    """A second operator beside the first, not installed yet: it will watch the namespace that it lives in."""
    claims = {"recordings": recordings, "results": tmp_path / "results"}
    claims["results"].mkdir()
    with control_plane.client().fresh_namespace("annex", installation.RESTRICTED) as client:
        create_claims(client, claims, node)
        yield Site(client, client, "annex-spectrogram-operator", claims)
    client.kubectl("delete", "persistentvolume", "--wait=false", *(f"{client.namespace}-{name}" for name in claims))


def install(site: Site, *, worker_tag: str = "test") -> None:
    """The first release has brought what there can be only once. A threshold of 100 % leaves memory to the kernel."""
    shared = {"crds": {"install": False}, "rbac": {"userRoles": False}, "pools": POOLS}
    settings = {**SETTINGS, "memorySafeguardThreshold": 100}
    values = {**shared, "settings": settings, "workerImage": {"tag": worker_tag}}
    installation.install(site.operator, site.release, values)


def test_an_image_that_cannot_be_pulled_fails_the_job_and_an_upgrade_mends_it(annex: Site) -> None:
    install(annex, worker_tag="nowhere")
    annex.submit("unlucky")

    status = annex.wait_for_end("unlucky")

    assert (status.phase, status.reason, status.attempt) == (Phase.FAILED, "ImagePullFailed", 1)
    assert "localhost/spectrogram-worker:nowhere" in (status.message or "")
    wait_until(lambda: annex.pod("unlucky") is None, what="the end of the pod")

    install(annex)
    annex.submit("lucky")

    assert annex.wait_for_end("lucky").phase is Phase.SUCCEEDED


def test_a_worker_that_the_kernel_kills_for_its_memory_is_a_zombie(annex: Site) -> None:
    install(annex)
    annex.submit("doomed", **LONG)
    annex.wait_for_progress("doomed")
    hog = in_background(annex.client, "exec", annex.attempt("doomed").pod_name, "--", "python3", "-c", HOG)

    try:
        status = annex.wait_for_end("doomed")
    finally:
        hog.kill()
        hog.wait()

    attempt = status.attempts[-1]
    assert (status.phase, status.reason) == (Phase.FAILED, "OOMKilled")
    assert (attempt.number, attempt.exit_code, attempt.retry_class) == (1, 137, RetryClass.ZOMBIE)
    assert (attempt.message or "").startswith("Detected as zombie")
    terminated = annex.pod("doomed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("OOMKilled", 137)
    log = [json.loads(line)["message"] for line in annex.operator_log.splitlines()]
    assert (
        f"Job {annex.client.namespace}/doomed: Detected as zombie - status 'running' but not running on any worker"
        in log
    )
    assert f"Job {annex.client.namespace}/doomed: Marked as failed due to zombie detection" in log
    wait_until(lambda: "Checking 0 jobs for zombie detection" in annex.operator_log, what="a sweep without jobs")
    why = {"namespace": annex.client.namespace, "reason": "OOMKilled"}
    assert metric(annex, "spectrogram_zombie_jobs_total", **why) == 1
    assert metric(annex, "spectrogram_jobs_finished_total", **why, queue="default", result="failed") == 1


def test_uninstalling_leaves_nothing_stuck(annex: Site, control_plane: ControlPlane) -> None:
    install(annex)
    annex.submit("finished")
    annex.submit("unfinished", **LONG)
    annex.wait_for_end("finished")
    annex.wait_for_progress("unfinished")
    annex.submit("waiting", output={"claimName": "nowhere"})
    annex.wait("waiting", lambda status: status.reason == "PVCNotFound", "to wait")

    annex.client.helm("uninstall", annex.release, "--wait", "--timeout=5m")

    left = annex.client.kubectl("get", "all,serviceaccounts,roles,rolebindings", "--output=name").split()
    jobs = {name.partition("/")[2] for name in annex.client.kubectl("get", JOB, "--output=name").split()}
    assert jobs == {"finished", "unfinished", "waiting"}, "the record of what was done stays"
    assert [name for name in left if "spectrogram" in name and not name.startswith(("pod/", JOB))] == []
    annex.client.kubectl("delete", JOB, "unfinished", "--timeout=60s")
    wait_until(lambda: not pods_of(annex, "unfinished"), what="the end of the worker without an operator")
    # It ends only when all that is in it is gone, whatever that may be.
    control_plane.client().kubectl("delete", "namespace", annex.client.namespace, "--timeout=300s")


def pods_of(site: Site, job: str) -> list[Any]:
    pods = site.client.kubectl_json("get", "pods", f"--selector={POD_LABEL}")["items"]
    return [pod for pod in pods if pod["metadata"]["ownerReferences"][0]["name"] == job]
