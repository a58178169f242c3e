"""Time that jumps: hours in a moment, in the order of the timers, and no silent wait for ever."""

import asyncio
from datetime import timedelta

import pytest

from harness import virtual_time


def test_time_jumps_to_the_next_timer() -> None:
    async def story() -> list[str]:
        heard: list[str] = []

        async def say(word: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            heard.append(f"{word} {asyncio.get_running_loop().time():.0f}")

        await asyncio.gather(say("later", 86_400), say("soon", 60))
        assert virtual_time.now() == virtual_time.START + timedelta(days=1)
        return heard

    assert virtual_time.run(story()) == ["soon 60", "later 86400"]


def test_a_wait_that_nobody_can_end_is_an_error() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(virtual_time.DeadlockError):
        virtual_time.run(story())
