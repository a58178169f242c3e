"""What is remembered of a job between two looks at it. Losing it in a restart costs a few requests, never a job."""

from dataclasses import dataclass
from datetime import datetime

from spectrogram_operator.core.judging.refusals import Refusal

REWORDING_SECONDS = 30.0


@dataclass(slots=True)
class Notes:
    """Facts that no watch tells."""

    absent_since: datetime | None = None
    """When a live look-up first said that the active attempt has no pod; the newest agrees."""
    refusal: Refusal | None = None
    """Why the API server did not create the pod; creating it again waits for a while."""
    refused: datetime | None = None
    """When it said so."""
    reworded: datetime | None = None
    """When a status was last written of which only the words had changed."""
    created: str = ""
    """The name of the pod whose creation the API server confirmed last."""

    def seconds_to_rewording(self, now: datetime) -> float:
        """How long the words of the status stay as they are, though nothing else has changed either (rule 16)."""
        if self.reworded is None:
            return 0.0
        return max(0.0, REWORDING_SECONDS - (now - self.reworded).total_seconds())

    def standing_refusal(self, now: datetime, holds_seconds: float) -> Refusal | None:
        """The refusal, if it still holds: our own status writes come back as events, and must not ask again at once.

        One of a time to come is from before our clock was set back, and holds no longer.
        """
        if self.refusal is None or self.refused is None:
            return None
        lasts = self.refusal.retry_after or holds_seconds
        return self.refusal if 0 <= (now - self.refused).total_seconds() < lasts else None
