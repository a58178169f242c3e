"""Which samples of a recording a job asks for: `Range` applied to a `Description`, in exact arithmetic."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from spectrogram_worker.contract.parameters import Range, duration_seconds
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.recording import Description, Extent

_MICROSECOND = timedelta(microseconds=1)
_MOST_SAMPLES = 2**58
"""Nine years at 1 GS/s: of more, a report could not count the bytes."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """`count` samples from sample index `start` of the recording on; `warnings` are lines for people."""

    start: int
    count: int
    warnings: tuple[str, ...] = ()


def select(description: Extent, wanted: Range | None) -> Selection:
    """The samples that `wanted` names.

    Times become the nearest sample. What reaches past the end is clipped with a warning. Raises WorkerError 65 for a
    start outside the recording, a start time where the recording has none, or more samples than can be counted.
    """
    wanted = wanted or Range()
    rate, length = description.sample_rate, description.length
    start = wanted.start_sample or 0
    if wanted.start is not None:
        start = nearest(Fraction(duration_seconds(wanted.start)) * rate)
    elif wanted.start_time is not None:
        start = _sample_at(description, wanted.start_time)
    if start >= length:
        raise input_invalid(
            f"input.range starts at sample {start}, but the recording has {length} samples"
            f" ({float(length / rate):.6g} s): choose an earlier start"
        )
    count, warnings = length - start, tuple[str, ...]()
    if wanted.samples is not None:
        count = wanted.samples
    elif wanted.duration is not None:
        count = nearest(Fraction(duration_seconds(wanted.duration)) * rate)
    if count > length - start:
        warning = (
            f"input.range reaches {count - (length - start)} samples past the end of the recording"
            f" ({length} samples): it is clipped to {length - start} samples"
        )
        count, warnings = length - start, (warning,)
    if count > _MOST_SAMPLES:
        raise input_invalid(
            f"{count} samples are selected, gaps included, more than any recording has: choose a shorter input.range,"
            " or correct the recording's times or rate"
        )
    return Selection(start=start, count=count, warnings=warnings)


def sample_time(description: Description, sample: int) -> datetime | None:
    """UTC time of the sample with this index, to the microsecond; None where the recording does not say."""
    if description.start_time is None:
        return None
    try:
        time = description.start_time + nearest(sample * 1_000_000 / description.sample_rate) * _MICROSECOND
        return time.astimezone(UTC)
    except OverflowError:
        return None


def _sample_at(description: Extent, time: datetime) -> int:
    if description.start_time is None:
        raise input_invalid("input.range.startTime: the recording does not say when it started: use range.start")
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    since = Fraction((time - description.start_time) // _MICROSECOND, 1_000_000)
    sample = nearest(since * description.sample_rate)
    if sample < 0:
        raise input_invalid(
            f"input.range.startTime is {float(-since):.6g} s before the recording, which starts at"
            f" {description.start_time.isoformat()}: choose a later start"
        )
    return sample


def nearest(value: Fraction) -> int:
    """The whole number next to `value`; a half goes up."""
    return math.floor(value + Fraction(1, 2))
