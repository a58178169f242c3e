"""How much memory a job will take, said before the first sample is read. A high estimate warns; it never refuses."""

import logging
from collections.abc import Callable

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.memory import (
    REST_BYTES,
    MemoryPlan,
    level_of,
    pixels_collected_in,
    pixels_drawn_in,
)
from spectrogram_worker.contract.parameters import OutputFormat, OutputSelection
from spectrogram_worker.contract.report import Memory
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.logs import megabytes
from spectrogram_worker.outputs.results import with_smaller_picture

NO_ROOM = "there is no memory for it, raise resources.memory"

log = logging.getLogger(__name__)


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


def fit_picture(
    output: OutputSelection,
    plan_for: Callable[[OutputSelection], MemoryPlan],
    gauge: MemoryGauge,
    warn: Callable[[str], None],
) -> OutputSelection:
    """What to leave behind, with a picture that memory has room for; `warn` is told where it is left out.

    Raises MemoryError (82) where there is no room for a picture that is the only result.
    """
    if OutputFormat.PNG not in output.formats:
        return output
    plan = plan_for(output)
    if output.formats == (OutputFormat.PNG,):
        require_memory(gauge, plan.transform, "the transform")
        size = f"{output.image.width} × {output.image.height} pixels"
        require_memory(gauge, plan.picture, f"a picture of {size}, the only output,")
        return output
    left = gauge.look().available - REST_BYTES
    if max(plan.transform, plan.picture) <= left:
        return output
    beside = plan_for(with_smaller_picture(output, 0)).transform
    fitting = with_smaller_picture(output, min(pixels_drawn_in(left), pixels_collected_in(left - beside)))
    if OutputFormat.PNG not in fitting.formats:
        warn(f"The picture is left out: {NO_ROOM}")
    return fitting
