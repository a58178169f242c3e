"""What a worker says: one model for its termination message (last_words.py) and for GET /progress.

What a worker says is untrusted. `parse_report` is the only way in: a size cap, the schema, nothing that cannot be seen.
"""

import re
from collections.abc import Iterable, Set
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.kernels import KernelName

MAXIMUM_REPORT_BYTES = 4096
MAXIMUM_MESSAGE_LENGTH = 512
MAXIMUM_WARNINGS = 8
MAXIMUM_WARNING_LENGTH = 256
MAXIMUM_OUTPUTS = 16
MANIFEST_NAME = "manifest.json"

_SHORTEST_WARNING = 32
_TERMINAL_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_DRAWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that Unicode has for no ink (Default_Ignorable_Code_Point beyond the category Cf; the empty Braille
cell): str.isprintable knows the others by their category."""

# A power of two: the API server reads bounds as floating point, and 2⁶³ - 1 would become negative there.
Count = Annotated[int, Field(ge=0, le=2**62)]


def clean_text(text: str, limit: int = MAXIMUM_MESSAGE_LENGTH) -> str:
    """One line that shows all there is of it, at most `limit` characters long.

    Terminal escapes, control and format characters (those that turn the direction of writing among them), private and
    unassigned ones become spaces; bytes that were no Unicode are written as escapes.
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    text = _DRAWN_AS_NOTHING.sub(" ", _TERMINAL_ESCAPE.sub(" ", text))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def first_warnings(warnings: Iterable[str]) -> tuple[str, ...]:
    """The warnings as a report carries them: clean, each once, and where there are too many, how many more."""
    cleaned = (clean_text(warning, MAXIMUM_WARNING_LENGTH) for warning in warnings)
    found = tuple(dict.fromkeys(warning for warning in cleaned if warning))
    if len(found) <= MAXIMUM_WARNINGS:
        return found
    shown = found[: MAXIMUM_WARNINGS - 1]
    return (*shown, f"… and {len(found) - len(shown)} more")


Line = Annotated[str, AfterValidator(clean_text)]
Warnings = Annotated[
    tuple[
        Annotated[
            str,
            AfterValidator(lambda text: clean_text(text, MAXIMUM_WARNING_LENGTH)),
            StringConstraints(max_length=MAXIMUM_WARNING_LENGTH),
        ],
        ...,
    ],
    AfterValidator(first_warnings),
    Field(json_schema_extra={"maxItems": MAXIMUM_WARNINGS}),
]


class ReportModel(Model):
    """What the other program says may be of a newer version: a field that this one does not know is ignored."""

    model_config = ConfigDict(extra="ignore")


# A name that this program does not know, such as a newer worker's, says nothing; the rest of the report stands.
Kernel = Annotated[KernelName | None, BeforeValidator(lambda name: name if name in get_args(KernelName) else None)]


class Progress(ReportModel):
    """How far the worker is."""

    percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Share of the transform that is done, 0 to 100: it moves within a column, too."""
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
    kernel: Kernel = None
    """What computes the transform: the compiled kernel, or scipy.fft, which takes some times longer."""


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
    frames_without_data: Count | None = None
    """Frames that were left out because they touch missing samples."""
    samples_at_full_scale: Count | None = None
    """Samples at an end of what their integers can say: the receiver was overdriven. Absent for floating point."""


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


def is_manifest(output: OutputFile) -> bool:
    """True for the file that says what the others are."""
    return output.path.rpartition("/")[2] == MANIFEST_NAME


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
    outputs: Annotated[tuple[OutputFile, ...], Field(max_length=MAXIMUM_OUTPUTS)] = ()
    warnings: Warnings = ()
    """What a person should know about the result, at most eight lines."""
    message: Line = ""
    """One line for people."""

    @property
    def has_manifest(self) -> bool:
        """True when the worker published a manifest: the proof of success, together with exit code 0."""
        return any(map(is_manifest, self.outputs))

    def to_json(self, limit: int = MAXIMUM_REPORT_BYTES, *, leave_out: Set[str] = frozenset()) -> str:
        """The report, but for these of its fields, as one line of JSON of at most `limit` bytes."""
        report = self
        left_out = set(leave_out)
        while len(text := report.model_dump_json(by_alias=True, exclude_none=True, exclude=left_out).encode()) > limit:
            report = report.model_copy(update=report._shorter())
        return text.decode()

    def _shorter(self) -> dict[str, Any]:
        """What to cut first: the warnings, which are in the log too, then the message, then outputs, the manifest last."""
        if self.warnings:
            length = max(map(len, self.warnings)) // 2
            kept = length >= _SHORTEST_WARNING
            return {"warnings": tuple(clean_text(warning, length) for warning in self.warnings) if kept else ()}
        if self.message:
            return {"message": self.message[: len(self.message) // 2]}
        return {"outputs": self.outputs[1:]}


def parse_report(text: str | bytes | None) -> Report | None:
    """The report in `text`, or None where there is none: empty, too long, a log's tail, or not of the schema."""
    if not text or len(text) > MAXIMUM_REPORT_BYTES:
        return None
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None
