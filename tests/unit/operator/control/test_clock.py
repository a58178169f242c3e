"""The operator's clock: what its machine shows, what answers say, and what the log tells of it (fault 40)."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from spectrogram_operator.control.clock import ANSWERS, Clock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Machine:
    """A clock, the API server's true time, and answers that come once a second."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self.uptime = 5000.0
        self.clock = Clock(lambda: self.true() + timedelta(seconds=self.ahead), lambda: self.uptime)

    def true(self) -> datetime:
        return NOON + timedelta(seconds=int(self.uptime))

    def hear(self, times: int = 1, *, off: float = 0.0, seconds: float = 0.1) -> None:
        """Answers of an API server whose clock is off by so much."""
        for _ in range(times):
            self.uptime += 1
            date = format_datetime(self.true() + timedelta(seconds=off), usegmt=True)
            self.clock.hear(date, self.uptime - seconds, self.uptime)

    def error(self) -> float:
        """By how much the operator's time is wrong."""
        return (self.clock.now() - self.true()).total_seconds()


@pytest.mark.parametrize("ahead", [-7200.0, -90, -20, 20, 90, 7200, 1e6])
def test_row_40_a_clock_that_is_wrong_is_corrected_by_the_first_answer(ahead: float) -> None:
    machine = Machine(ahead)
    assert (machine.error(), machine.clock.seconds_ahead()) == (ahead, 0), "nothing is known yet"
    machine.hear()
    assert machine.error() == 0
    assert machine.clock.seconds_ahead() == pytest.approx(ahead, abs=1.2)
    machine.uptime += 3600
    assert machine.error() == 0, "also where the API server is away"


@pytest.mark.parametrize("ahead", [-4.0, 0, 4])
def test_row_40_a_clock_that_is_nearly_right_is_left_alone(ahead: float) -> None:
    machine = Machine(ahead)
    machine.hear(10)
    assert machine.error() == ahead


def test_row_40_a_clock_that_is_set_makes_no_difference_not_even_until_the_next_answer() -> None:
    machine = Machine()
    machine.hear(3)
    for ahead in (7200, -7200, 20, 0):
        machine.ahead = ahead
        assert machine.error() == 0


def test_row_40_answers_that_tell_nothing_change_nothing() -> None:
    machine = Machine(7200)
    machine.hear(3)
    for date in ("", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"):
        for _ in range(ANSWERS):
            machine.clock.hear(date, machine.uptime, machine.uptime)
    assert machine.error() == 0


def test_row_40_an_odd_answer_changes_nothing() -> None:
    machine = Machine()
    machine.hear(3)
    machine.hear(off=-7200)
    assert machine.error() == 0
    machine.hear(2)
    machine.hear(2, off=7200)
    assert machine.error() == 0


def test_row_40_slow_answers_tell_less_and_nothing_wrong() -> None:
    machine = Machine(20)
    machine.hear(ANSWERS, seconds=40)
    assert machine.error() == 20, "so late an answer may be"
    machine.hear()
    assert machine.error() == 0


def test_row_40_where_the_api_servers_own_clock_is_set_most_answers_decide() -> None:
    machine = Machine()
    machine.hear(ANSWERS)
    machine.hear(2, off=600)
    assert machine.error() == 0
    machine.hear(off=600)
    assert machine.error() == 600


def test_row_40_a_clock_that_is_far_off_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = Machine(20)
    machine.hear(3)
    assert not caplog.records, "it is corrected, and no trouble yet"
    machine.ahead = -7200
    machine.hear(30)
    machine.ahead = -20
    machine.hear(30)
    machine.ahead = 0
    machine.hear(30)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "The clock of this machine is 7199 s behind the API server's, and the operator goes by that: set it right",
        ),
        ("INFO", "The clock of this machine agrees with the API server's again"),
    ]
