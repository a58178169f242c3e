"""Logs of the operator: one JSON object a line, on stdout; and the sentences that people search them for.

What users or workers wrote can reach a message: control characters and line breaks are taken out of it.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from spectrogram_operator.api.status import Condition, JobMemory, SpectrogramJobStatus
from spectrogram_operator.telemetry.transitions import transition
from spectrogram_worker.contract.report import clean_text

# Operators have alerts and habits that search for these words (README, "Log lines"). Jobs are namespace/name.
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
_LONGEST_MESSAGE = 4096
# kopf attaches its settings to each record: they are no news.
_LEFT_OUT = vars(logging.makeLogRecord({})).keys() | {"message", "taskName", "settings", "k8s_skip", "k8s_ref"}
# A line per probe of the kubelet and per request to the API would bury everything else.
_CHATTY = ("aiohttp.access", "asyncio", "kopf.activities.probe", "kopf.objects", "kubernetes", "urllib3")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, what `extra` brought, and the error's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean_text(record.getMessage(), _LONGEST_MESSAGE),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _LEFT_OUT}
        reference = getattr(record, "k8s_ref", None)
        if isinstance(reference, Mapping):
            entry["object"] = {name: reference.get(name) for name in ("kind", "namespace", "name")}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all that any library logs, kopf included, to `stream` (default: stdout) as JSON lines.

    `level` is debug, info, warning or error.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
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
