"""Waiting for a condition: the only way in which tests wait. Nothing here or in a test waits for a fixed time."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


class HarnessError(Exception):
    """The cluster under the tests does not work: the harness or the machine is at fault, not what is tested."""


def wait_until(
    condition: Callable[[], Result | None], timeout: float = 180, *, what: str = "the condition", interval: float = 0.1
) -> Result:
    """Call `condition` until it gives something true, and return that. An exception of `condition` ends the wait.

    The end is generous on purpose: it only bounds how long a broken test hangs, it never measures speed.
    """
    looks = _looks(condition, timeout, what)
    while not (result := next(looks)):
        time.sleep(interval)
    return result


async def until(
    condition: Callable[[], Result | None],
    patience: float = 180,
    *,
    what: str = "the condition",
    interval: float = 0.05,
) -> Result:
    """The same in a coroutine."""
    looks = _looks(condition, patience, what)
    while not (result := next(looks)):
        await asyncio.sleep(interval)
    return result


def _looks(condition: Callable[[], Result | None], timeout: float, what: str) -> Iterator[Result | None]:
    end = time.monotonic() + timeout
    while True:
        result = condition()
        yield result
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}; last seen: {result!r}")
