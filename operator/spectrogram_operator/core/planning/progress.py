"""What the worker says, in the job's status: untrusted, checked for whom it is, written rarely."""

from datetime import UTC, datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.status import (
    Attempt,
    ConditionType,
    JobMemory,
    JobProgress,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import changed, holds, with_condition
from spectrogram_worker.contract import Report
from spectrogram_worker.contract.report import Dataset

WARNING_SHARE = 0.85


def live_report(
    status: SpectrogramJobStatus, report: Report | None, job: Job, attempt: Attempt, now: datetime, policy: Policy
) -> SpectrogramJobStatus:
    """The status with a running worker's answer: at most every 10 s, on change; the heartbeat alone once a minute."""
    if report is None or report.job_uid != job.uid or report.attempt != attempt.number:
        return status
    if not is_news(status, report, now, policy):
        return status
    if status.last_advance_time is None or _position(report) != _position_in(status):
        status = changed(status, last_advance_time=now)
    status = _with_measurements(status, report, attempt, now)
    return changed(status, heartbeat_time=now)


def is_news(status: SpectrogramJobStatus, report: Report, now: datetime, policy: Policy) -> bool:
    """Whether the report is written down: at most every 10 s, the heartbeat alone once a minute."""
    heard = status.heartbeat_time
    silence = (now - heard).total_seconds() if heard is not None else float("inf")
    advanced = _position(report) != _position_in(status)
    return silence >= (policy.status_seconds if advanced else policy.heartbeat_seconds)


def final_report(status: SpectrogramJobStatus, report: Report, attempt: Attempt, now: datetime) -> SpectrogramJobStatus:
    """The status with a worker's termination message: its outputs are what the job leaves behind."""
    return changed(_with_measurements(status, report, attempt, now), outputs=report.outputs)


def _with_measurements(
    status: SpectrogramJobStatus, report: Report, attempt: Attempt, now: datetime
) -> SpectrogramJobStatus:
    memory = report.memory
    limit = attempt.memory_bytes
    peak = memory.peak_bytes or memory.current_bytes or 0
    status = changed(
        status,
        progress=JobProgress(**report.progress.model_dump(), text=f"{report.progress.percent:.0f}%"),
        memory=JobMemory(
            **{**memory.model_dump(), "limit_bytes": limit}, text=f"{format_bytes(peak)}/{format_bytes(limit)}"
        ),
        dataset=_in_utc(report.dataset),
        warnings=report.warnings,
    )
    if memory.current_bytes and limit and memory.current_bytes >= WARNING_SHARE * limit:
        share = memory.current_bytes / limit
        return with_condition(
            status,
            ConditionType.MEMORY_WARNING,
            "True",
            reason="HighMemoryUsage",
            message=f"the worker used {share:.0%} of its memory limit of {format_bytes(limit)}",
            now=now,
        )
    expected = format_bytes(memory.estimate_bytes or 0)
    if memory.level == "high" and not holds(status, ConditionType.MEMORY_WARNING):
        return with_condition(
            status,
            ConditionType.MEMORY_WARNING,
            "True",
            reason="HighMemoryExpected",
            message=f"about {expected} of {format_bytes(limit)} are expected to be used",
            now=now,
        )
    return status


def _in_utc(dataset: Dataset) -> Dataset:
    """A time without its zone is not a date-time to the API server, which would refuse the whole status."""
    start = dataset.start_time
    if start is None or start.utcoffset() is not None:
        return dataset
    return dataset.model_copy(update={"start_time": start.replace(tzinfo=UTC)})


def _position(report: Report) -> tuple[str, int, float]:
    return report.progress.stage, report.progress.columns_done, report.progress.percent


def _position_in(status: SpectrogramJobStatus) -> tuple[str, int, float] | None:
    progress = status.progress
    return None if progress is None else (progress.stage, progress.columns_done, progress.percent)
