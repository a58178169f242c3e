"""Statuses of pods as a kubelet writes them now, for the pods whose kubelet is the test."""

from datetime import UTC, datetime

from pods import shapes
from pods.reports import report_of
from pods.shapes import Body
from spectrogram_worker.contract import ExitCode, last_words


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def running(*, ip: str = "") -> Body:
    address = {"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {}
    return {"phase": "Running", "startTime": now(), "containerStatuses": [shapes.running(started=now())], **address}


def waiting(reason: str, message: str = "") -> Body:
    """Scheduled; its container does not start."""
    return {"phase": "Pending", "startTime": now(), "containerStatuses": [shapes.waiting(reason, message)]}


def ended(code: int, *, message: str = "", reason: str = "", pod_reason: str = "", pod_message: str = "") -> Body:
    """The worker ended; `reason` is the container's, `pod_reason` the pod's."""
    container = shapes.terminated(code, reason, message, started=now(), finished=now())
    phase = "Failed" if code or pod_reason else "Succeeded"
    return {"phase": phase, "reason": pod_reason, "message": pod_message, "containerStatuses": [container]}


def succeeded(pod: Body) -> Body:
    """Exit 0 with the manifest of this pod's worker."""
    return ended(0, message=last_words(report_of(pod, published=True)))


def failed(pod: Body, code: int, message: str = "") -> Body:
    """An exit code of the contract, with the worker's own words."""
    return ended(code, message=last_words(report_of(pod, ExitCode(code).reason, message)))


def oom_killed(code: int = 137) -> Body:
    return ended(code, reason="OOMKilled")


def deadline_exceeded() -> Body:
    return ended(137, pod_reason="DeadlineExceeded", pod_message=shapes.DEADLINE)
