"""Waiting for a condition: the only way in which tests wait. Nothing here or in a test waits for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class HarnessError(Exception):
    """The cluster under the tests does not work: the harness or the machine is at fault, not what is tested."""


def wait_until(
    condition: Callable[[], Result | None], timeout: float = 60, *, what: str = "the condition", interval: float = 0.1
) -> Result:
    """Call `condition` until it gives something true, and return that. An exception of `condition` ends the wait.

    The end is generous on purpose: it only bounds how long a broken test hangs, it never measures speed.
    """
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}; last seen: {result!r}")
        time.sleep(interval)
