"""Orderly stops: the safeguard or a signal requests one, and the computation looks for requests.

A request may come from a signal handler, so nothing here takes a lock: a handler that waits for a lock which the
interrupted code holds would wait for ever.
"""

import signal
import time
from dataclasses import dataclass, field
from types import FrameType

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import USUAL_GRACE_SECONDS

INTERRUPTED_PATIENCE = 20.0
"""Seconds that a worker asked to end may go without reacting, at most."""
_SHARE_OF_GRACE = 2 / 3
"""What of its grace period it may go so; the rest is for its last words."""


@dataclass(frozen=True)
class Stop:
    """Why to stop: the exit code, one line for people, and the seconds that the computation has to react."""

    code: ExitCode
    message: str
    patience: float
    requested: float = field(default_factory=time.monotonic)

    def overdue(self, now: float) -> bool:
        """True when the computation has had its time to react; `now` as `time.monotonic` gives it."""
        return now - self.requested > self.patience


class StopRequest:
    """Requests to stop, from any thread or signal handler. The first one decides how the worker ends.

    grace_seconds: how long after SIGTERM the kubelet kills.
    """

    def __init__(self) -> None:
        self.grace_seconds = float(USUAL_GRACE_SECONDS)
        self._stops: list[Stop] = []
        self._heeded: frozenset[ExitCode] = frozenset()

    def request(self, code: ExitCode, message: str, *, patience: float) -> None:
        """Ask the computation to end with `code`."""
        self._stops.append(Stop(code, message, patience))

    def interrupt(self, name: str) -> None:
        """Ask the computation to end with 85, because of the signal `name`."""
        patience = min(INTERRUPTED_PATIENCE, _SHARE_OF_GRACE * self.grace_seconds)
        self.request(ExitCode.INTERRUPTED, f"interrupted by {name}", patience=patience)

    @property
    def stop(self) -> Stop | None:
        """The request that won, or None."""
        return self._stops[0] if self._stops else None

    def is_set(self) -> bool:
        """True once anything asked to stop."""
        return bool(self._stops)

    def first_of(self, code: ExitCode) -> Stop | None:
        """The first request to stop with `code`, whichever request won."""
        return next((stop for stop in self._stops if stop.code is code), None)

    def is_set_by(self, code: ExitCode) -> bool:
        """True once anything asked to stop with `code`."""
        return self.first_of(code) is not None

    def heed(self, *codes: ExitCode) -> None:
        """From now on the computation comes to its end by itself, whether or not a stop with one of these codes is
        requested. The safeguard ends the process only for stops with other codes."""
        self._heeded = frozenset(codes)

    def pressing(self, now: float) -> Stop | None:
        """The first request that has half of its patience left, or less; `now` as `time.monotonic` gives it."""
        return next((stop for stop in self._stops if now - stop.requested >= stop.patience / 2), None)

    @property
    def ignored(self) -> Stop | None:
        """The first request that the computation does not heed."""
        return next((stop for stop in self._stops if stop.code not in self._heeded), None)


def stop_on_signals(stop: StopRequest) -> None:
    """Turn SIGTERM, and SIGINT from a keyboard, into a request to stop with 85.

    As process 1 of a container, a worker without a handler would not even notice SIGTERM.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.interrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
