"""Log lines: one JSON object a line on standard output, so that a cluster's log store can search them.

Standard library only: this is loaded before anything else. A traceback never reaches anything but the log.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

LOGGER_NAME = "spectrogram_worker"


class JsonLines(logging.Formatter):
    """Formats a record as {"time", "level", "message", "job", "attempt"}, and "traceback" where there is one."""

    def __init__(self, job: str | None, attempt: int | None) -> None:
        super().__init__()
        self._context = {"job": job, "attempt": attempt} if job is not None else {}

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; `time` is UTC in RFC 3339, `job` is namespace/name."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time, "level": record.levelname.lower(), "message": record.getMessage(), **self._context}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(job: str | None = None, attempt: int | None = None, stream: TextIO | None = None) -> None:
    """Send every log record, and every Python warning, to `stream` (standard output) as lines of JSON."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines(job, attempt))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(LOGGER_NAME).setLevel(logging.INFO)  # what libraries find worth saying is seldom news of the job
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a reader that went away must not fill standard error


def megabytes(count: float) -> str:
    """A number of bytes as log lines write it: `800.0MB`, with MB = 10⁶ bytes."""
    return f"{count / 1e6:.1f}MB"


def log_ending(job: str | None, reason: str, message: str, *, failed: bool) -> None:
    """The last line of a run: its reason, as the contract names it, and one line for people."""
    level = logging.ERROR if failed else logging.INFO
    logging.getLogger(LOGGER_NAME).log(level, "%s%s - %s", f"Job {job}: " if job else "", reason, message)
