"""`range`: seconds, samples or a start time become samples, exactly; what reaches past the end is clipped and said."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat, Range
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.selection import sample_time, select
from unit.worker.recordings import says

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def description(length: int = 10_000, rate: Fraction = Fraction(1000), start: datetime | None = START) -> Description:
    return Description(
        format=InputFormat.RAW,
        name="noise.raw",
        sample_rate=rate,
        center_frequency=0.0,
        start_time=start,
        is_complex=True,
        length=length,
        bytes_per_sample=8,
        sample_type="cf32_le",
    )


@pytest.mark.parametrize(
    ("wanted", "start", "count"),
    [
        (None, 0, 10_000),
        (Range(), 0, 10_000),
        (Range(start="2s"), 2000, 8000),
        (Range(duration="1.5s"), 0, 1500),
        (Range(start="250ms", duration="1s"), 250, 1000),
        (Range(start="0.1m", duration="4s"), 6000, 4000),
        (Range(start_sample=7), 7, 9993),
        (Range(samples=7), 0, 7),
        (Range(start_sample=9_999, samples=1), 9_999, 1),
        (Range(start_time=START + timedelta(seconds=3), duration="1s"), 3000, 1000),
        (Range(start_time=datetime(2026, 11, 1, 14, tzinfo=timezone(timedelta(hours=2)))), 0, 10_000),
        (Range(start_time=datetime(2026, 11, 1, 12, 0, 1)), 1000, 9000),
    ],
)
def test_every_unit_becomes_samples(wanted: Range | None, start: int, count: int) -> None:
    found = select(description(), wanted)
    assert (found.start, found.count, found.warnings) == (start, count, ())


@pytest.mark.parametrize("wanted", [Range(start="2s", duration="9s"), Range(start_sample=2000, samples=9000)])
def test_an_overhang_is_clipped_with_a_warning(wanted: Range) -> None:
    found = select(description(), wanted)
    assert (found.start, found.count) == (2000, 8000)
    (warning,) = found.warnings
    assert "1000 samples past the end" in warning
    assert "clipped to 8000 samples" in warning


@pytest.mark.parametrize(
    "wanted",
    [Range(start="10s"), Range(start_sample=10_000), Range(start_time=START + timedelta(seconds=10), duration="1s")],
)
def test_a_start_past_the_end_is_invalid(wanted: Range) -> None:
    with pytest.raises(WorkerError) as caught:
        select(description(), wanted)
    assert says(caught.value, ExitCode.INPUT_INVALID, "sample 10000", "10000 samples", "earlier start")


def test_a_start_before_the_recording_is_invalid() -> None:
    with pytest.raises(WorkerError) as caught:
        select(description(), Range(start_time=START - timedelta(seconds=2), duration="5s"))
    assert says(caught.value, ExitCode.INPUT_INVALID, "2 s before", "2026-11-01T12:00:00+00:00")


def test_more_samples_than_a_report_can_count_are_refused() -> None:
    assert select(description(length=2**60), Range(start_sample=5, samples=2**58)).count == 2**58
    with pytest.raises(WorkerError) as caught:
        select(description(length=2**60), Range(start_sample=5))
    assert says(caught.value, ExitCode.INPUT_INVALID, str(2**60 - 5), "choose a shorter input.range")


def test_a_start_time_needs_a_recording_that_knows_its_own() -> None:
    with pytest.raises(WorkerError) as caught:
        select(description(start=None), Range(start_time=START))
    assert says(caught.value, ExitCode.INPUT_INVALID, "startTime", "range.start")


@given(sample=st.integers(0, 2**50), rate=st.fractions(1, 10**9, max_denominator=1000))
def test_a_sample_keeps_its_place_through_its_time(sample: int, rate: Fraction) -> None:
    """Within half a sample and half a microsecond, whatever the rate: no float carries an index."""
    recording = description(length=2**58, rate=rate)
    time = sample_time(recording, sample)
    if time is not None:
        found = select(recording, Range(start_time=time)).start
        assert abs(found - sample) <= rate / 2_000_000 + 1


def test_the_time_of_a_sample_is_exact_to_the_microsecond() -> None:
    third = description(rate=Fraction(100_000_000, 3))
    assert sample_time(third, 100_000_000) == START + timedelta(seconds=3)
    assert sample_time(third, 100_000_001) == START + timedelta(seconds=3)
    assert sample_time(description(start=None), 5) is None
    assert sample_time(description(), 10**30) is None


def test_durations_are_decimal(tmp_path: Path) -> None:
    """0.1 s at 1e15 Hz is 1e14 samples, not one more because 0.1 has no binary form."""
    found = select(description(length=2**62, rate=Fraction(10**15)), Range(start="0.1s", duration="100ms"))
    assert (found.start, found.count) == (10**14, 10**14)
