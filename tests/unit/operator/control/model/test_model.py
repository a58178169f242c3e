"""A thousand lives that hypothesis chooses; `make model` plays ten thousand others each time."""

import os

import pytest

from unit.operator.control.model.lives import play, play_again

LIVES = int(os.environ.get("MODEL_LIVES") or 1000)
SEED = int(os.environ.get("MODEL_SEED") or 0)
REPLAY = os.environ.get("MODEL_REPLAY", "")
PARTS = 20


@pytest.mark.skipif(bool(REPLAY), reason="MODEL_REPLAY: one life alone")
@pytest.mark.parametrize("part", range(PARTS))
def test_lives(part: int) -> None:
    play(SEED * PARTS + part, LIVES // PARTS)


if REPLAY:

    def test_one_life_again() -> None:
        play_again(REPLAY)
