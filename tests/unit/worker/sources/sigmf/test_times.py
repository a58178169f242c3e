"""SigMF captures apart in time: gaps, contradictions, entries that lack something, entries that begin late."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import sigmf
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Range, Raw
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.sigmf.metadata import Capture
from spectrogram_worker.sources.sigmf.timeline import place
from unit.worker.recordings import open_path, read, says, write_sigmf

SLOW = 1000
COUNT = 2000
"""Samples of each capture: 2 s."""
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TUNED = 433.92e6


class Case(NamedTuple):
    """What captures say beside core:sample_start, and what that means."""

    captures: tuple[dict[str, Any], ...]
    gaps: tuple[tuple[int, int], ...] = ()
    warnings: tuple[str, ...] = ()


def at(seconds: float, digits: int = 3, **fields: Any) -> dict[str, Any]:
    """A capture that began so long after noon, as written with so many digits."""
    unit = 10 ** (6 - digits)
    time = NOON + timedelta(microseconds=round(seconds * 1e6) // unit * unit)
    text = time.strftime("%Y-%m-%dT%H:%M:%S") + (f".{time.microsecond:06d}"[: digits + 1] if digits else "") + "Z"
    return {"core:datetime": text, **{f"core:{name}": value for name, value in fields.items()}}


def index(number: int) -> dict[str, Any]:
    return {"core:global_index": number}


CASES = {
    "one after the other": Case((at(0), at(2))),
    "a minute between": Case((at(0), at(62)), ((2000, 62_000),)),
    "a minute by time and index": Case(
        (at(0, global_index=10**6), at(62, global_index=10**6 + 62_000)), ((2000, 62_000),)
    ),
    "a minute by index alone": Case((index(500), index(62_500)), ((2000, 62_000),)),
    "an index right after": Case((index(500), index(2500))),
    "one sample by index": Case((index(500), index(2501)), ((2000, 2001),)),
    "a clock that goes back": Case((at(0), at(-3)), (), ("capture 1: core:datetime is before the end",)),
    "two clocks that go back": Case((at(0), at(-3), at(-10)), (), ("captures 1, 2: core:datetime is before the end",)),
    "after the clock was set back time goes on": Case((at(0), at(-3), at(59)), ((4000, 64_000),), ("capture 1:",)),
    "an index that goes back, a time that does not": Case(
        (at(0, global_index=10**6), at(62, global_index=10**6 + 1000)),
        ((2000, 62_000),),
        ("capture 1: core:global_index goes back: it is not used",),
    ),
    "an index that goes back": Case((index(10**6), index(0)), (), ("capture 1: core:global_index goes back",)),
    "after the index began anew it counts on": Case(
        (index(10**6), index(0), index(5000)), ((4000, 7000),), ("capture 1: core:global_index",)
    ),
    "an index that capture 1 lacks": Case(
        (at(0, global_index=10**6), at(62), index(10**6 + 100_000)), ((2000, 62_000), (64_000, 100_000))
    ),
    "a place that capture 1 lacks": Case(
        (at(0), {}, at(10)), ((4000, 10_000),), ("capture 1: core:datetime and core:global_index do not tell",)
    ),
    "a place that capture 1 lacks where there is no gap": Case((at(0), {}, at(4))),
    "a time and an index that disagree": Case(
        (at(0, global_index=0), at(62, global_index=12_000)),
        ((2000, 12_000),),
        ("capture 1: core:datetime contradicts core:global_index: the index is used",),
    ),
    "a time that only capture 1 says": Case(({}, at(2))),
    "whole seconds that were cut off": Case((at(0.9, digits=0), at(2.9, digits=0), at(4.9, digits=0))),
    "whole seconds around half of one": Case((at(0.1, digits=0), at(2.99, digits=0))),
    "whole seconds and a gap": Case((at(0, digits=0), at(62, digits=0)), ((2000, 62_000),)),
    "whole minutes": Case(({"core:datetime": "2026-01-31T12:00Z"}, {"core:datetime": "2026-01-31T12:01Z"})),
    "days": Case(({"core:datetime": "2026-01-31"}, {"core:datetime": "2026-02-01"})),
    "a clock that is read a little late": Case((at(0), at(2.008), at(4.003))),
    "small gaps that add up": Case(tuple(at(2.009 * n) for n in range(4)), ((4000, 4018),)),
    "a quarter of a second": Case((at(0), at(2.25)), ((2000, 2250),)),
    "a time that cannot be read": Case((at(0), {"core:datetime": "yesterday"})),
}


def write(root: Path, captures: tuple[dict[str, Any], ...], **fields: Any) -> None:
    """Captures of 2 s each, whose samples are 1, 2, 3, …"""
    entries = [{"core:sample_start": number * COUNT, **entry} for number, entry in enumerate(captures)]
    content = np.arange(1, 1 + COUNT * len(captures)).astype("<f4").tobytes()
    write_sigmf(root, content, captures=entries, datatype="rf32_le", **{"sample_rate": SLOW} | fields)


@pytest.mark.parametrize("name", CASES)
def test_a_gap_is_where_the_times_say_so_and_contradictions_are_told(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    write(tmp_path, case.captures)
    recording = open_path(tmp_path, "signal")
    samples, missing = read(recording)
    assert recording.description.gaps == case.gaps
    np.testing.assert_array_equal(samples[~missing], np.arange(1, 1 + COUNT * len(case.captures)))
    expected = [sample for start, stop in case.gaps for sample in range(start, stop)]
    assert np.flatnonzero(missing).tolist() == expected
    assert len(recording.description.warnings) == len(case.warnings)
    for warning, words in zip(recording.description.warnings, case.warnings, strict=True):
        assert warning.startswith("signal.sigmf-meta, ")
        assert words in warning


def test_the_first_time_that_is_known_tells_when_the_recording_began(tmp_path: Path) -> None:
    write(tmp_path, ({}, at(2)))
    assert open_path(tmp_path, "signal").description.start_time == NOON
    write(tmp_path, ({}, {"core:datetime": "0001-01-01T00:00:00Z"}))
    assert open_path(tmp_path, "signal").description.start_time is None


@pytest.mark.parametrize("later", [{"core:datetime": "2099-01-01T00:00:00Z"}, index(2**62)])
def test_captures_that_lie_more_than_a_year_apart_are_not_one_recording(tmp_path: Path, later: dict[str, Any]) -> None:
    write(tmp_path, (at(0, global_index=0), later, later))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "capture 1", "days after", "input.capture")
    assert open_path(tmp_path, "signal", capture=1).description.length == COUNT


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50),
            st.none() | st.integers(0, 2**62),
            st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2000, 6, 1), timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([Fraction(1, 10**6), Fraction(48_000), Fraction(10**15)]),
)
def test_captures_never_lie_over_each_other(
    entries: list[tuple[int, int | None, datetime | None]], rate: Fraction
) -> None:
    captures = [Capture(sample_start=0, global_index=place_, time=time) for _, place_, time in entries]
    counts = [count for count, _, _ in entries]
    with suppress(WorkerError):
        starts = place(captures, counts, rate, "signal", range(len(entries))).starts
        assert starts[0] == 0
        assert all(start + count <= next_ for start, count, next_ in zip(starts, counts, starts[1:], strict=False))


def test_several_sample_rates_ask_for_a_capture(tmp_path: Path) -> None:
    write(tmp_path, (at(0), {"sdrangel:sample_rate": 2 * SLOW, **at(62)}))
    for changes in ({}, {"raw": Raw(sample_rate=5000.0)}):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "signal", **changes)
        assert says(caught.value, ExitCode.INPUT_INVALID, "1000, 2000 Hz", "input.capture")
    for capture, rate in enumerate((SLOW, 2 * SLOW)):
        found = open_path(tmp_path, "signal", capture=capture).description
        assert (float(found.sample_rate), found.length) == (rate, COUNT)


@pytest.mark.parametrize("rate", [0, -5, "fast", True, 1e16])
def test_a_capture_of_no_rate_is_named(tmp_path: Path, rate: Any) -> None:
    write(tmp_path, ({"sdrangel:sample_rate": rate},))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "sdrangel:sample_rate")


@pytest.mark.parametrize("silent", [0, 1])
def test_a_centre_frequency_that_one_capture_lacks_is_taken_from_the_other_with_a_warning(
    tmp_path: Path, silent: int
) -> None:
    captures = [at(0, frequency=TUNED), at(2, frequency=TUNED)]
    del captures[silent]["core:frequency"]
    write(tmp_path, tuple(captures))
    found = open_path(tmp_path, "signal").description
    assert found.center_frequency == TUNED
    (warning,) = found.warnings
    assert f"capture {silent}: core:frequency is not there: taken to be 433920000 Hz" in warning
    assert (
        open_path(tmp_path, "signal", range=Range(start_sample=COUNT * (1 - silent), samples=9)).description.warnings
        == ()
    )
    corrected = open_path(tmp_path, "signal", raw=Raw(center_frequency=5.0)).description
    assert corrected.center_frequency == 5
    assert corrected.warnings == ("input.raw.centerFrequency corrects signal.sigmf-meta: 5 Hz instead of 433920000 Hz",)


def late(root: Path) -> None:
    """2 s that no capture describes, then two captures of 2 s."""
    first = {"core:sample_start": COUNT, **at(2, digits=0, frequency=TUNED)}
    second = {"core:sample_start": 2 * COUNT, **at(4, digits=0, frequency=868e6)}
    content = np.arange(3 * COUNT).astype("<f4").tobytes()
    write_sigmf(root, content, captures=[first, second], datatype="rf32_le", sample_rate=SLOW)


@pytest.mark.parametrize("capture", [0, 1])
def test_captures_are_counted_as_the_metadata_counts_them(tmp_path: Path, capture: int) -> None:
    """Also where the first does not begin at sample 0; and as the library reads them."""
    late(tmp_path)
    recording = open_path(tmp_path, "signal", capture=capture)
    expected = sigmf.fromfile(tmp_path / "signal.sigmf-meta", skip_checksum=True).read_samples_in_capture(capture)
    np.testing.assert_array_equal(read(recording)[0], expected)
    assert recording.description.center_frequency == (TUNED, 868e6)[capture]
    assert recording.description.start_time == NOON + timedelta(seconds=(2, 4)[capture])
    assert recording.description.warnings == ()
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal", capture=2)
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.capture", "2 captures")


def test_samples_before_the_first_capture_are_left_out_with_a_warning(tmp_path: Path) -> None:
    late(tmp_path)
    recording = open_path(tmp_path, "signal", range=Range(start_sample=0, samples=COUNT))
    np.testing.assert_array_equal(read(recording)[0], np.arange(COUNT, 3 * COUNT))
    assert recording.description.start_time == NOON + timedelta(seconds=2)
    (warning,) = recording.description.warnings
    assert "no capture describes the 2000 samples before the first: they are left out" in warning


@pytest.mark.parametrize("starts", [(0, 60), (10, 60), (0, 6000)])
def test_captures_below_the_offset_count_from_the_file_as_the_library_reads_them(
    tmp_path: Path, starts: tuple[int, int]
) -> None:
    captures = [{"core:sample_start": start} for start in starts]
    content = np.arange(7000).astype("<f4").tobytes()
    write_sigmf(tmp_path, content, captures=captures, datatype="rf32_le", offset=5000)
    written = sigmf.fromfile(tmp_path / "signal.sigmf-meta", skip_checksum=True)
    for capture in range(2):
        samples, _ = read(open_path(tmp_path, "signal", capture=capture))
        np.testing.assert_array_equal(samples, written.read_samples_in_capture(capture))


@pytest.mark.parametrize(
    ("rate", "apart", "words"), [(1e15, 86_400, "begins 1 days after"), (1e14, 3600, "samples are selected")]
)
def test_times_that_no_number_of_samples_reaches_are_refused(
    tmp_path: Path, rate: float, apart: int, words: str
) -> None:
    """A rate and two times are all it takes to ask for more samples than 63 bits can count, or their bytes."""
    captures = [
        {"core:sample_start": number, "core:datetime": (NOON + timedelta(seconds=number * apart)).isoformat()}
        for number in (0, 1)
    ]
    write_sigmf(tmp_path, bytes(16), captures=captures, datatype="cf32_le", sample_rate=rate)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, words)
