"""When memory is about to run out: what was seen of its use becomes whether to stop, and when to look again.

The share of the limit above the threshold is room in which to end in order. So the safeguard sees to it that it is
there when the threshold is passed: the faster memory fills up, the sooner it looks again. A peak above the threshold
that is gone at one of the next looks stops nothing, unless use grows so fast that the limit is near.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_WAIT = 0.2
"""Seconds between two looks at memory that does not grow."""
SHORTEST_WAIT = 0.01
LOOKS = 4
"""Of so many looks growth is made."""
_SHARE_OF_TIME_LEFT = 0.25
"""Of the time until the threshold is reached, to wait until the next look."""
_IN_A_ROW = 3
"""Looks above the threshold that are no passing peak."""
_REACTION = 0.1
"""Seconds that a computation may need to heed a stop."""


@dataclass(frozen=True)
class Look:
    """What was in use at a time: seconds, and percent of the limit."""

    time: float
    percent: float


@dataclass(frozen=True)
class Judgement:
    """What follows from the looks so far.

    stop: memory stays above the threshold, or would pass the limit before the next look. wait: seconds until that look.
    seconds_left: until the limit is reached at the growth that lasts, or None where there is none.
    """

    stop: bool
    wait: float
    seconds_left: float | None


def judge(looks: Sequence[Look], threshold: float) -> Judgement:
    """What the latest looks, the newest last, say; `threshold` in percent of the limit. Raises IndexError for none."""
    looks = looks[-LOOKS:]
    newest = looks[-1]
    rates = [(newest.percent - look.percent) / (newest.time - look.time) for look in looks if look.time < newest.time]
    fastest = max(0.0, *rates, 0.0)
    lasting = max(0.0, min(rates)) if len(rates) > 1 else 0.0
    wait = LONGEST_WAIT
    if fastest > 0:
        wait = max(SHORTEST_WAIT, min(wait, _SHARE_OF_TIME_LEFT * (threshold - newest.percent) / fastest))
    ahead = lasting * wait
    if newest.percent >= threshold:
        wait, ahead = SHORTEST_WAIT, fastest * _REACTION
    stays = all(look.percent >= threshold for look in looks[-_IN_A_ROW:])
    return Judgement(
        stop=stays or newest.percent + ahead >= 100,
        wait=wait,
        seconds_left=max(0.0, 100 - newest.percent) / lasting if lasting > 0 else None,
    )
