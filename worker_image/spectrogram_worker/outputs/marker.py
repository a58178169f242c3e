"""What an attempt leaves in a folder of a bucket until its results stand there: an object that says who is at work."""

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
    """Which attempt is at work in a folder. A marker that is found was written by anyone who can write there."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    namespace: _Name
    name: _Name
    uid: _Name
    attempt: Annotated[int, Field(ge=1)]
    process: _Name
    """Kubernetes may start a pod twice: a name for this one process."""
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
        """True when an attempt that left its marker so long ago must have ended: a day after its soft time limit, or
        after the last look at the marker before it began to upload."""
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
