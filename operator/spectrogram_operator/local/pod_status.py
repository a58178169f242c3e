"""A pod's status as the kubelet reports it: the planner must not notice that there is no kubelet here."""

from datetime import datetime
from typing import Any

from spectrogram_operator.api.names import MAIN_CONTAINER

ADDRESS = "127.0.0.1"
_SIGNALS = 128


def exit_code_of(return_code: int) -> int:
    """The exit code as a container runtime gives it: a process that signal n ended has 128 + n."""
    return _SIGNALS - return_code if return_code < 0 else return_code


def starting(since: datetime) -> dict[str, Any]:
    """The pod has its place, and its container does not run yet."""
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": since.isoformat()}
    return {
        "phase": "Pending",
        "startTime": since.isoformat(),
        "conditions": [scheduled],
        "containerStatuses": [_container({"waiting": {"reason": "ContainerCreating"}})],
    }


def running(before: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The container runs."""
    state = {"running": {"startedAt": now.isoformat()}}
    return {**before, "phase": "Running", "podIP": ADDRESS, "containerStatuses": [_container(state)]}


def ended(
    before: dict[str, Any], now: datetime, *, exit_code: int, reason: str, message: str, deadline: bool
) -> dict[str, Any]:
    """The container has terminated, for `reason`; with `deadline` because of activeDeadlineSeconds."""
    terminated = {
        "exitCode": exit_code,
        "reason": reason,
        "message": message,
        "startedAt": before["startTime"],
        "finishedAt": now.isoformat(),
    }
    status = {
        **before,
        "phase": "Succeeded" if exit_code == 0 and not deadline else "Failed",
        "containerStatuses": [_container({"terminated": terminated})],
    }
    if deadline:
        status["reason"] = "DeadlineExceeded"
        status["message"] = "Pod was active on the node longer than the specified deadline"
    return status


def _container(state: dict[str, Any]) -> dict[str, Any]:
    return {"name": MAIN_CONTAINER, "state": state, "ready": "running" in state, "restartCount": 0}
