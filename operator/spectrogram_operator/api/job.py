"""A SpectrogramJob as a whole, read from what the API server holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_worker.contract.base import REFUSED_VALUE
from spectrogram_worker.contract.report import clean_text

LONGEST_VALUE = 80
"""Characters of a wrong value that a message repeats, so that there is room for what to write instead."""
_timestamp = TypeAdapter(datetime)


@dataclass(frozen=True, kw_only=True)
class _StoredJob:
    """What every SpectrogramJob has, valid or not."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    status: SpectrogramJobStatus
    raw_spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """namespace/name, as in log lines and on the work queue."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class ValidJob(_StoredJob):
    """A job whose spec fits the schema."""

    spec: SpectrogramJobSpec


@dataclass(frozen=True, kw_only=True)
class InvalidJob(_StoredJob):
    """A job that can never run as it is written; `why` says what to change."""

    why: str


@dataclass(frozen=True, kw_only=True)
class UnreadableJob(_StoredJob):
    """A job whose status this version of the operator does not understand: it is left alone. `why` says what is wrong;
    `status` is empty.
    """

    why: str


Job = ValidJob | InvalidJob | UnreadableJob


def read_job(body: Mapping[str, Any]) -> Job:
    """A job from its API object. Never raises for a bad spec or status: the one makes an InvalidJob, the other an
    UnreadableJob.
    """
    try:
        status = SpectrogramJobStatus.model_validate(body.get("status") or {})
    except ValidationError as error:
        why = describe(error, prefix="status")
        return UnreadableJob(**_identity(body, SpectrogramJobStatus()), why=why)
    try:
        # As strict as the API server, which takes no "1024" for a number and no field name but its own.
        document = json.dumps(body.get("spec") or {})
        spec = SpectrogramJobSpec.model_validate_json(document, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        return InvalidJob(**_identity(body, status), why=describe(error))
    return ValidJob(**_identity(body, status), spec=spec)


def _identity(body: Mapping[str, Any], status: SpectrogramJobStatus) -> dict[str, Any]:
    """The fields that every job has."""
    metadata = body["metadata"]
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "generation": metadata.get("generation", 1),
        "resource_version": metadata.get("resourceVersion", ""),
        "created": _timestamp.validate_python(metadata["creationTimestamp"]),
        "deleting": "deletionTimestamp" in metadata,
        "status": status,
        "raw_spec": body.get("spec") or {},
    }


def describe(error: ValidationError, prefix: str = "spec") -> str:
    """What to change, in one line: the first three complaints with the path of the field."""
    complaints = []
    for complaint in error.errors(include_url=False)[:3]:
        where = ".".join([prefix, *(str(part) for part in complaint["loc"] if part not in ("int", "str"))])
        what = complaint["msg"].removeprefix("Value error, ")
        if complaint["type"] == "extra_forbidden":
            what = "unknown field"
        elif complaint["type"] == REFUSED_VALUE:
            what = f"{clean_text(repr(complaint['input']), LONGEST_VALUE)} {what}"
        complaints.append(f"{where}: {what}")
    return clean_text("; ".join(complaints))
