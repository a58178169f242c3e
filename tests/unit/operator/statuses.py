"""Statuses for the tests of metrics and logs."""

from datetime import UTC, datetime
from typing import Any

from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    Condition,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def attempt(number: int = 1, reason: str | None = None, retry_class: RetryClass | None = None) -> Attempt:
    """An attempt that runs, or one that ended with `reason`."""
    return Attempt(
        number=number,
        state=AttemptState.FINISHED if reason else AttemptState.CREATED,
        pod_name=f"fm-band-a{number}",
        pool="default",
        memory_bytes=2**30,
        reason=reason,
        retry_class=retry_class,
        message="what happened" if reason else None,
    )


def status(*attempts: Attempt, **fields: Any) -> SpectrogramJobStatus:
    """A status with these attempts in the default queue."""
    return SpectrogramJobStatus(**{"queue": "default", "phase": Phase.RUNNING, "attempts": attempts} | fields)


def ended(phase: Phase, reason: str, *attempts: Attempt, **fields: Any) -> SpectrogramJobStatus:
    """The status of a job that is over."""
    return status(*attempts, phase=phase, reason=reason, message="the end", completion_time=NOW, **fields)


def memory_warning(reason: str, held: bool = True) -> Condition:
    """The condition MemoryWarning."""
    return Condition(
        type=ConditionType.MEMORY_WARNING,
        status="True" if held else "False",
        last_transition_time=NOW,
        reason=reason,
        message="the worker used 90% of its memory limit",
    )
