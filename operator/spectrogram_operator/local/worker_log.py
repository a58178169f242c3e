"""What a worker prints: lines of JSON (contract/logs.py), or anything else from one that died."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spectrogram_worker.contract.report import clean_text

_LONGEST_LINE = 64 * 1024
_LONGEST_MESSAGE = 2048
_KEPT_LINES = 200
_SERVING = re.compile(r"Serving progress on port (\d{1,5})")


@dataclass(frozen=True)
class LogLine:
    """One line. `level` and `time` are empty where the line is not one of the worker's log."""

    level: str
    message: str
    time: str = ""


def read_line(line: bytes) -> LogLine:
    """The line as a person reads it, without control characters."""
    text = line.decode(errors="replace")
    try:
        entry = json.loads(text)
        level, time = clean_text(str(entry["level"]), 16), clean_text(str(entry.get("time", "")), 32)
        return LogLine(level, clean_text(str(entry["message"]), _LONGEST_MESSAGE), time)
    except (ValueError, KeyError, TypeError, AttributeError):
        return LogLine("", clean_text(text, _LONGEST_MESSAGE))


class WorkerLog:
    """The last lines of one worker, and what they say: warnings, and the port of GET /progress."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.tail: deque[LogLine] = deque(maxlen=_KEPT_LINES)
        self.port: int | None = None
        self._warn = warn

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read to the end. A line without an end is cut: a worker may not fill the memory of this process."""
        rest = b""
        while part := await stream.read(_LONGEST_LINE):
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._add(line)
        self._add(rest)

    def _add(self, raw: bytes) -> None:
        line = read_line(raw)
        if not line.message:
            return
        self.tail.append(line)
        if serving := _SERVING.fullmatch(line.message):
            self.port = int(serving[1])
        if line.level == "warning":
            self._warn(line.message)
