"""An event loop whose time jumps to the next timer: hours pass in a moment, and nothing depends on the machine.

looptime does the same for loops that also have sockets; it runs dozens of empty cycles before each jump for their sake.
This one has no sockets: whoever waits for what nobody will ever send gets DeadlockError at once.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class DeadlockError(RuntimeError):
    """Every task waits for another, and no timer is set."""


class _Jump(selectors.DefaultSelector):
    """Waits in no time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Nothing ever comes; the time that was to be waited for is over."""
        if timeout is None:
            raise DeadlockError
        self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the loop began."""
        return float(self._jump.now)


def now() -> datetime:
    """The running loop's time, in whole seconds, as the API server keeps times."""
    return START + timedelta(seconds=int(asyncio.get_running_loop().time()))


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """Run `story` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(story)
