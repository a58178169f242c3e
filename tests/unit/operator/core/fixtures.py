"""The pods of tests/pods/, by name."""

import json
from pathlib import Path
from typing import Any

from spectrogram_operator.core.pod import Pod, read_pod

FOLDER = Path(__file__).parents[3] / "pods"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> dict[str, Any]:
    """The API object in tests/pods/NAME.json."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return content


def pod(name: str, *, gone: bool = False) -> Pod:
    """The same, as the planner sees it."""
    return read_pod(body(name), gone=gone)
