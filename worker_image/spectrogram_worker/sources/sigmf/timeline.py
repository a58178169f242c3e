"""Where captures lie on one axis of samples: by core:global_index, else by core:datetime, else one after the other.

An index counts samples and is exact. A time is that of the computer's clock, rounded to its last digit: it tells a gap,
or contradicts, only by more than such clocks are wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.selection import nearest
from spectrogram_worker.sources.sigmf.metadata import Capture

_CLOCK_JITTER = Fraction(1, 100)
"""Seconds by which a computer's clock may be read too late, as after waiting for a buffer."""
_CLOCK_DRIFT = Fraction(1, 10_000)
"""Share by which the clocks of receivers and computers differ: crystals without control, at most 100 ppm."""
_LONGEST_GAP = 366 * 86_400
"""Seconds. A longer one is a clock that was set meanwhile, and a spectrogram of nothing."""
_MOST_SAMPLES = 2**62
"""A recording's last sample has an index of no more than 63 bits, whatever its rate and times make of it."""
_LISTED = 3
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Timeline:
    """`starts`: each capture's first sample, on the axis whose sample 0 is the first one's, in UTC at `began`."""

    starts: tuple[int, ...]
    began: datetime | None
    warnings: tuple[str, ...]


def place(
    captures: Sequence[Capture], counts: Sequence[int], rate: Fraction, name: str, numbers: Sequence[int]
) -> Timeline:
    """Place captures of so many samples each; `numbers` are what the metadata `name` counts them as.

    Raises WorkerError 65 where two of them lie more than a year apart, or further than samples can be counted.
    """
    starts: list[int] = []
    end = 0
    known_index: tuple[int, int] | None = None
    known_time: tuple[int, datetime, Fraction] | None = None
    silent: list[int] = []  # since the last one that tells when it began
    backwards: list[int] = []
    disagreeing: list[int] = []
    early: list[int] = []
    guessed: list[int] = []
    for number, capture, count in zip(numbers, captures, counts, strict=True):
        start, is_anchor = end, False
        by_index = by_time = None
        slack = Fraction(0)
        if known_index is not None and capture.global_index is not None:
            by_index = known_index[0] + capture.global_index - known_index[1]
            if by_index < end:
                backwards.append(number)
                by_index = None
        if known_time is not None and capture.time is not None:
            seconds = Fraction((capture.time - known_time[1]) // _MICROSECOND, 1_000_000)
            by_time = known_time[0] + nearest(seconds * rate)
            resolution = max(known_time[2], capture.time_resolution)
            slack = (resolution + _CLOCK_JITTER + _CLOCK_DRIFT * abs(seconds)) * rate
        if by_index is not None:
            start = by_index
            if by_time is not None and abs(by_time - start) > slack:
                disagreeing.append(number)
                is_anchor = True
        elif by_time is not None and by_time < end - slack:
            early.append(number)
            is_anchor = True
        elif by_time is not None and by_time > end + slack:
            start = by_time
        if start - end > _LONGEST_GAP * rate or start + count > _MOST_SAMPLES:
            raise input_invalid(
                f"{name}: capture {number} begins {float((start - end) / rate / 86_400):.6g} days after the end of the"
                " one before: choose one with input.capture, or correct its core:datetime or core:global_index"
            )
        if start > end:
            is_anchor = True
            guessed += silent
        if capture.global_index is not None:
            known_index = (start, capture.global_index)
        if capture.time is not None and (is_anchor or known_time is None):
            known_time = (start, capture.time, capture.time_resolution)
        is_told = not starts or by_index is not None or by_time is not None or number in backwards[-1:]
        silent = [] if is_told else silent
        if not is_told:
            silent.append(number)
        starts.append(start)
        end = start + count
    said = (
        (backwards, "core:global_index goes back", "it is not used"),
        (early, "core:datetime is before the end of the capture before", "they are joined without a gap"),
        (disagreeing, "core:datetime contradicts core:global_index", "the index is used"),
        (guessed, "core:datetime and core:global_index do not tell when it began", "taken to follow the one before"),
    )
    warnings = (f"{name}, {listed_captures(found)}: {what}: {done}" for found, what, done in said if found)
    return Timeline(tuple(starts), _began(captures, starts, rate), tuple(warnings))


def _began(captures: Sequence[Capture], starts: Sequence[int], rate: Fraction) -> datetime | None:
    """UTC time of sample 0, from the first capture that says its own."""
    for capture, start in zip(captures, starts, strict=True):
        if capture.time is not None:
            try:
                return capture.time - nearest(start * 1_000_000 / rate) * _MICROSECOND
            except OverflowError:
                return None
    return None


def listed_captures(numbers: Sequence[int]) -> str:
    """Captures by their numbers, the first three of them."""
    shown = ", ".join(map(str, numbers[:_LISTED]))
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"capture{'s' if len(numbers) > 1 else ''} {shown}{more}"
