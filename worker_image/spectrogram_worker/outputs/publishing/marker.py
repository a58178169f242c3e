"""The marker: an object in a bucket that says which attempt is at work on the results there."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from spectrogram_worker.contract.document import JobReference

MOST_MARKER_BYTES = 4096
LONGEST_LIMIT_SECONDS = 31_536_000
"""No job may take longer than a year."""
_Name = Annotated[str, StringConstraints(max_length=253)]


class Marker(BaseModel):
    """Which attempt is at work in a folder. Whoever may write to the bucket can have written a marker that is found."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    namespace: _Name
    name: _Name
    uid: _Name
    attempt: Annotated[int, Field(ge=1)]
    process: _Name
    """A name for this one process: Kubernetes may start a pod twice."""
    uploading: bool
    """True from before the first result is uploaded. Until then the folder is anyone's."""
    soft_seconds: Annotated[int, Field(ge=1)] = LONGEST_LIMIT_SECONDS
    """The attempt's soft time limit."""

    @classmethod
    def of(cls, job: JobReference, process: str, soft_seconds: int, *, uploading: bool) -> "Marker":
        """The marker of an attempt."""
        reference = {"namespace": job.namespace, "name": job.name, "uid": job.uid, "attempt": job.attempt}
        return cls(**reference, process=process, soft_seconds=soft_seconds, uploading=uploading)

    def is_abandoned(self, age: timedelta) -> bool:
        """True when an attempt whose marker has this age must have ended.

        That is a day after the marker was written; while nothing is uploaded yet, the soft time limit is added.
        """
        return age > timedelta(days=1, seconds=0 if self.uploading else self.soft_seconds)

    @property
    def job_title(self) -> str:
        """The job as namespace/name."""
        return f"{self.namespace}/{self.name}"

    def to_json(self) -> bytes:
        """The object's content."""
        return self.model_dump_json(by_alias=True).encode()


def parse_marker(text: bytes) -> Marker | None:
    """The marker that `text` is, or None where it is none."""
    try:
        return Marker.model_validate_json(text)
    except ValidationError:
        return None
