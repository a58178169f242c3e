"""The schema of crds/, as strict as an API server that refuses what it would prune."""

import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

CRD: dict[str, Any] = yaml.safe_load((Path(__file__).parents[4] / "crds" / "spectrogramjobs.yaml").read_text())
SCHEMA: dict[str, Any] = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def _is_date_time(value: object) -> bool:
    """As k8s.io/kube-openapi checks it: with a zone."""
    pattern = r"\d{4}-\d\d-\d\d[tT]\d\d:\d\d:\d\d(\.\d+)?([zZ]|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None


_formats = FormatChecker(formats=())
_formats.checks("date-time")(_is_date_time)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    return closed | ({"additionalProperties": False} if isinstance(node.get("properties"), dict) else {})


def _validator(part: str) -> Draft202012Validator:
    return Draft202012Validator(_closed(SCHEMA["properties"][part]), format_checker=_formats)


_status, _spec = _validator("status"), _validator("spec")


def check_status(document: dict[str, Any]) -> None:
    """Raises where the API server would refuse this status, or lose a part of it."""
    _status.validate(document)
    kinds = [condition["type"] for condition in document.get("conditions", ())]
    assert len(kinds) == len(set(kinds)), f"a condition stands twice: {kinds}"


def check_spec(document: dict[str, Any]) -> None:
    """Raises where the API server would refuse this spec, or lose a part of it."""
    _spec.validate(document)
