"""Jobs that go, on a real API server: their pods go with them, and a job that was edited meanwhile does not."""

import asyncio
from functools import partial

import pytest
from kubernetes.aio import client, config

from cluster.actors.operator_process import Operator
from cluster.audit import Audit
from cluster.workspace import ACCOUNT, Body, Workspace
from harness.waiting import wait_until
from pods.statuses import failed, succeeded
from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_worker.contract import ExitCode


def end(workspace: Workspace, job: str, **spec: object) -> None:
    """Submit a job, and play its pod to the end; a job that goes at once may not be seen any more."""
    workspace.submit(job, **spec)
    pod = workspace.start(job)
    workspace.play(pod, succeeded(pod))


def is_gone(workspace: Workspace, job: str) -> bool:
    return workspace.api.find("spectrogramjobs", job) is None and workspace.pods(job) == []


def test_a_job_goes_with_its_pods_at_once_later_or_never(
    workspace: Workspace, operator: Operator, audit: Audit
) -> None:
    end(workspace, "stays")
    assert workspace.wait_for_end("stays").phase == "Succeeded"
    end(workspace, "goes", ttlSecondsAfterFinished=0)
    wait_until(lambda: is_gone(workspace, "goes"), what="the end of the job and of its pod")
    workspace.submit("fails", retry={"limit": 0}, ttlSecondsAfterFinished=3600)
    pod = workspace.start("fails")
    workspace.play(pod, failed(pod, ExitCode.INPUT_INVALID))
    assert workspace.wait_for_end("fails").reason == "InputInvalid"
    workspace.change("fails", ttlSecondsAfterFinished=1)
    wait_until(lambda: is_gone(workspace, "fails"), what="the end of the job that changed its mind")
    assert workspace.job("stays")
    asked = [
        one for one in audit.requests(workspace.namespace, ACCOUNT) if one.verb == "delete" and "jobs" in one.resource
    ]
    assert [(one.name, one.code) for one in asked] == [("goes", 200), ("fails", 200)]


def test_what_ended_before_a_time_without_an_operator_goes_after_it_by_the_default_too(workspace: Workspace) -> None:
    operator = workspace.operator().start()
    says: dict[str, Body] = {
        "says-so": {"ttlSecondsAfterFinished": 1},
        "stays": {"ttlSecondsAfterFinished": 86_400},
        "says-nothing": {},
    }
    for job, ttl in says.items():
        workspace.submit(job, suspend=True, **ttl)
        workspace.wait_for_status(job, phase="Suspended")
    operator.kill()
    for job in says:
        workspace.change(job, cancelled=True)
    workspace.operator(SPECTROGRAM_DEFAULT_TTL_SECONDS_AFTER_FINISHED="1").start()
    for job in ("says-so", "says-nothing"):
        wait_until(partial(is_gone, workspace, job), what=f"the end of {job}")
    assert workspace.wait_for_end("stays").phase == "Cancelled"


def test_a_job_that_was_edited_since_it_was_read_is_not_deleted(workspace: Workspace) -> None:
    read = workspace.submit(suspend=True)["metadata"]
    now = workspace.change(priority=7)["metadata"]

    async def delete(uid: str, version: str) -> None:
        await config.load_kube_config(str(workspace.kubeconfig))
        cluster = KubernetesCluster(client.ApiClient())
        try:
            await cluster.delete_job(workspace.namespace, "fm-band", uid=uid, version=version)
        finally:
            await cluster.close()

    for uid, version in ((read["uid"], read["resourceVersion"]), ("another", now["resourceVersion"])):
        with pytest.raises(ClusterError) as refused:
            asyncio.run(delete(uid, version))
        assert refused.value.code == 409
    assert workspace.job()["metadata"]["resourceVersion"] == now["resourceVersion"]
    for _ in range(2):  # one that is gone is fine
        asyncio.run(delete(now["uid"], now["resourceVersion"]))
    assert is_gone(workspace, "fm-band")
