"""What is remembered of a job between two looks at it. Losing it in a restart costs a few requests, never a job."""

from dataclasses import dataclass
from datetime import datetime

from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.core.judging.refusals import Refusal
from spectrogram_operator.core.status import gist

QUIET_SECONDS = 30.0


@dataclass(slots=True)
class Notes:
    """Facts that no watch tells."""

    absent: tuple[str, datetime] | None = None
    """The name of a pod, and when a live look-up first said that there is none; the newest agrees."""
    refusal: Refusal | None = None
    """Why the API server did not create the pod; creating it again waits for a while."""
    refused: datetime | None = None
    """When it said so."""
    reworded: datetime | None = None
    """When a status was last written of which only the words had changed."""
    written: SpectrogramJobStatus | None = None
    """The gist of the status that was written last."""
    written_at: datetime | None = None
    """When that was."""
    created: str = ""
    """The name of the pod whose creation the API server confirmed last."""

    def seconds_to_write(self, old: SpectrogramJobStatus, new: SpectrogramJobStatus, now: datetime) -> float:
        """How long a write has to wait that has no news: words alone, or what somebody has put in place of our own.

        Two operators that see a job differently would have no end of correcting each other (rule 16).
        """
        meant = gist(new)
        last = self.reworded if meant == gist(old) else self.written_at if meant == self.written else None
        return max(0.0, QUIET_SECONDS - (now - last).total_seconds()) if last is not None else 0.0

    def write_won(self, old: SpectrogramJobStatus, new: SpectrogramJobStatus, now: datetime) -> None:
        """This was written over that."""
        before, self.written, self.written_at = gist(old), gist(new), now
        if before == self.written:
            self.reworded = now

    def absent_since(self, pod_name: str, now: datetime) -> datetime:
        """A look-up said that there is no such pod: since when. Another pod's absence says nothing of this one."""
        since = self.absent[1] if self.absent is not None and self.absent[0] == pod_name else now
        self.absent = pod_name, min(since, now)  # also where our clock was set back meanwhile
        return self.absent[1]

    def standing_refusal(self, now: datetime, holds_seconds: float) -> Refusal | None:
        """The refusal, if it still holds: our own status writes come back as events, and must not ask again at once.

        One of a time to come is from before our clock was set back, and holds no longer.
        """
        if self.refusal is None or self.refused is None:
            return None
        lasts = self.refusal.retry_after or holds_seconds
        return self.refusal if 0 <= (now - self.refused).total_seconds() < lasts else None
