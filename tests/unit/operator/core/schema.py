"""The schema of crds/, as strict as an API server that refuses what it would prune."""

import json
import re
from functools import lru_cache
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


_DATE_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
_ANY_DATE_TIME = '"2026-11-23T12:00:00Z"'
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANY_UID = "00000000-0000-0000-0000-000000000001"
_OF_A_POD = re.compile(r"-[0-9a-f]{8}-a(?=\d)")
_OF_ANY_POD = "-00000000-a"


@lru_cache(maxsize=4096)
def _check_part(name: str, value: str) -> None:
    """One field of a status, or one entry of a list in it: most are the same from one write to the next."""
    content = json.loads(value)
    _status.validate({name: content})


def _usual(text: str) -> str:
    """With times, UIDs and names of pods that stand for all others: more parts are the same then."""
    for pattern, usual in ((_DATE_TIME, _ANY_DATE_TIME), (_UID, _ANY_UID), (_OF_A_POD, _OF_ANY_POD)):
        text = pattern.sub(usual, text)
    return text


def check_status(document: dict[str, Any]) -> None:
    """Raises where the API server would refuse this status, or lose a part of it."""
    assert not SCHEMA["properties"]["status"].get("required"), "checked part by part"
    for name, value in document.items():
        for part in [[entry] for entry in value] if isinstance(value, list) else [value]:
            _check_part(name, _usual(json.dumps(part, sort_keys=True)))
        limit = SCHEMA["properties"]["status"]["properties"].get(name, {}).get("maxItems")
        assert limit is None or len(value) <= limit, f"{name} is too long"
    kinds = [condition["type"] for condition in document.get("conditions", ())]
    assert len(kinds) == len(set(kinds)), f"a condition stands twice: {kinds}"


def check_spec(document: dict[str, Any]) -> None:
    """Raises where the API server would refuse this spec, or lose a part of it."""
    _spec.validate(document)
