"""Logs of the worker, on standard output, in the format of both programs. Only they ever show a traceback."""

import logging
import sys
from typing import TextIO

from spectrogram_worker.contract.logs import JsonLines

LOGGER_NAME = "spectrogram_worker"


def configure_logging(job: str | None = None, attempt: int | None = None, stream: TextIO | None = None) -> None:
    """Send every log record, and every Python warning, to `stream` (standard output) as lines of JSON.

    Once the job (namespace/name) is known, each line says which it is, and which attempt.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines({} if job is None else {"job": job, "attempt": attempt}))
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
