"""A job that is over, as the few facts that are still asked for: there may be tens of thousands of them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spectrogram_operator.api.spec import MOST_TTL_SECONDS

_optional_time = TypeAdapter(datetime | None)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedJob:
    """A job that is over. `said` is False where its status speaks of an older generation of its spec."""

    namespace: str
    name: str
    uid: str
    queue: str
    phase: str
    succeeded: bool
    completion_time: datetime | None
    ttl_seconds: int | None
    said: bool

    @property
    def key(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def read_finished(body: Mapping[str, Any]) -> FinishedJob | None:
    """The job, if it is over: read without checking what nobody asks for any more."""
    status, metadata = body.get("status") or {}, body["metadata"]
    ended = {
        condition.get("type")
        for condition in status.get("conditions") or ()
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
    }
    if not ended:
        return None
    return FinishedJob(
        namespace=sys.intern(metadata["namespace"]),
        name=metadata["name"],
        uid=metadata["uid"],
        queue=sys.intern(str(status.get("queue") or "")),
        phase=sys.intern(str(status.get("phase") or "")),
        succeeded="Complete" in ended,
        completion_time=_read_time(status.get("completionTime")),
        ttl_seconds=_read_ttl(body.get("spec") or {}),
        said=status.get("observedGeneration") == metadata.get("generation", 1),
    )


def _read_time(text: Any) -> datetime | None:
    """A time of a status, which may be anybody's: what is none must not keep the other jobs from being read."""
    try:
        return _optional_time.validate_python(text)
    except ValidationError:
        return None


def _read_ttl(spec: Mapping[str, Any]) -> int | None:
    """What a spec says, which may be of another version's schema."""
    ttl = spec.get("ttlSecondsAfterFinished")
    return ttl if type(ttl) is int and 0 <= ttl <= MOST_TTL_SECONDS else None
