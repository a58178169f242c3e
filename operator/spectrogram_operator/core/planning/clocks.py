"""Times in a status that an operator wrote whose clock was ahead: nobody waits until they come (fault 40)."""

from datetime import datetime, timedelta
from typing import Any

from spectrogram_operator.api.status import Attempt, Condition, SpectrogramJobStatus
from spectrogram_operator.core.planning.retries import most_backoff_seconds
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, changed, with_attempt

APART = timedelta(minutes=1)
"""Clocks that differ by less are left alone: two operators would correct each other again and again."""


def in_reach(status: SpectrogramJobStatus, now: datetime, policy: Policy) -> SpectrogramJobStatus:
    """The status as our clock would have it: what has happened is past, and no wait is longer than a wait can be."""
    updates: dict[str, Any] = _ahead(status, ("last_advance_time",), now)
    if _ahead(status, ("heartbeat_time",), now):
        updates["heartbeat_time"] = None  # the worker is heard from anew, and its next answer is news
    attempt = active_attempt(status)
    longest = timedelta(seconds=most_backoff_seconds(policy) if attempt is None else policy.max_refusal_seconds)
    if status.next_attempt_at is not None and status.next_attempt_at > now + longest + APART:
        updates["next_attempt_at"] = now + longest
    if updates:
        status = changed(status, **updates)
    if any(_ahead(condition, ("last_transition_time",), now) for condition in status.conditions):
        conditions = (one.model_copy(update=_ahead(one, ("last_transition_time",), now)) for one in status.conditions)
        status = changed(status, conditions=tuple(conditions))
    if attempt is not None and (of_attempt := _ahead(attempt, ("reserved_time", "start_time", "creation_time"), now)):
        status = with_attempt(status, attempt.model_copy(update=of_attempt))
    return status


def _ahead(
    part: SpectrogramJobStatus | Attempt | Condition, names: tuple[str, ...], now: datetime
) -> dict[str, datetime]:
    """Those of the times that are still to come, as they should be: now."""
    times = ((name, getattr(part, name)) for name in names)
    return {name: now for name, time in times if time is not None and time > now + APART}
