"""The API server's time, as the dates of its answers tell it, and by how much ours differs (fault 40)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

TOLERANCE_SECONDS = 5.0
"""A clock that is off by less is left alone: dates are in whole seconds, and an answer takes its time."""
YEARS = range(2020, 2100)
"""What else an answer is dated is no date of today."""


class Span(NamedTuple):
    """A time that is somewhere between these, in seconds since 1970."""

    earliest: float
    latest: float

    def later(self, seconds: float) -> "Span":
        """The same, so many seconds later."""
        return Span(self.earliest + seconds, self.latest + seconds)


def told_by(date: str, sent: float, heard: float) -> Span | None:
    """The API server's time when our monotonic clock stood at zero, as an answer of this date tells it, whose request
    was sent and which was heard at these seconds of that clock. None: it tells nothing.
    """
    try:
        dated = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if dated.tzinfo is None or dated.year not in YEARS:
        return None
    seconds = dated.timestamp()
    return Span(seconds - heard, seconds + 1 - sent)


def agreed(answers: Sequence[Span]) -> Span | None:
    """What most of the answers have in common; None: no more than half of them have anything."""
    agreeing = [[one for one in answers if one.earliest <= start <= one.latest] for start, _ in answers]
    most = max(agreeing, key=len, default=[])
    if 2 * len(most) <= len(answers):
        return None
    return Span(max(one.earliest for one in most), min(one.latest for one in most))


def seconds_ahead(local: datetime, server: Span) -> float:
    """By how much a clock of whole seconds is certainly ahead of the API server's; negative: behind it."""
    shown = local.timestamp()
    return max(0.0, shown - server.latest) + min(0.0, shown + 1 - server.earliest)


def corrected(local: datetime, server: Span) -> datetime:
    """The time to go by, in whole seconds: our own, unless it is certainly wrong, else the API server's."""
    if abs(seconds_ahead(local, server)) <= TOLERANCE_SECONDS:
        return local
    return datetime.fromtimestamp(int((server.earliest + server.latest) / 2), UTC)
