"""The report's models as the first released worker and operator have them: a copy that does not follow changes.

What a newer program says must be understood by an older one, and the other way round: see test_report.py. But for
termination messages: the first operator reads those of one line only. After a rollback it takes a worker that wrote two
for one without a manifest, and the next attempt finds what is published.
"""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]")
Count = Annotated[int, Field(ge=0, le=2**62)]


def _clean_text(text: str) -> str:
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= 512 else line[:511] + "…"


Line = Annotated[str, AfterValidator(_clean_text)]


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, allow_inf_nan=False
    )


class _Progress(_Model):
    percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    stage: Annotated[Line, StringConstraints(max_length=64)] = ""
    columns_done: Count = 0
    columns_total: Count = 0
    samples_per_second: Annotated[float, Field(ge=0)] = 0.0
    eta_seconds: Annotated[float, Field(ge=0)] | None = None


class _Memory(_Model):
    estimate_bytes: Count | None = None
    limit_bytes: Count | None = None
    current_bytes: Count | None = None
    peak_bytes: Count | None = None
    level: Literal["low", "moderate", "high"] | None = None


class _Dataset(_Model):
    bytes: Count | None = None
    samples: Count | None = None
    sample_rate: float | None = None
    center_frequency: float | None = None
    start_time: datetime | None = None
    gaps: Count | None = None
    missing_samples: Count | None = None


class _OutputFile(_Model):
    path: Annotated[Line, StringConstraints(max_length=512)]
    media_type: Annotated[Line, StringConstraints(max_length=128)]
    bytes: Count
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]


class FirstReport(_Model):
    """The termination message and the answer of GET /progress."""

    version: Literal[1] = 1
    job_uid: Annotated[str, StringConstraints(max_length=64)] = Field(alias="jobUID")
    attempt: Annotated[int, Field(ge=1)]
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{0,64}$")] = ""
    progress: _Progress = _Progress()
    memory: _Memory = _Memory()
    dataset: _Dataset = _Dataset()
    last_advance_time: datetime | None = None
    outputs: Annotated[tuple[_OutputFile, ...], Field(max_length=16)] = ()
    message: Line = ""
