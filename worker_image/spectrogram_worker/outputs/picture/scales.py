"""Axes for people: SI prefixes, and round times of day in UTC."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_PREFIXES = {9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "µ", -9: "n"}
_STEPS = (
    *(mantissa * 10.0**exponent for exponent in range(-6, 0) for mantissa in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)


@dataclass(frozen=True)
class Scale:
    """How an axis writes its values: (value − offset) / factor, under the label."""

    offset: float
    factor: float
    label: str


def si_prefix(value: float) -> tuple[float, str]:
    """Factor and prefix that write `value` with one to three digits before the point: 1e6, "M" for 2.4e6."""
    exponent = 3 * math.floor(math.log10(abs(value)) / 3) if value else 0
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**exponent, _PREFIXES[exponent]


def frequency_scale(lowest: float, highest: float) -> Scale:
    """The scale of a frequency axis from `lowest` to `highest` Hz.

    A narrow band at a high frequency would need ten digits at every tick: there the label carries the middle, rounded
    to 1000 times the band's own unit.
    """
    largest, span = max(abs(lowest), abs(highest)), highest - lowest
    factor, prefix = si_prefix(largest)
    if span >= 1e-5 * largest:
        return Scale(0.0, factor, f"Frequency ({prefix}Hz)")
    own_factor, own_prefix = si_prefix(span)
    middle = round((lowest + highest) / 2 / own_factor) * own_factor
    digits = max(0, round(math.log10(factor / own_factor)))
    return Scale(middle, own_factor, f"Frequency − {middle / factor:.{digits}f} {prefix}Hz ({own_prefix}Hz)")


def time_scale(duration: float) -> Scale:
    """The scale of a time axis of `duration` seconds: seconds, or the prefix that a short one needs."""
    factor, prefix = si_prefix(duration) if 0 < duration < 1 else (1.0, "")
    return Scale(0.0, factor, f"Time after start ({prefix}s)")


def rate_text(hertz: float, unit: str) -> str:
    """A rate or frequency with its prefix: `2.4 MS/s`, `100 MHz`."""
    factor, prefix = si_prefix(hertz)
    return f"{hertz / factor:.9g} {prefix}{unit}"


def utc_ticks(start: datetime, first: float, last: float, most: int) -> tuple[list[float], list[str], str]:
    """Round times of day between `first` and `last` seconds after `start`: positions in seconds, labels, the day.

    At most `most` ticks. The day, for the axis label, is that of the first tick. No ticks where a datetime cannot hold
    them: for a step below a microsecond, and beyond the year 9999.
    """
    start = start.astimezone(UTC)
    span = last - first
    step = next((step for step in _STEPS if span / step <= most), None)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if step is None or span < 2e-6:
        return [], [], f"{start:%Y-%m-%d}"
    since_midnight = (start - midnight) / timedelta(seconds=1)
    ticks = range(math.ceil((since_midnight + first) / step), math.floor((since_midnight + last) / step) + 1)
    seconds = [tick * step for tick in ticks]
    try:
        moments = [midnight + timedelta(microseconds=round(second * 1e6)) for second in seconds]
    except OverflowError:
        return [], [], f"{start:%Y-%m-%d}"
    form = _time_format(step, several_days=len({moment.date() for moment in moments}) > 1)
    labels = [_clock(moment, form, step) for moment in moments]
    day = moments[0] if moments else start
    return [second - since_midnight for second in seconds], labels, f"{day:%Y-%m-%d}"


def _time_format(step: float, *, several_days: bool) -> str:
    if step >= 86400:
        return "%m-%d"
    clock = "%H:%M" if step >= 60 else "%H:%M:%S"
    return f"%m-%d {clock}" if several_days else clock


def _clock(moment: datetime, form: str, step: float) -> str:
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    return f"{moment:{form}}" + (f".{moment.microsecond:06d}"[: digits + 1] if digits else "")
