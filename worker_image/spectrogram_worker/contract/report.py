"""What a worker says: one model for its termination message and for GET /progress.

What a worker says is untrusted. `parse_report` is the only way in: a size cap, the schema, control characters removed.
"""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError

from spectrogram_worker.contract.base import Model

MAXIMUM_REPORT_BYTES = 4096
MAXIMUM_MESSAGE_LENGTH = 512
MANIFEST_NAME = "manifest.json"

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# A power of two: the API server reads bounds as floating point, and 2⁶³ - 1 would become negative there.
Count = Annotated[int, Field(ge=0, le=2**62)]


def clean_text(text: str, limit: int = MAXIMUM_MESSAGE_LENGTH) -> str:
    """One printable line: control characters and terminal escapes become spaces, at most `limit` characters stay."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


Line = Annotated[str, AfterValidator(clean_text)]


class ReportModel(Model):
    """What the other program says may be of a newer version: a field that this one does not know is ignored."""

    model_config = ConfigDict(extra="ignore")


class Progress(ReportModel):
    """How far the worker is."""

    percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Share of the columns that are done, 0 to 100."""
    stage: Annotated[Line, StringConstraints(max_length=64)] = ""
    """What the worker is doing: starting, reading, spectrogram, writing, done."""
    columns_done: Count = 0
    """Columns of the spectrogram that are done."""
    columns_total: Count = 0
    """Columns of the spectrogram in all."""
    samples_per_second: Annotated[float, Field(ge=0)] = 0.0
    """Samples transformed per second of wall time, so far."""
    eta_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds until the end at this rate."""


class Memory(ReportModel):
    """Memory of the worker, in bytes."""

    estimate_bytes: Count | None = None
    """Peak that was expected before reading."""
    limit_bytes: Count | None = None
    """The container's memory limit."""
    current_bytes: Count | None = None
    """In use now, without the inactive file cache."""
    peak_bytes: Count | None = None
    """Highest resident set of the process so far."""
    level: Literal["low", "moderate", "high"] | None = None
    """Estimate against what is available: low below 60 %, moderate up to 80 %, high above."""


class Dataset(ReportModel):
    """What the recording turned out to be; counts are those of the selected range."""

    bytes: Count | None = None
    """Size of the selected samples as stored, in bytes."""
    samples: Count | None = None
    """Samples in the selected range."""
    sample_rate: float | None = None
    """Samples per second, in Hz."""
    center_frequency: float | None = None
    """Centre of the band, in Hz."""
    start_time: datetime | None = None
    """UTC time of the range's first sample, where the recording says so."""
    gaps: Count | None = None
    """Gaps in the selected range."""
    missing_samples: Count | None = None
    """Samples that are missing in those gaps."""


class OutputFile(ReportModel):
    """One published file."""

    path: Annotated[Line, StringConstraints(max_length=512)]
    """Path relative to the output claim."""
    media_type: Annotated[Line, StringConstraints(max_length=128)]
    """Media type, as in image/png."""
    bytes: Count
    """Size in bytes."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """SHA-256 of the content, in hexadecimal."""


class Report(ReportModel):
    """The termination message and the answer of GET /progress."""

    version: Literal[1] = 1
    job_uid: Annotated[str, StringConstraints(max_length=64)] = Field(alias="jobUID")
    attempt: Annotated[int, Field(ge=1)]
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{0,64}$")] = ""
    """Reason of the exit code (exit_codes.py); empty while running."""
    progress: Progress = Progress()
    memory: Memory = Memory()
    dataset: Dataset = Dataset()
    last_advance_time: datetime | None = None
    """UTC time at which the progress last advanced."""
    outputs: Annotated[tuple[OutputFile, ...], Field(max_length=16)] = ()
    message: Line = ""
    """One line for people."""

    @property
    def has_manifest(self) -> bool:
        """True when the worker published a manifest: the proof of success, together with exit code 0."""
        return any(output.path.split("/")[-1] == MANIFEST_NAME for output in self.outputs)

    def to_json(self) -> str:
        """The report as JSON of at most 4096 bytes: the kubelet cuts a longer termination message off."""
        report = self
        while len(text := report.model_dump_json(by_alias=True, exclude_none=True).encode()) > MAXIMUM_REPORT_BYTES:
            if report.message:
                report = report.model_copy(update={"message": report.message[: len(report.message) // 2]})
            else:
                report = report.model_copy(update={"outputs": report.outputs[1:]})
        return text.decode()


def parse_report(text: str | bytes | None) -> Report | None:
    """The report in `text`, or None where there is none: empty, too long, a log's tail, or not of the schema."""
    if not text or len(text) > MAXIMUM_REPORT_BYTES:
        return None
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None
