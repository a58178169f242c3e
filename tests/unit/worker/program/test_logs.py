"""Logs: both programs write the same lines of JSON, whatever stands in them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TextIO

import pytest

from spectrogram_operator.telemetry import logs as operator_logs
from spectrogram_worker import logs as worker_logs


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root, raises = logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers, root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level, logging.raiseExceptions = handlers, level, raises


def of_worker(stream: TextIO) -> None:
    worker_logs.configure_logging(stream=stream)


def of_operator(stream: TextIO) -> None:
    operator_logs.configure_logging("info", stream)


@pytest.mark.parametrize("configure", [of_worker, of_operator])
def test_a_line_has_the_same_keys_in_both_programs(configure: Callable[[TextIO], None]) -> None:
    configure(stream := io.StringIO())
    try:
        raise KeyError("name \udcff")
    except KeyError:
        logging.getLogger("x").exception("Bad \x1b[31mname\x1b[0m\n\udcff of %s", "überall", extra={"path": "\udcff"})
    text = stream.getvalue().encode().decode()  # can be written
    assert text.count("\n") == 1
    assert "überall" in text
    line = json.loads(text)
    assert list(line) == ["time", "level", "logger", "message", "path", "traceback"]
    assert line["time"].endswith("Z")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    assert (line["level"], line["logger"], line["message"]) == ("error", "x", "Bad name \\udcff of überall")
    assert "KeyError" in line["traceback"]


def test_the_worker_says_which_job_and_attempt() -> None:
    worker_logs.configure_logging("lab/fm", 2, stream := io.StringIO())
    worker_logs.log_ending("lab/fm", "Completed", "7 of 7 columns are in fm", failed=False)
    line = json.loads(stream.getvalue())
    assert (line["job"], line["attempt"], line["level"]) == ("lab/fm", 2, "info")
