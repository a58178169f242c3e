"""By how much a clock differs from the API server's, as the dates of its answers tell it (fault 40)."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from spectrogram_operator.core.server_time import (
    TOLERANCE_SECONDS,
    Span,
    agreed,
    corrected,
    seconds_ahead,
    told_by,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DATE = "Mon, 23 Nov 2026 12:00:00 GMT"
moments = st.floats(0, 1e6).map(lambda seconds: NOON.timestamp() + seconds)
uptimes = st.floats(0, 1e7)
latencies = st.floats(0, 60)
skews = st.floats(-1e6, 1e6)


def whole(seconds: float) -> datetime:
    """What a clock of whole seconds shows."""
    return datetime.fromtimestamp(int(seconds), UTC)


def answer(server: float, uptime: float, before: float, after: float) -> Span:
    """What an answer tells that was dated at this time, so long after it was asked for and before it was heard."""
    told = told_by(format_datetime(whole(server), usegmt=True), uptime - before, uptime + after)
    assert told is not None
    return told


@given(moments, uptimes, latencies, latencies)
def test_row_40_an_answer_tells_the_time_and_is_never_wrong_however_slow(
    server: float, uptime: float, before: float, after: float
) -> None:
    earliest, latest = answer(server, uptime, before, after).later(uptime)
    assert earliest - 1e-3 <= server <= latest + 1e-3
    assert latest - earliest == pytest.approx(before + after + 1, abs=1e-3)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 23 Nov 2026 12:00:00 -0000",
        "Mon, 23 Nov 2026 25:61:00 GMT",
        "Mon, 23 Nov 2026 12:00:00 +9999999999",
        "23",
        "\x00",
    ],
)
def test_row_40_an_answer_without_a_date_of_today_tells_nothing(date: str) -> None:
    assert told_by(date, 0, 0) is None


@given(st.text() | st.text(alphabet="MonTue, 0123456789:-+GMT()[]\t"))
@example("(")
def test_row_40_no_date_is_a_bug(date: str) -> None:
    told_by(date, 0, 0)


@given(st.lists(st.tuples(moments, latencies, latencies), min_size=3, max_size=5), uptimes, skews, st.data())
def test_row_40_one_odd_answer_among_three_changes_nothing(
    times: list[tuple[float, float, float]], uptime: float, off: float, data: st.DataObject
) -> None:
    assume(abs(off) > 200)
    server = times[0][0]
    answers = [answer(server, uptime, before, after) for _, before, after in times]
    index = data.draw(st.integers(0, len(answers) - 1))
    odd = [*answers[:index], answer(server + off, uptime, 0, 0), *answers[index + 1 :]]
    for told in (agreed(answers), agreed(odd)):
        assert told is not None
        assert told.later(uptime).earliest - 1e-3 <= server <= told.later(uptime).latest + 1e-3


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], None),
        ([Span(0, 1)], Span(0, 1)),
        ([Span(0, 1), Span(5, 6)], None),
        ([Span(0, 1), Span(5, 6), Span(0.5, 1.5)], Span(0.5, 1)),
        ([Span(0, 1), Span(5, 6), Span(0, 1), Span(5, 6)], None),
        ([Span(0, 1), Span(0, 1), Span(0, 1), Span(5, 6), Span(5, 6)], Span(0, 1)),
        ([Span(0, 1), Span(0, 1), Span(5, 6), Span(5, 6), Span(5, 6)], Span(5, 6)),
        ([Span(0, 40), Span(5, 6), Span(5.5, 6.5)], Span(5.5, 6)),
        ([Span(0, 1), Span(0, 1), Span(0, 9), Span(5, 6), Span(5, 6)], Span(0, 1)),
    ],
)
def test_row_40_what_most_answers_have_in_common(answers: list[Span], told: Span | None) -> None:
    assert agreed(answers) == told


@given(moments, st.floats(0, 1), st.floats(0, 1), skews)
def test_row_40_a_clock_is_ahead_or_behind_by_what_is_certain(
    server: float, before: float, after: float, skew: float
) -> None:
    ahead = seconds_ahead(whole(server + skew), answer(server, 7, before, after).later(7))
    assert min(0, skew) - 1e-3 <= ahead <= max(0, skew) + 1e-3, "never more than it is"
    assert ahead == pytest.approx(skew, abs=4), "nor less than the answer lets it be"


@given(moments, st.floats(0, 1), st.floats(0, 1), skews)
@example(NOON.timestamp(), 0, 0, 7200)
@example(NOON.timestamp(), 0, 0, -7200)
@example(NOON.timestamp(), 0, 0, 4)
def test_row_40_only_a_clock_that_is_wrong_is_corrected(
    server: float, before: float, after: float, skew: float
) -> None:
    local = whole(server + skew)
    now = corrected(local, answer(server, 7, before, after).later(7))
    if abs(skew) <= TOLERANCE_SECONDS:
        assert now == local, "a normal clock stays as it is"
    elif abs(skew) > TOLERANCE_SECONDS + 4:
        assert abs((now - whole(server)).total_seconds()) <= 2
    assert now.microsecond == 0
    assert abs((now - whole(server)).total_seconds()) <= TOLERANCE_SECONDS + 4


def test_row_40_a_corrected_clock_goes_on_second_by_second() -> None:
    told = told_by(DATE, 10.2, 10.4)
    assert told is not None
    shown = [corrected(NOON + timedelta(hours=3), told.later(10.3 + seconds)) for seconds in range(20)]
    assert shown == [shown[0] + timedelta(seconds=seconds) for seconds in range(20)]
    assert shown[0] == NOON
