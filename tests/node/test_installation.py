"""What the chart installs: its rights, its view for people and for Prometheus, its pods, its end."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.kubernetes.client import Client
from harness.nodes.node import Node
from harness.waiting import wait_until
from node.site import JOB, LONG, Site, metric
from spectrogram_operator.api.names import LEASE
from spectrogram_operator.api.status import Phase

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
    ("events", "list create"),
    ("leases.coordination.k8s.io", "create"),
    (f"leases.coordination.k8s.io {LEASE}", "get update"),
    ("persistentvolumeclaims", "get"),
    ("pods", "get list watch create delete"),
    ("spectrogramjobs.spectrogram.dev", "get list watch delete"),
    ("spectrogramjobs.spectrogram.dev/finalizers", "update"),
    ("spectrogramjobs.spectrogram.dev/status", "update"),
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
        "PEAK": r"[0-9.]+Mi",
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
    assert container["resources"]["limits"]["memory"] == "256Mi"
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
    """Resources, with the name where only one is meant, and verbs.

    What anybody may read without being known (health, versions, schemas) has no resource.
    """
    lines = client.kubectl("auth", "can-i", "--list", f"--as={account}").splitlines()[1:]
    found = (re.fullmatch(r"(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]", line) for line in lines)
    entries = [match.groups() for match in found if match is not None]
    assert len(entries) == len(lines)
    assert all(verbs == "get" for resource, _, _, verbs in entries if not resource)
    return {(f"{resource} {names}".strip(), verbs) for resource, _, names, verbs in entries if resource}


def test_prometheus_and_the_kubelet_find_the_operator_well(radio: Site, running: str) -> None:
    here = {"namespace": "radio", "queue": "default"}

    def succeeded() -> float:
        return metric(radio, "spectrogram_jobs_finished_total", **here, result="succeeded", reason="Completed")

    before = succeeded()
    radio.submit("counted")
    assert radio.wait_for_end("counted").phase is Phase.SUCCEEDED

    wait_until(lambda: succeeded() > before, what="the success in the metrics")
    assert metric(radio, "spectrogram_jobs", **here, phase="Running") >= 1
    assert metric(radio, "spectrogram_operator_reconcile_duration_seconds_count", result="error") == 0
    pod = radio.operator_pod()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    probe = pod["spec"]["containers"][0]["livenessProbe"]["httpGet"]
    assert (probe["path"], probe["port"]) == ("/healthz", "health")
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/healthz") as answer:
        assert answer.status == 200


def test_row_25_helm_test_runs_a_job_from_end_to_end(radio: Site) -> None:
    """With the claim that the values name; nothing of the test stays, in the cluster or on the claim."""
    before = sorted(radio.claims["results"].iterdir())

    told = radio.operator.helm("test", radio.release, "--timeout=5m")

    assert re.findall(r"Phase: +(\w+)", told)[-3:] == ["Succeeded"] * 3, told
    assert sorted(radio.claims["results"].iterdir()) == before
    for client in (radio.client, radio.operator):
        left = client.kubectl("get", f"pods,roles,rolebindings,serviceaccounts,{JOB}", "--output=name").split()
        assert [name for name in left if "-test" in name] == []
