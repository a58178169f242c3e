"""What a decision about a valid job is made from."""

from dataclasses import dataclass, replace
from datetime import datetime

from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is observed of a job, the status that is being written for it, the time, and the settings."""

    job: ValidJob
    observed: Observed
    status: SpectrogramJobStatus
    now: datetime
    policy: Policy

    @property
    def spec(self) -> SpectrogramJobSpec:
        """What the job's author wants."""
        return self.job.spec

    def saying(self, status: SpectrogramJobStatus) -> "Situation":
        """The same with this status."""
        return replace(self, status=status)
