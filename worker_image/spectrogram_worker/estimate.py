"""How much memory a job will take, said before the first sample is read. A high estimate warns; it never refuses."""

import logging
from dataclasses import dataclass
from typing import Literal

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import Memory
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.logs import megabytes

MODERATE_SHARE, HIGH_SHARE = 0.6, 0.8
REST_BYTES = 8_000_000
"""What no part counts, in bytes: modules that libraries load late, and freed memory that the allocator keeps from the
transform to the picture (measured: 2 to 7 MB)."""
Level = Literal["low", "moderate", "high"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """Bytes: the selected samples as stored, what processing adds, and the peak of the process in all.

    The files do not count towards the total: they are read in pieces that are part of processing.
    """

    files: int
    processing: int
    total: int

    def level(self, available: int) -> Level:
        """low below 60 % of what is available, moderate up to 80 %, high above."""
        share = self.total / available
        return "low" if share < MODERATE_SHARE else "moderate" if share <= HIGH_SHARE else "high"


def estimate_memory(*, files: int, resident: int, transform: int, picture: int) -> Estimate:
    """The estimate from its parts, in bytes: `resident` now, then the transform, then, in its place, the picture."""
    processing = max(transform, picture) + REST_BYTES
    return Estimate(files, processing, resident + processing)


def announce(job: str, estimate: Estimate, available: int) -> Memory:
    """Log the estimate, with a warning where it is high; returns it as a report states it."""
    parts = (megabytes(estimate.files), megabytes(estimate.processing), megabytes(estimate.total))
    log.info("Job %s: Memory estimate - Files: %s, Processing: %s, Total: %s", job, *parts)
    level = estimate.level(available)
    if level == "high":
        log.warning(
            "Job %s: High memory usage expected - Estimated: %s, Available: %s, Usage: %.1f%%. "
            "Job will proceed but may cause memory pressure.",
            job,
            megabytes(estimate.total),
            megabytes(available),
            100 * estimate.total / available,
        )
    return Memory(estimate_bytes=estimate.total, level=level)


def require_memory(gauge: MemoryGauge, planned: int, purpose: str) -> None:
    """Raise MemoryError (82) where an allocation of `planned` bytes would pass the limit.

    Under a cgroup the kernel kills before Python can raise, so the worker looks before it allocates.
    """
    use = gauge.look()
    if planned > use.available:
        message = (
            f"{purpose} needs {megabytes(planned)}, {megabytes(use.available)} are left of {megabytes(use.limit)}: "
            "raise resources.memory"
        )
        raise WorkerError(ExitCode.MEMORY_ERROR, message)
