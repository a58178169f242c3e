"""How much memory a job will take, said before the first sample is read. A high estimate warns; it never refuses."""

import logging
from typing import Literal

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.memory import MemoryPlan
from spectrogram_worker.contract.report import Memory
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.logs import megabytes

MODERATE_SHARE, HIGH_SHARE = 0.6, 0.8
Level = Literal["low", "moderate", "high"]

log = logging.getLogger(__name__)


def level_of(total: int, available: int) -> Level:
    """low below 60 % of what is available, moderate up to 80 %, high above."""
    share = total / available
    return "low" if share < MODERATE_SHARE else "moderate" if share <= HIGH_SHARE else "high"


def announce(job: str, files: int, plan: MemoryPlan, available: int) -> Memory:
    """Log the plan, with a warning where it is high; returns it as a report states it.

    files: the selected samples as stored, which do not count towards the total: they are read in pieces.
    """
    parts = (megabytes(files), megabytes(plan.processing), megabytes(plan.total))
    log.info("Job %s: Memory estimate - Files: %s, Processing: %s, Total: %s", job, *parts)
    log.info("Job %s: Memory plan - %s", job, plan)
    level = level_of(plan.total, available)
    if level == "high":
        log.warning(
            "Job %s: High memory usage expected - Estimated: %s, Available: %s, Usage: %.1f%%. "
            "Job will proceed but may cause memory pressure.",
            job,
            megabytes(plan.total),
            megabytes(available),
            100 * plan.total / available,
        )
    return Memory(estimate_bytes=plan.total, level=level)


def require_memory(gauge: MemoryGauge, planned: int, purpose: str) -> None:
    """Raise MemoryError (82) where an allocation of `planned` bytes would cross the safeguard's threshold.

    Under a cgroup the kernel kills before Python can raise, so the worker looks before it allocates.
    """
    use = gauge.look()
    if planned > use.available:
        message = (
            f"{purpose} needs {megabytes(planned)}, {megabytes(use.available)} are left below {use.threshold:g}% of"
            f" {megabytes(use.limit)}: raise resources.memory"
        )
        raise WorkerError(ExitCode.MEMORY_ERROR, message)
