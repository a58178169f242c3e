"""The pods of tests/pods/, by name, for any attempt of the job that they belong to."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pods.jobs import job
from pods.shapes import POD_UID
from spectrogram_operator.core.building.podspec import pod_name
from spectrogram_operator.core.judging.pod import Pod, read_pod

FOLDER = Path(__file__).parents[3] / "pods"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> dict[str, Any]:
    """The API object in tests/pods/NAME.json."""
    content: dict[str, Any] = json.loads(_text(name))
    return content


def pod(name: str, *, attempt: int = 1, gone: bool = False) -> Pod:
    """The same as the planner sees it, as the pod of this attempt."""
    content = body(name)
    if attempt > 1:
        content["metadata"] |= {"name": pod_name(job(), attempt), "uid": f"{POD_UID[:-1]}{attempt}"}
    read = read_pod(content, gone=gone)
    return read if attempt == 1 else replace(read, memory_bytes=None)  # its limit is the attempt's, and not the file's


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()
