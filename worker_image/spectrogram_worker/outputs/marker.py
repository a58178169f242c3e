"""What an attempt leaves in a folder of a bucket until its results stand there: an object that says who is at work."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from spectrogram_worker.contract.document import JobReference

MOST_MARKER_BYTES = 4096
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

    @classmethod
    def of(cls, job: JobReference, process: str, *, uploading: bool) -> "Marker":
        """The marker of an attempt."""
        reference = {"namespace": job.namespace, "name": job.name, "uid": job.uid, "attempt": job.attempt}
        return cls(**reference, process=process, uploading=uploading)

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
