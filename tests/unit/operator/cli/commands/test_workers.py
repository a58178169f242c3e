"""What runs where."""

from datetime import datetime, timedelta
from typing import Any

from pods.jobs import CREATED, job_body, stored
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.cli.commands.workers import workers
from spectrogram_operator.cli.printing.texts import table

NOW = datetime.fromisoformat(CREATED) + timedelta(minutes=10)


def job(name: str, phase: str, *, state: str = "Created", uid: str | None = "1", **status: Any) -> Job:
    attempt = {"number": 1, "state": state, "podName": f"{name}-a1", "pool": "default", "memoryBytes": 2**29}
    attempt |= {"reservedTime": status.pop("reserved", CREATED), **({"podUID": uid} if uid else {})}
    return read_job(stored(job_body(name), status={"phase": phase, "attempts": [attempt], **status}))


RUNNING = job(
    "fm-band",
    "Running",
    nodeName="node-7",
    progress={"percent": 43, "stage": "spectrogram", "text": "43%", "samplesPerSecond": 12e6, "etaSeconds": 83},
    memory={"text": "103Mi/512Mi"},
    heartbeatTime="2026-11-23T12:09:55Z",
)


def test_a_row_for_each_worker_the_oldest_first() -> None:
    young = job("young", "Starting", reserved="2026-11-23T12:09:30Z")
    lines = table(*workers([young, RUNNING], NOW, with_namespace=True)).splitlines()
    assert " ".join(lines[0].split()) == "NAMESPACE JOB POD NODE QUEUE SINCE STAGE PROGRESS MEMORY HEARD DETAILS"
    first = " ".join(lines[1].split())
    assert first.startswith("radio fm-band fm-band-a1 node-7 default 10m spectrogram 43% 103Mi/512Mi 5s ago ")
    assert lines[1].endswith("   5s ago   12 MS/s, 1 min 23 s left")
    assert lines[2].split() == ["radio", "young", "young-a1", "default", "30s", "starting"]


def test_what_has_no_pod_is_no_worker() -> None:
    over = [job("over", "Failed", state="Finished"), job("asked", "Starting", uid=None), read_job(stored(job_body()))]
    assert workers(over, NOW, with_namespace=False)[1] == []
