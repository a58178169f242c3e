"""Axes for people: prefixes, offsets, times of day."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from spectrogram_worker.outputs.picture.scales import (
    Scale,
    frequency_scale,
    rate_text,
    si_prefix,
    time_scale,
    utc_ticks,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.4e6, (1e6, "M")),
        (999.0, (1.0, "")),
        (1e3, (1e3, "k")),
        (-5e9, (1e9, "G")),
        (0.0, (1.0, "")),
        (2e-5, (1e-6, "µ")),
    ],
)
def test_prefixes(value: float, expected: tuple[float, str]) -> None:
    factor, prefix = si_prefix(value)
    assert factor == pytest.approx(expected[0])
    assert prefix == expected[1]


def test_a_wide_band_is_written_in_absolute_frequency() -> None:
    assert frequency_scale(99e6, 101e6) == Scale(0.0, 1e6, "Frequency (MHz)")
    assert frequency_scale(-1e5, 1e5).label == "Frequency (kHz)"


def test_a_narrow_band_carries_its_middle_in_the_label() -> None:
    scale = frequency_scale(1420.405e6 - 900, 1420.405e6 + 900)
    assert scale.label == "Frequency − 1.420405 GHz (kHz)"
    assert scale.offset == pytest.approx(1420.405e6)


def test_short_recordings_have_a_prefix_and_long_ones_seconds() -> None:
    assert time_scale(0.0123).label == "Time after start (ms)"
    assert time_scale(86400.0).label == "Time after start (s)"


def test_rates_are_written_as_people_write_them() -> None:
    assert rate_text(2.4e6, "S/s") == "2.4 MS/s"
    assert rate_text(0.0, "Hz") == "0 Hz"
    assert rate_text(1420405750.0, "Hz") == "1.42040575 GHz"


START = datetime(2026, 11, 1, 23, 59, 50, 500000, tzinfo=UTC)


def test_ticks_stand_at_round_times_of_day() -> None:
    positions, labels, day = utc_ticks(START, 0.0, 5.0, 6)
    assert labels == ["23:59:51", "23:59:52", "23:59:53", "23:59:54", "23:59:55"]
    assert positions == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5])
    assert day == "2026-11-01"


def test_ticks_across_midnight_name_the_day() -> None:
    assert utc_ticks(START, 0.0, 15.0, 3)[1] == ["11-01 23:59:55", "11-02 00:00:00", "11-02 00:00:05"]
    assert utc_ticks(START - timedelta(hours=2), 0.0, 4 * 3600.0, 4)[1] == [
        "11-01 22:00",
        "11-01 23:00",
        "11-02 00:00",
        "11-02 01:00",
    ]


def test_other_time_zones_become_utc() -> None:
    east = START.astimezone(timezone(timedelta(hours=9)))
    assert utc_ticks(east, 0.0, 5.0, 6) == utc_ticks(START, 0.0, 5.0, 6)


@pytest.mark.parametrize("span", [1e-7, 1e-6, 3e-6, 1e-3, 0.5, 60.0, 86400.0, 1e7, 1e9])
def test_there_are_never_too_many_ticks(span: float) -> None:
    positions, labels, _ = utc_ticks(START, 0.0, span, 5)
    assert len(positions) == len(labels) <= 6
    assert all(-1e-6 <= position <= span + 1e-6 for position in positions)


@pytest.mark.parametrize("year", [1, 9999])
def test_there_are_no_ticks_where_a_date_cannot_be_said(year: int) -> None:
    start = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    positions, labels, _ = utc_ticks(start, 0.0, 60.0, 5)
    assert len(labels) == len(positions)
    assert bool(labels) == (year == 1)
