"""The document that a worker reads: one attempt of one job, complete, in the environment variable SPECTROGRAM_JOB."""

from typing import Annotated, Literal

from pydantic import Field

from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.parameters import (
    Chunking,
    FrequencyRange,
    OutputSelection,
    RecordingSelection,
    Reduce,
    Transform,
)

ENVIRONMENT_VARIABLE = "SPECTROGRAM_JOB"
MAXIMUM_DOCUMENT_BYTES = 32 * 1024
PROGRESS_PORT = 8080
PROGRESS_PORT_NAME = "progress"


class JobReference(Model):
    """Which attempt of which job this is."""

    namespace: str
    name: str
    uid: str
    attempt: Annotated[int, Field(ge=1)]
    spec_hash: str
    """Identifies the parameters: outputs of the same job and the same parameters are this job's outputs."""

    @property
    def title(self) -> str:
        """The job in log lines: namespace/name."""
        return f"{self.namespace}/{self.name}"


class Limits(Model):
    """What the worker may use."""

    soft_seconds: Annotated[int, Field(ge=1)]
    """After this many seconds the worker stops in order, keeps what is complete and exits 84."""
    memory_bytes: Annotated[int, Field(ge=1)]
    """The container's memory limit; the safeguard uses the cgroup's where that is lower."""
    safeguard_percent: Annotated[float, Field(gt=0, le=100)] = 95.0
    """Share of the memory limit above which the worker exits 83."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads that transform, max(1, ⌊cpu⌋)."""
    large_dataset_bytes: Annotated[int, Field(ge=1)] | None = None
    """A selected range larger than this belongs on the large queue: exit 87 before reading samples. None: stay."""


class Folders(Model):
    """Where the volumes are mounted."""

    input: str = "/data/input"
    output: str = "/data/output"
    scratch: str = "/scratch"
    termination_message: str = "/dev/termination-log"


class WorkerDocument(Model):
    """Everything that one worker process needs to know."""

    version: Literal[1] = 1
    job: JobReference
    input: RecordingSelection
    transform: Transform = Transform()
    reduce: Reduce = Reduce()
    frequency_range: FrequencyRange | None = None
    output: OutputSelection = OutputSelection()
    chunking: Chunking = Chunking()
    limits: Limits
    folders: Folders = Folders()
    port: Annotated[int, Field(ge=0, le=65535)] = PROGRESS_PORT
    """Port of GET /progress and /metrics; 0 lets the system choose one, which the log names."""

    @property
    def output_path(self) -> str:
        """The output folder, relative to the output claim."""
        return self.output.path or self.job.name
