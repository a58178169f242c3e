"""Statuses of pods as a kubelet writes them, for the pods whose kubelet is the test."""

from datetime import UTC, datetime
from typing import Any

from spectrogram_operator.api.names import LABEL_ATTEMPT, LABEL_JOB_UID
from spectrogram_worker.contract import ExitCode, Report
from spectrogram_worker.contract.report import Dataset, Memory, OutputFile, Progress

Body = dict[str, Any]
GIBIBYTE = 2**30


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def running(*, ip: str = "") -> Body:
    state = {"running": {"startedAt": now()}}
    address = {"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {}
    return {"phase": "Running", "startTime": now(), "containerStatuses": [_container(state, ready=True)], **address}


def waiting(reason: str, message: str = "") -> Body:
    """Scheduled; its container does not start."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "startTime": now(), "containerStatuses": [_container(state)]}


def ended(code: int, *, message: str = "", reason: str = "", pod_reason: str = "", pod_message: str = "") -> Body:
    """The worker ended; `reason` is the container's, `pod_reason` the pod's."""
    terminated = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "message": message,
        "startedAt": now(),
        "finishedAt": now(),
    }
    return {
        "phase": "Failed" if code or pod_reason else "Succeeded",
        "reason": pod_reason,
        "message": pod_message,
        "containerStatuses": [_container({"terminated": terminated})],
    }


def succeeded(pod: Body) -> Body:
    """Exit 0 with the manifest of this pod's worker."""
    return ended(0, message=report(pod, outputs=("spectrogram.png", "spectrogram.npz", "manifest.json")).to_json())


def failed(pod: Body, code: int, message: str = "") -> Body:
    """An exit code of the contract, with the worker's own words."""
    return ended(code, message=report(pod, reason=ExitCode(code).reason, message=message).to_json())


def oom_killed(code: int = 137) -> Body:
    return ended(code, reason="OOMKilled")


def deadline_exceeded() -> Body:
    text = "Pod was active on the node longer than the specified deadline"
    return ended(137, pod_reason="DeadlineExceeded", pod_message=text)


def report(
    pod: Body, *, reason: str = "", message: str = "", percent: float = 100, outputs: tuple[str, ...] = ()
) -> Report:
    """What the worker of this pod says."""
    labels = pod["metadata"]["labels"]
    return Report(
        job_uid=labels[LABEL_JOB_UID],
        attempt=int(labels[LABEL_ATTEMPT]),
        reason=reason,
        message=message,
        progress=Progress(percent=percent, stage="spectrogram", columns_done=round(percent), columns_total=100),
        memory=Memory(estimate_bytes=GIBIBYTE // 4, current_bytes=GIBIBYTE // 3, peak_bytes=GIBIBYTE // 2, level="low"),
        dataset=Dataset(bytes=8_000_000, samples=1_000_000, sample_rate=1e6, center_frequency=100e6, gaps=1),
        outputs=tuple(
            OutputFile(path=f"fm-band/{name}", media_type="application/octet-stream", bytes=1024, sha256="0" * 64)
            for name in outputs
        ),
    )


def _container(state: Body, *, ready: bool = False) -> Body:
    return {
        "name": "worker",
        "image": "spectrogram-worker:latest",
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
    }
