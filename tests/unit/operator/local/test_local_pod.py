"""A pod of this machine looks, at every moment, as a kubelet shows one."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt, AttemptState
from spectrogram_operator.core.building.podspec import build_pod
from spectrogram_operator.core.judging.outcome import assess
from spectrogram_operator.core.judging.pod import read_pod
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_operator.local.pod import LocalPod
from spectrogram_worker.contract import WorkerDocument, parse_last_words
from spectrogram_worker.contract.document import Bucket
from unit.operator.local.machine import FAKE_WORKER, PATIENCE, POLICY, folders, job, ready


def local_pod(folder: Path, fate: str, policy: Policy = POLICY, **spec: Any) -> LocalPod:
    """The pod that the planner would create for this fate."""
    body = job(fate, **spec)
    body["metadata"] |= {"namespace": "default", "uid": "uid-1", "creationTimestamp": datetime.now(UTC).isoformat()}
    attempt = Attempt(number=1, state=AttemptState.CREATING, pod_name="job-a1", pool="default", memory_bytes=2**30)
    job_read = read_job(body)
    assert isinstance(job_read, ValidJob)
    return LocalPod(
        build_pod(job_read, attempt, policy),
        command=FAKE_WORKER,
        claims=folders(folder),
        changed=lambda: None,
        warn=lambda text: None,
        unlimited=lambda error: None,
    )


async def test_a_pod_whose_recording_is_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder stands for it, no Secret is looked for: the worker finds the user's own keys."""
    monkeypatch.setenv("AWS_PROFILE", "radio")
    bucket = Bucket(store="archive", bucket="recordings", endpoint="http://127.0.0.1:9")
    policy = replace(POLICY, stores={"archive": Store(bucket=bucket, credentials_secret="archive-keys")})
    pod = local_pod(tmp_path, "", policy, input={"store": "archive", "path": "environment"})
    async with asyncio.timeout(PATIENCE):
        await pod.run()
    assert pod.body["status"]["phase"] == "Succeeded", pod.log.tail
    seen = json.loads((tmp_path / "results/environment.json").read_text())
    told = WorkerDocument.model_validate_json(seen["SPECTROGRAM_JOB"])
    assert (told.places.input_bucket, told.limits.scratch_bytes) == (bucket, None)
    assert told.folders.input == "/data/input"
    assert seen["AWS_PROFILE"] == "radio"
    assert not any(name.startswith("SPECTROGRAM_INPUT_") for name in seen)


async def test_a_pod_that_succeeds(tmp_path: Path) -> None:
    pod = local_pod(tmp_path, "success")
    assert pod.body["status"]["phase"] == "Pending"
    (waiting,) = pod.body["status"]["containerStatuses"]
    assert waiting["state"] == {"waiting": {"reason": "ContainerCreating"}}
    async with asyncio.timeout(PATIENCE):
        await pod.run()
    status = pod.body["status"]
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (status["phase"], terminated["exitCode"], terminated["reason"]) == ("Succeeded", 0, "Completed")
    report = parse_last_words(terminated["message"])
    assert report is not None
    assert report.message == "10 of 10 columns are in job"
    assert terminated["finishedAt"] > terminated["startedAt"]
    seen = read_pod(pod.body)
    assert (seen.owner_uid, seen.queue, seen.node_name, seen.deleting) == ("uid-1", "default", "localhost", False)


@pytest.mark.parametrize(("fate", "exit_code"), [("hang", 85), ("stubborn", 137)])
async def test_a_pod_past_its_deadline(tmp_path: Path, fate: str, exit_code: int) -> None:
    pod = local_pod(tmp_path, fate)
    running = asyncio.create_task(pod.run())
    await ready(tmp_path / "results")
    assert pod.body["status"]["phase"] == "Running"
    assert list(pod.body["status"]["containerStatuses"][0]["state"]) == ["running"]
    pod.expire()
    if fate == "stubborn":
        pod.kill()
    await asyncio.wait_for(running, PATIENCE)
    status = pod.body["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (exit_code, "Error")
    outcome = assess(read_pod(pod.body))
    assert outcome is not None
    assert outcome.reason == "DeadlineExceeded"


async def test_a_deadline_after_a_delete_changes_nothing(tmp_path: Path) -> None:
    pod = local_pod(tmp_path, "hang")
    running = asyncio.create_task(pod.run())
    await ready(tmp_path / "results")
    pod.delete()
    pod.expire()
    await asyncio.wait_for(running, PATIENCE)
    assert "deletionTimestamp" in pod.body["metadata"]
    assert "reason" not in pod.body["status"]
