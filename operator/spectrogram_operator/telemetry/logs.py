"""Logs of the operator, on stdout, in the format of both programs; and the sentences that people search them for."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from spectrogram_operator.api.status import Condition, JobMemory, SpectrogramJobStatus
from spectrogram_operator.telemetry.transitions import transition
from spectrogram_worker.contract.logs import JsonLines

# Operators have alerts and habits that search for these words. Jobs are namespace/name.
CHECKING = "Checking %d jobs for zombie detection"
CHECK_FAILED = "Error checking if job %s is running on worker: %s"
ZOMBIE_DETECTED = "Job %s: Detected as zombie - status 'running' but not running on any worker"
ZOMBIE_FAILED = "Job %s: Marked as failed due to zombie detection"
ZOMBIE_MARKED = "Marked zombie job %s as failed"
ZOMBIES_CLEANED_UP = "Cleaned up %d zombie jobs"
HIGH_MEMORY = (
    "Job %s: High memory usage expected - Estimated: %.1fMB, Available: %.1fMB, Usage: %.1f%%."
    " Job will proceed but may cause memory pressure."
)

_MEGABYTE = 10**6
_OF_KOPF = {"settings", "k8s_skip", "k8s_ref"}
"""What kopf attaches to each record."""
# A line per probe of the kubelet and per request to the API would bury everything else.
_CHATTY = ("aiohttp.access", "asyncio", "kopf.activities.probe", "kopf.objects", "kubernetes", "urllib3")


class OperatorLines(JsonLines):
    """As the worker's lines; `object` is what a line of kopf is about."""

    def extra(self, record: logging.LogRecord) -> dict[str, Any]:
        """What `extra` brought, but for kopf's own."""
        found = {name: value for name, value in super().extra(record).items() if name not in _OF_KOPF}
        reference = getattr(record, "k8s_ref", None)
        if isinstance(reference, Mapping):
            found["object"] = {name: reference.get(name) for name in ("kind", "namespace", "name")}
        return found


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all that any library logs, kopf included, to `stream` (default: stdout) as JSON lines.

    `level` is debug, info, warning or error.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(OperatorLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
    logging.captureWarnings(True)


def log_transition(logger: logging.Logger, job: str, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
    """Tell what happened between two statuses of `job` (namespace/name). To be called only if the write won."""
    happened = transition(old, new)
    about: dict[str, Any] = {"job": job}
    if happened.memory_warning is not None:
        _log_memory_warning(logger, job, new, happened.memory_warning)
    for attempt in happened.zombies:
        about |= {"attempt": attempt.number, "reason": attempt.reason, "pod": attempt.pod_name}
        logger.warning(ZOMBIE_DETECTED, job, extra=about)
        if happened.result == "failed":
            logger.warning(ZOMBIE_FAILED, job, extra=about)
    for attempt in happened.retried:
        about |= {"attempt": attempt.number, "reason": attempt.reason, "pod": attempt.pod_name}
        logger.warning(
            "Job %s: Attempt %d ended, another follows: %s", job, attempt.number, attempt.message, extra=about
        )
    if happened.result is not None:
        level = logging.WARNING if happened.result == "failed" else logging.INFO
        about |= {"reason": new.reason}
        logger.log(level, "Job %s: %s: %s", job, happened.result.capitalize(), new.message, extra=about)


def _log_memory_warning(logger: logging.Logger, job: str, status: SpectrogramJobStatus, warning: Condition) -> None:
    memory = status.memory or JobMemory()
    if warning.reason == "HighMemoryExpected" and memory.estimate_bytes and memory.limit_bytes:
        estimated, available = memory.estimate_bytes / _MEGABYTE, memory.limit_bytes / _MEGABYTE
        logger.warning(HIGH_MEMORY, job, estimated, available, 100 * estimated / available, extra={"job": job})
    else:
        logger.warning("Job %s: High memory usage - %s", job, warning.message, extra={"job": job})
