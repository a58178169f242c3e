"""A thousand lives that hypothesis chooses; `make model` plays ten thousand others each time."""

import os

import pytest

from unit.operator.control.model.life import Life
from unit.operator.control.model.lives import play, play_again

FIRST = int(os.environ.get("MODEL_FIRST") or 1)
LIVES = int(os.environ.get("MODEL_LIVES") or 1000)
REPLAY = os.environ.get("MODEL_REPLAY", "")
PARTS = min(20, LIVES)


@pytest.mark.skipif(bool(REPLAY), reason="MODEL_REPLAY: one life alone")
@pytest.mark.parametrize("part", range(PARTS))
def test_lives(part: int) -> None:
    first, following = (FIRST + LIVES * number // PARTS for number in (part, part + 1))
    play(first, following - first)


def stories(first: int, lives: int) -> list[list[str]]:
    """What happened in the simplest life and in these."""
    told = []

    class Told(Life):
        def teardown(self) -> None:
            super().teardown()
            told.append(self.stage.story.lines)

    play(first, lives, Told)
    return told


def test_a_number_is_always_the_same_life() -> None:
    after_others = stories(3, 3)
    alone = stories(5, 1)
    assert len(alone[1]) > 20
    assert alone == [after_others[0], after_others[-1]]


if REPLAY:

    def test_one_life_again() -> None:
        play_again(REPLAY)
