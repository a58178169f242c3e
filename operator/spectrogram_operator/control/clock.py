"""The operator's clock: its machine's, unless the answers of the API server prove that wrong (fault 40).

Between two answers it goes by the monotonic clock: the machine's may be set at any moment, and nothing comes of it.
"""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime

from spectrogram_operator.core.server_time import TOLERANCE_SECONDS, Span, agreed, corrected, seconds_ahead, told_by

ANSWERS = 5
"""So many are remembered: one that is odd among them changes nothing."""
WARNING_SECONDS = 30.0
logger = logging.getLogger(__name__)


class Clock:
    """`local` is the machine's, in whole seconds; `monotonic` is never set. Another thread may ask."""

    def __init__(self, local: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._local = local
        self._monotonic = monotonic
        self._date = ""
        self._answers: deque[Span] = deque(maxlen=ANSWERS)
        self._server: Span | None = None
        """The API server's time when the monotonic clock stood at zero."""
        self._warned = False

    def hear(self, date: str, sent: float, heard: float) -> None:
        """The API server has given an answer of this date, between these seconds of the monotonic clock."""
        if date == self._date:
            return  # of the same second: it has told what it tells
        self._date = date
        answer = told_by(date, sent, heard)
        if answer is not None:
            self._answers.append(answer)
            self._server = agreed(self._answers)
            self._warn(self.seconds_ahead())

    def now(self) -> datetime:
        """The time that the operator goes by."""
        server = self._server
        return self._local() if server is None else corrected(self._local(), server.later(self._monotonic()))

    def seconds_ahead(self) -> float:
        """By how much the machine's clock is certainly ahead of the API server's; negative: behind it."""
        server = self._server
        return 0.0 if server is None else seconds_ahead(self._local(), server.later(self._monotonic()))

    def _warn(self, ahead: float) -> None:
        if not self._warned and abs(ahead) > WARNING_SECONDS:
            self._warned = True
            side = "ahead of" if ahead > 0 else "behind"
            text = (
                "The clock of this machine is %.0f s %s the API server's, and the operator goes by that: set it right"
            )
            logger.warning(text, abs(ahead), side)
        elif self._warned and abs(ahead) <= TOLERANCE_SECONDS:
            self._warned = False
            logger.info("The clock of this machine agrees with the API server's again")
