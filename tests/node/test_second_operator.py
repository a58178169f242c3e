"""A second release beside the first, in and for a namespace of its own: upgraded, out of memory, and uninstalled."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cluster.api import Api
from harness import installation
from harness.alerting import alerting, check_told_of_a_kill, kills_in
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes.node import Node
from harness.prometheus import Target
from harness.waiting import wait_until
from node.setup import POOLS, SETTINGS, create_claims
from node.site import JOB, LONG, POD_LABEL, Site, in_background, metric, metrics_address
from spectrogram_operator.api.status import Phase, RetryClass

# More memory than the container may have, in processes that are smaller than the worker: the kernel takes the largest.
HOG = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        block = b"x" * 30_000_000
        time.sleep(3600)
time.sleep(3600)
"""


@pytest.fixture
def annex(
    control_plane: ControlPlane, radio_site: Site, recordings: Path, node: Node, tmp_path: Path
) -> Iterator[Site]:
    """A second operator beside the first, not installed yet: it will watch the namespace that it lives in."""
    claims = {"recordings": recordings, "results": tmp_path / "results"}
    claims["results"].mkdir()
    with control_plane.client().fresh_namespace("annex", installation.RESTRICTED) as client:
        create_claims(client, claims, node)
        with closing(Api(control_plane, client.namespace)) as api:
            yield Site(client, api, client, "annex-spectrogram-operator", claims)
    client.kubectl("delete", "persistentvolume", "--wait=false", *(f"{client.namespace}-{name}" for name in claims))


def install(site: Site, *, worker_tag: str = "test") -> None:
    """The first release has brought what there can be only once. A threshold of 100 % leaves memory to the kernel.

    One operator: it is scraped through its Service, which would show another each time.
    """
    shared = {"crds": {"install": False}, "rbac": {"userRoles": False}, "pools": POOLS}
    settings = {**SETTINGS, "memorySafeguardThreshold": 100}
    values = {**shared, "replicas": 1, "settings": settings, "workerImage": {"tag": worker_tag}}
    installation.install(site.operator, site.release, values)


def test_a_job_whose_image_no_registry_gives_is_tried_again_and_an_upgrade_mends_it(annex: Site) -> None:
    """No registry answers here: that is the infrastructure's trouble, not the job's (fault 21)."""
    install(annex, worker_tag="nowhere")
    annex.submit("unlucky")
    annex.wait("unlucky", lambda status: status.retries.infra, "the end of the first attempt")

    first = annex.attempt("unlucky")
    assert (first.reason, first.retry_class) == ("RegistryBusy", RetryClass.INFRASTRUCTURE)
    assert "localhost/spectrogram-worker:nowhere" in (first.message or "")

    install(annex)
    assert annex.wait_for_end("unlucky").phase is Phase.SUCCEEDED


def test_a_worker_that_the_kernel_kills_for_its_memory_is_a_zombie_and_whoever_is_on_duty_hears_of_it(
    annex: Site, tmp_path: Path
) -> None:
    install(annex)
    kills = kills_in(annex.client.namespace)
    with alerting(annex.operator, tmp_path, Target(metrics_address(annex))) as (prometheus, heard):
        wait_until(lambda: prometheus.query(f"{kills} == 0"), what="the first scrape")
        annex.submit("doomed", **LONG)
        annex.wait_for_progress("doomed")
        hog = in_background(annex.client, "exec", annex.attempt("doomed").pod_name, "--", "python3", "-c", HOG)
        try:
            status = annex.wait_for_end("doomed")
        finally:
            hog.kill()
            hog.wait()
        wait_until(lambda: heard, what="the alert")
    check_told_of_a_kill(heard, annex.client.namespace)

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
