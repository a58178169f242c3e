"""Whether to stop before memory runs out, and when to look again: rules of it, and ramps that it lives through."""

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.guards.growth import LONGEST_WAIT, LOOKS, SHORTEST_WAIT, Judgement, Look, judge

THRESHOLD = 95.0
Policy = Callable[[Sequence[Look]], Judgement]


def looks(*percents: float, apart: float = LONGEST_WAIT) -> list[Look]:
    return [Look(apart * number, percent) for number, percent in enumerate(percents)]


@st.composite
def histories(draw: st.DrawFn) -> list[Look]:
    """Looks at any times in order, two at one time among them, of any use, above the limit too."""
    waits = st.floats(0, 3) | st.just(0.0)
    time, history = draw(st.floats(0, 1e6)), []
    for wait, percent in draw(st.lists(st.tuples(waits, st.floats(0, 150)), min_size=1, max_size=8)):
        time += wait
        history.append(Look(time, percent))
    return history


@given(histories(), st.floats(1, 100))
def test_the_next_look_comes_within_bounds(history: list[Look], threshold: float) -> None:
    assert SHORTEST_WAIT <= judge(history, threshold).wait <= LONGEST_WAIT


@given(histories(), st.floats(1, 100))
def test_use_that_passes_the_limit_or_stays_above_the_threshold_is_stopped(
    history: list[Look], threshold: float
) -> None:
    newest = history[-1]
    assert judge([*history, Look(newest.time + 1, 100.0)], threshold).stop
    staying = [Look(newest.time + 1 + number, threshold) for number in range(3)]
    assert judge([*history, *staying], threshold).stop
    assert judge([Look(0, threshold)], threshold).stop, "nothing says that the first look saw a peak"


@given(st.lists(st.floats(0, 94.9), min_size=1, max_size=8), st.floats(0.01, 3))
def test_use_that_does_not_grow_is_never_stopped_below_the_threshold(percents: list[float], apart: float) -> None:
    judgement = judge(looks(*sorted(percents, reverse=True), apart=apart), THRESHOLD)
    assert (judgement.stop, judgement.wait, judgement.seconds_left) == (False, LONGEST_WAIT, None)


@given(histories(), st.floats(0.01, 5), st.floats(0, 94.9))
def test_faster_growth_is_looked_at_no_later(history: list[Look], wait: float, percent: float) -> None:
    slow, fast = (
        judge([Look(0, before), Look(wait, percent)], THRESHOLD).wait for before in (percent, max(0.0, percent - 10))
    )
    assert fast <= slow


@given(histories(), st.integers(0, 5))
def test_only_the_latest_looks_count(history: list[Look], more: int) -> None:
    older = [Look(-1.0 - number, 150.0) for number in range(more)]
    full = [*history, *(Look(history[-1].time + number, 10.0) for number in range(1, LOOKS + 1))]
    assert judge([*older, *full], THRESHOLD) == judge(full, THRESHOLD)


def test_growth_that_would_pass_the_limit_before_the_next_look_is_stopped_below_the_threshold() -> None:
    steep = looks(40, 60, 80, 90, apart=0.005)  # 10 % in 5 ms, and the next look is 10 ms away
    assert judge(steep[:3], THRESHOLD).stop
    assert judge(steep, THRESHOLD).stop
    judgement = judge(looks(40, 60, 80, apart=1.0), THRESHOLD)
    assert not judgement.stop
    assert judgement.seconds_left == pytest.approx(1.0)


def test_one_jump_alone_is_no_growth_that_lasts() -> None:
    for apart in (LONGEST_WAIT, 0.05):  # 16 % in each hundredth of a second, if it lasted
        judgement = judge(looks(10, 10, 10, 90, apart=apart), THRESHOLD)
        assert (judgement.stop, judgement.wait) == (False, SHORTEST_WAIT)


def test_one_peak_above_the_threshold_is_looked_at_again_and_not_stopped() -> None:
    peak = judge(looks(94.5, 94.4, 94.6, 95.1), THRESHOLD)
    assert (peak.stop, peak.wait) == (False, SHORTEST_WAIT)
    assert not judge(looks(94.5, 94.4, 95.1, 94.6), THRESHOLD).stop
    assert not judge(looks(94.5, 94.4, 95.1, 95.1), THRESHOLD).stop
    assert judge(looks(94.5, 95.1, 95.1, 95.1), THRESHOLD).stop
    assert judge(looks(55, 65, 75, 95.1), THRESHOLD).stop, "at this rate the limit is nearer than a reaction"


@dataclass(frozen=True)
class Ramp:
    """Use that grows from `start` to `end` bytes and stays there, as a safeguard may see it.

    noise: of each look, as a share of the limit (standard deviation). late: seconds that a look comes too late, in the
    mean. reaction: seconds from the request to stop until use grows no more.
    """

    seed: int
    limit: float
    rate: float
    start: float
    end: float
    noise: float
    late: float
    reaction: float

    def fate(self, policy: Policy) -> str:
        """`killed` by the kernel; `stopped`, in time; `spoiled`, stopped where it would have fitted; or `done`."""
        chance = Random(self.seed)
        begins = chance.uniform(0.5, 2)
        over = begins + (self.end - self.start) / self.rate
        full = begins + (self.limit - self.start) / self.rate if self.end > self.limit else math.inf
        seen: deque[Look] = deque(maxlen=LOOKS)
        now = 0.0
        while now < min(full, over + 5):
            use = min(self.end, self.start + self.rate * max(0.0, now - begins)) / self.limit
            seen.append(Look(now, 100 * (use + chance.gauss(0, self.noise))))
            judgement = policy(tuple(seen))
            if judgement.stop:
                in_time = "stopped" if now + self.reaction < full else "killed"
                return in_time if self.end > self.limit else "spoiled"
            now += judgement.wait + (chance.expovariate(1 / self.late) if self.late else 0)
        return "killed" if full < math.inf else "done"


def ramps(count: int) -> list[Ramp]:
    """Ramps of 1 MB/s to 2 GB/s, as many of each power of ten, towards 60 to 140 % of limits that workers have."""
    found = []
    for seed in range(count):
        chance = Random(1_000_003 + seed)
        limit = float(chance.choice([2**28, 2**29, 2**30, 2**32]))
        found.append(
            Ramp(
                seed,
                limit,
                rate=10 ** chance.uniform(6, math.log10(2e9)),
                start=limit * chance.uniform(0.05, 0.6),
                end=limit * chance.uniform(0.6, 1.4),
                noise=chance.choice([0, 0.001, 0.005]),
                late=chance.choice([0, 0.002, 0.02]),
                reaction=chance.choice([0, 0.005, 0.02]),
            )
        )
    return found


def at_a_fixed_share(seen: Sequence[Look]) -> Judgement:
    """The safeguard without a look ahead: twice a second, and at 95 %."""
    return Judgement(seen[-1].percent >= THRESHOLD, 0.5, None)


def adaptive(seen: Sequence[Look]) -> Judgement:
    return judge(seen, THRESHOLD)


def test_ramps_are_killed_less_often_than_at_a_fixed_share_and_stopped_in_vain_no_more_often() -> None:
    played = ramps(600)
    fixed, found = (Counter(ramp.fate(policy) for ramp in played) for policy in (at_a_fixed_share, adaptive))
    print(f"fixed share: {dict(fixed)}; adaptive: {dict(found)}")
    assert fixed["killed"] > 50, "ramps that nobody can miss prove nothing"
    assert found["spoiled"] <= fixed["spoiled"]
    assert found["killed"] <= fixed["killed"] / 3
