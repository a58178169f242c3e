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


def by_its_own_word(status: SpectrogramJobStatus, report: Report, job: Job, now: datetime) -> SpectrogramJobStatus:
    """The status as if somebody had listened to the worker: where it is, and since when, is what it says itself.

    Where the status knows that place already, it knows better since when.
    """
    if report.job_uid != job.uid or _position(report) == _position_in(status):
        return status
    said = _utc(report.last_advance_time)
    progress = JobProgress(**report.progress.model_dump(), advance_time=said)
    since = max(said or now, status.last_advance_time or said or now)
    return changed(status, progress=progress, last_advance_time=min(since, now))


def is_news(status: SpectrogramJobStatus, report: Report, now: datetime, policy: Policy) -> bool:
    """Whether the report is written down: at most every 10 s, the heartbeat alone once a minute."""
    heard = status.heartbeat_time
    # A time in the future is of an operator whose clock was ahead.
    silence = (now - heard).total_seconds() if heard is not None and heard <= now else float("inf")
    advanced = _position(report) != _position_in(status)
    return silence >= (policy.status_seconds if advanced else policy.heartbeat_seconds)


def final_report(status: SpectrogramJobStatus, report: Report, attempt: Attempt, now: datetime) -> SpectrogramJobStatus:
    """The status with a worker's termination message: its outputs are what the job leaves behind.

    A message that was cut says no more than the peak of memory: what the worker said while it ran stays.
    """
    if "progress" in report.model_fields_set:
        status = _with_measurements(status, report, attempt, now)
    elif report.memory.peak_bytes is not None:
        memory = status.memory or JobMemory(limit_bytes=attempt.memory_bytes)
        peak = report.memory.peak_bytes
        texts = _memory_texts(peak, attempt)
        status = changed(status, memory=memory.model_copy(update={"peak_bytes": peak, **texts}))
    return changed(status, outputs=report.outputs)


def all_done(status: SpectrogramJobStatus) -> SpectrogramJobStatus:
    """The status of a job whose results are published, whatever its worker has said of its way there."""
    if status.progress is None or status.progress.percent == 100:
        return status
    progress = {"percent": 100.0, "text": "100%", "columns_done": status.progress.columns_total, "eta_seconds": None}
    return changed(status, progress=status.progress.model_copy(update=progress))


def _with_measurements(
    status: SpectrogramJobStatus, report: Report, attempt: Attempt, now: datetime
) -> SpectrogramJobStatus:
    memory = report.memory
    limit = attempt.memory_bytes
    peak = memory.peak_bytes or memory.current_bytes or 0
    status = changed(
        status,
        progress=JobProgress(
            **report.progress.model_dump(),
            text=f"{report.progress.percent:.0f}%",
            advance_time=_utc(report.last_advance_time),
        ),
        memory=JobMemory(**{**memory.model_dump(), "limit_bytes": limit, **_memory_texts(peak, attempt)}),
        dataset=report.dataset.model_copy(update={"start_time": _utc(report.dataset.start_time)}),
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


def _memory_texts(peak: int, attempt: Attempt) -> dict[str, str]:
    """What people see of it in the tables of kubectl get."""
    shown = format_bytes(peak)
    return {"text": f"{shown}/{format_bytes(attempt.memory_bytes)}", "peak_text": shown}


def _utc(time: datetime | None) -> datetime | None:
    """A time without its zone is not a date-time to the API server, which would refuse the whole status."""
    return time if time is None or time.utcoffset() is not None else time.replace(tzinfo=UTC)


_Position = tuple[str, int, float, datetime | None]


def _position(report: Report) -> _Position:
    """How far the worker is, and when it last advanced in anything: a download moves nothing else."""
    progress = report.progress
    return progress.stage, progress.columns_done, progress.percent, _utc(report.last_advance_time)


def _position_in(status: SpectrogramJobStatus) -> _Position | None:
    progress = status.progress
    if progress is None:
        return None
    return progress.stage, progress.columns_done, progress.percent, progress.advance_time
