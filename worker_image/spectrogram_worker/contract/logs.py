"""The format of both programs' logs: one JSON object a line.

What users and recordings say can reach a message: control characters and line breaks are taken out of it.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spectrogram_worker.contract.report import clean_text

_LONGEST_MESSAGE = 4096
_IN_EVERY_RECORD = vars(logging.makeLogRecord({})).keys() | {"asctime", "message", "taskName"}


class JsonLines(logging.Formatter):
    """A record as time (UTC, RFC 3339), level, logger, message, what `context` and `extra` say, and the traceback of an
    error."""

    def __init__(self, context: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._context = dict(context or {})

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean_text(record.getMessage(), _LONGEST_MESSAGE),
            **self._context,
            **self.extra(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # Half of a surrogate pair cannot be written, but what replaces it here is how JSON escapes it.
        return json.dumps(entry, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()

    def extra(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the argument `extra` of the call that made the record brought."""
        return {name: value for name, value in vars(record).items() if name not in _IN_EVERY_RECORD}
