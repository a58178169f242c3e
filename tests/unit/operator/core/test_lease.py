"""Leases: whose one is, by what is seen of it and by nobody's timestamps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_operator.core.lease import Lease, Move, Sight, decide, read_lease, released, renewed, see

ME, OTHER = "spectrogram-1:8080", "spectrogram-2:8080"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HELD = Lease(holder=OTHER, seconds=30, acquired="yesterday", renewed="now", transitions=2, version="7")
NOBODYS, OURS = replace(HELD, holder=""), replace(HELD, holder=ME)


@pytest.mark.parametrize(
    ("lease", "seen_for", "move"),
    [
        (None, 0, Move.TAKE),
        (NOBODYS, 0, Move.TAKE),
        (released(HELD), 0, Move.TAKE),
        (OURS, 0, Move.KEEP),
        (OURS, 10**6, Move.KEEP),
        (HELD, 0, Move.WAIT),
        (HELD, 30, Move.WAIT),
        (HELD, 30.1, Move.TAKE),
        (replace(HELD, seconds=90), 30.1, Move.WAIT),
        (replace(HELD, seconds=0), 20.1, Move.TAKE),
        (replace(HELD, seconds=0), 19.9, Move.WAIT),
        (replace(HELD, seconds=10**9), 3599, Move.WAIT),
        (replace(HELD, seconds=10**9), 3601, Move.TAKE),
        (replace(HELD, renewed="in a thousand years"), 30.1, Move.TAKE),
        (replace(HELD, renewed="a thousand years ago"), 29.9, Move.WAIT),
    ],
)
def test_whose_a_lease_is(lease: Lease | None, seen_for: float, move: Move) -> None:
    assert decide(Sight(lease, since=100.0), ME, 100.0 + seen_for, 20) is move


def test_what_counts_is_since_when_the_record_is_as_it_is() -> None:
    first = see(None, HELD, 5.0)
    assert first == Sight(HELD, 5.0)
    assert see(first, HELD, 9.0).since == 5.0
    assert see(first, replace(HELD, version="8"), 9.0) == Sight(replace(HELD, version="8"), 5.0)
    assert see(first, replace(HELD, renewed="later"), 9.0).since == 9.0
    assert see(first, None, 9.0) == Sight(None, 9.0)
    assert see(Sight(None, 5.0), HELD, 9.0) == Sight(HELD, 9.0)


def test_a_lease_is_taken_kept_and_given_up() -> None:
    taken = renewed(Sight(HELD, 0.0), ME, 40, NOON)
    time = "2026-11-29T12:00:00.000000Z"
    assert taken == Lease(holder=ME, seconds=40, acquired=time, renewed=time, transitions=3, version="7")
    kept = renewed(Sight(taken, 0.0), ME, 40, NOON + timedelta(seconds=10))
    assert kept == replace(taken, renewed="2026-11-29T12:00:10.000000Z")
    assert released(kept) == replace(kept, holder="", seconds=1)
    assert renewed(Sight(None, 0.0), ME, 40, NOON) == replace(taken, transitions=0, version="")


def test_a_renewal_is_news_though_the_clock_was_set_back_by_as_long_as_it_took() -> None:
    before = see(None, replace(HELD, renewed="2026-11-29T12:00:00.000000Z"), 0.0)
    assert see(before, renewed(before, OTHER, HELD.seconds, NOON), 90.0).since == 90.0


leases = st.builds(
    Lease,
    holder=st.sampled_from(["", ME, OTHER]),
    seconds=st.integers(0, 2**31 - 1),
    acquired=st.sampled_from(["", "2026-11-29T12:00:00.000000Z"]),
    renewed=st.sampled_from(["", "2026-11-29T12:00:00.000000Z"]),
    transitions=st.integers(0, 2**31 - 1),
    version=st.sampled_from(["1", "2"]),
)


@given(leases)
def test_a_lease_is_read_as_it_was_written(lease: Lease) -> None:
    assert read_lease({"metadata": {"resourceVersion": lease.version}, "spec": lease.to_document()}) == lease


@pytest.mark.parametrize("spec", [{}, {"spec": {}}, {"spec": None}, {"spec": {"holderIdentity": None}}])
def test_a_lease_in_which_nothing_stands_is_nobodys(spec: dict[str, object]) -> None:
    assert decide(Sight(read_lease({"metadata": {}, **spec}), 0.0), ME, 0.0, 20) is Move.TAKE


@given(leases, st.floats(0, 10**5), st.integers(1, 600))
def test_one_of_two_waits_unless_the_record_is_old(lease: Lease, age: float, own: int) -> None:
    """Neither a time in the record nor a clock says who: both go by how long they have seen it unchanged."""
    moves = [decide(Sight(lease, 0.0), who, age, own) for who in (ME, OTHER)]
    if lease.holder and age <= min(lease.seconds or own, 3600):
        assert sorted(move.name for move in moves) == ["KEEP", "WAIT"]
    else:
        assert Move.WAIT not in moves
