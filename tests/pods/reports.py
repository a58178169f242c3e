"""What workers say, as a termination message and as an answer to GET /progress."""

from datetime import datetime
from typing import Any

from pods.jobs import JOB_UID
from spectrogram_operator.api.names import LABEL_ATTEMPT, LABEL_JOB_UID
from spectrogram_worker.contract import Report
from spectrogram_worker.contract.report import Dataset, Memory, OutputFile, Progress

GIBIBYTE = 2**30
PUBLISHED = {
    "spectrogram.png": "image/png",
    "spectrogram.npz": "application/octet-stream",
    "manifest.json": "application/json",
}


def report(
    reason: str = "",
    message: str = "",
    *,
    job_uid: str = JOB_UID,
    attempt: int = 1,
    percent: float = 100,
    current_bytes: int = GIBIBYTE // 3,
    published: bool = False,
    warnings: tuple[str, ...] = (),
    advanced: datetime | None = None,
) -> Report:
    """A report that is valid; `published`: the outputs are where they belong."""
    stage = "done" if published else "spectrogram"
    return Report(
        job_uid=job_uid,
        attempt=attempt,
        reason=reason,
        message=message,
        progress=Progress(
            percent=percent, stage=stage, columns_done=round(10 * percent), columns_total=1000, kernel="compiled"
        ),
        memory=Memory(
            estimate_bytes=GIBIBYTE // 4,
            limit_bytes=GIBIBYTE,
            current_bytes=current_bytes,
            peak_bytes=GIBIBYTE // 2,
            level="low",
        ),
        dataset=Dataset(bytes=8_000_000, samples=1_000_000, sample_rate=1e6, center_frequency=100e6, gaps=1),
        outputs=tuple(
            OutputFile(path=f"fm-band/{name}", media_type=kind, bytes=18_231, sha256="9b" * 32)
            for name, kind in (PUBLISHED if published else {}).items()
        ),
        warnings=warnings,
        last_advance_time=advanced,
    )


def report_of(pod: dict[str, Any], reason: str = "", message: str = "", **fields: Any) -> Report:
    """What the worker of this pod says."""
    labels = pod["metadata"]["labels"]
    return report(reason, message, job_uid=labels[LABEL_JOB_UID], attempt=int(labels[LABEL_ATTEMPT]), **fields)
