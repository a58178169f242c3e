"""The document that a worker reads: one attempt of one job, complete, in the environment variable SPECTROGRAM_JOB."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

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
USUAL_GRACE_SECONDS = 30
"""From SIGTERM to the kill, where the document does not say."""
PROGRESS_PORT = 8080
PROGRESS_PORT_NAME = "progress"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True}
"""Keys of a store's Secret, and whether each may be absent. The worker finds their values in its environment, each name
with INPUT_CREDENTIALS or OUTPUT_CREDENTIALS before it: the two may be different stores."""
INPUT_CREDENTIALS = "SPECTROGRAM_INPUT_"
OUTPUT_CREDENTIALS = "SPECTROGRAM_OUTPUT_"


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
    grace_seconds: Annotated[int, Field(ge=0)] | None = None
    """From SIGTERM to the kill. None: the usual 30, which is left out, as an older worker does not know this field."""
    scratch_bytes: Annotated[int, Field(ge=0)] | None = None
    """Room for temporary files; a pod that uses more is evicted. None: as much as the file system has."""


class Folders(Model):
    """Where the volumes are mounted."""

    input: str = "/data/input"
    output: str = "/data/output"
    scratch: str = "/scratch"
    termination_message: str = "/dev/termination-log"


class Bucket(Model):
    """A bucket of an S3 store of the platform team's, from `prefix` on."""

    store: Annotated[str, StringConstraints(max_length=253)]
    """The store's name, for messages: where it lies is not for a job's author."""
    bucket: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    prefix: Annotated[str, StringConstraints(max_length=512)] = ""
    """Stands before every path, without a slash at either end."""
    endpoint: Annotated[str, StringConstraints(max_length=512)] | None = None
    """https://HOST[:PORT], or http:// within a cluster. None: Amazon's own for the region."""
    region: Annotated[str, StringConstraints(max_length=64)] | None = None


class Places(Model):
    """Where recording and results are, when not in the folders: a bucket, or a web address."""

    input_bucket: Bucket | None = None
    """`input.path` lies in this bucket."""
    input_url: Annotated[str, StringConstraints(max_length=2048)] | None = None
    """The recording's address; `input.path` is its file name."""
    allowed_url_hosts: tuple[Annotated[str, StringConstraints(max_length=253)], ...] = ()
    """Hosts that may be asked, also after a redirection."""
    output_bucket: Bucket | None = None
    """`output.path` lies in this bucket."""


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
    places: Places = Places()
    port: Annotated[int, Field(ge=0, le=65535)] = PROGRESS_PORT
    """Port of GET /progress and /metrics; 0 lets the system choose one, which the log names."""

    @property
    def output_path(self) -> str:
        """The output folder, relative to the output claim."""
        return self.output.path or self.job.name
