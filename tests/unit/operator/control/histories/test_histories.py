"""Whole lives of jobs in a hostile world, under the real service: what holds at every version, and that every job ends.

Each history comes from one seed. A violation is told as the story of its last steps; `play(SETTING, SEED)` plays it
again, word for word.
"""

import pytest

from unit.operator.control.histories.history import Setting, play

ONE = Setting("one operator that dies often", kills=0.03, faults=0.04, mishap=0.05, late=0.2, lag=30)
TWO = Setting("two operators", operators=2, kills=0.02, faults=0.03, mishap=0.05, late=0.3, lag=90)
SLOW = Setting("operators that sleep", operators=2, kills=0.02, faults=0.03, slow=0.2, late=0.3, lag=90)
UNSWEPT = Setting("no sweep, and no event is lost", faults=0.04, late=0.2, lag=20, sweep_seconds=1e7)


@pytest.mark.parametrize("seed", range(40))
def test_one_operator_that_dies_often(seed: int) -> None:
    play(ONE, seed)


@pytest.mark.parametrize("seed", range(25))
def test_two_operators_at_once(seed: int) -> None:
    play(TWO, seed)


@pytest.mark.parametrize("seed", range(10))
def test_operators_that_sleep_at_the_wrong_moment(seed: int) -> None:
    play(SLOW, seed)


@pytest.mark.parametrize("seed", range(20))
def test_watches_alone_bring_every_job_to_its_end(seed: int) -> None:
    play(UNSWEPT, seed)


@pytest.mark.parametrize("setting", [ONE, TWO, SLOW])
def test_a_history_is_told_twice_in_the_same_words(setting: Setting) -> None:
    assert play(setting, 1) == play(setting, 1)
