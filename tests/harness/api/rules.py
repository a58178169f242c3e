"""What an API server finds invalid, as far as the operator's writes can be: 422, of the kind and not of the plural."""

import re
from collections.abc import Callable

from jsonschema import ValidationError  # type: ignore[import-untyped]

from harness.api.store import PODS, ApiError, Body
from spectrogram_operator.api.names import KIND, PLURAL
from unit.operator.core.schema import check_spec, check_status

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def refuse_what_is_invalid(plural: str, new: Body, old: Body | None) -> None:
    """See ApiStore.validate. Stricter than an API server in one: it refuses what that would drop in silence."""
    name = new["metadata"]["name"]
    if plural == PLURAL:
        if old is None or new.get("spec") != old.get("spec"):
            _check(KIND, name, "spec", check_spec, new.get("spec", {}))
        _check(KIND, name, "status", check_status, new.get("status", {}))
    elif plural == PODS:
        problem = _problem_of_pod(new, old)
        if problem:
            raise ApiError(422, "Invalid", f'Pod "{name}" is invalid: {problem}', kind="Pod", name=name)


def _check(kind: str, name: str, part: str, check: Callable[[Body], None], document: Body) -> None:
    try:
        check(document)
    except (ValidationError, AssertionError) as error:
        path = ".".join([part, *map(str, getattr(error, "path", ()))])
        message = f'{kind}.spectrogram.dev "{name}" is invalid: {path}: {str(error).splitlines()[0]}'
        raise ApiError(422, "Invalid", message, kind=kind, name=name) from error


def _problem_of_pod(new: Body, old: Body | None) -> str:
    """In the words of pkg/apis/core/validation/validation.go."""
    if not _NAME.fullmatch(new["metadata"]["name"]):
        return "metadata.name: Invalid value: a lowercase RFC 1123 subdomain must consist of lower case characters"
    containers = new["spec"].get("containers") or []
    if not containers:
        return "spec.containers: Required value"
    for number, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                return f"spec.containers[{number}].{field}: Required value"
    if old is not None and _fixed(new) != _fixed(old):
        return "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image` and few others"
    return ""


def _fixed(pod: Body) -> Body:
    """What of a pod's spec nobody may change; its node is bound once."""
    spec = {key: value for key, value in pod["spec"].items() if key not in ("activeDeadlineSeconds", "tolerations")}
    spec.pop("nodeName", None)
    return spec | {"containers": [{**container, "image": ""} for container in spec["containers"]]}
