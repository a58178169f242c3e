"""The job that tests submit, in every tier."""

from typing import Any

from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.names import API_VERSION, KIND

JOB_UID = "5a0c6f0e-3b8e-4a51-9d0c-0d3e6a8c1f27"
CREATED = "2026-11-23T12:00:00Z"


def job_body(name: str = "fm-band", **spec: Any) -> dict[str, Any]:
    """A valid job of six lines, as a user writes it; `spec` adds to it."""
    source = {"claimName": "recordings", "path": "2026-11/fm.drf"}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {"input": source, "output": {"claimName": "results"}, **spec},
    }


def stored(body: dict[str, Any], *, generation: int = 1, status: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same as the API server has it: the job that the pods of this folder belong to."""
    metadata = {"namespace": "radio", "uid": JOB_UID, "creationTimestamp": CREATED, "generation": generation}
    return {**body, "metadata": metadata | body["metadata"], "status": status or {}}


def job() -> ValidJob:
    """The job whose first attempt's pod every file shows."""
    read = read_job(stored(job_body()))
    assert isinstance(read, ValidJob)
    return read
