"""Logs: JSON lines, kopf's included, with the words that people search for."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from spectrogram_operator.api.status import JobMemory, Phase, RetryClass, SpectrogramJobStatus
from spectrogram_operator.telemetry import logs
from spectrogram_operator.telemetry.logs import configure_logging, log_transition
from unit.operator.statuses import attempt, ended, memory_warning, status

RUNNING = status(attempt())
LOST = attempt(1, "PodMissing", RetryClass.ZOMBIE)


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(stream: io.StringIO) -> None:
    logging.getLogger("spectrogram_operator.sweep").info(logs.CHECKING, 3, extra={"job": "lab/fm"})
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "spectrogram_operator.sweep",
        "message": "Checking 3 jobs for zombie detection",
        "job": "lab/fm",
    }


def test_what_users_wrote_cannot_forge_lines_or_colours(stream: io.StringIO) -> None:
    logging.getLogger("x").warning('bad \x1b[31mname\x1b[0m\n{"level": "info"}\u2028\x9b', extra={"pod": "a\nb"})
    (line,) = lines(stream)
    assert line["message"] == 'bad name {"level": "info"}'
    assert stream.getvalue().count("\n") == 1


def test_an_error_carries_its_traceback(stream: io.StringIO) -> None:
    try:
        raise KeyError("pods")
    except KeyError:
        logging.getLogger("x").exception("Reconcile failed")
    (line,) = lines(stream)
    assert "KeyError: 'pods'" in line["traceback"]


def test_kopf_s_loggers_speak_the_same_way(stream: io.StringIO) -> None:
    from kopf._cogs.configs.configuration import OperatorSettings
    from kopf._cogs.structs.bodies import Body
    from kopf._core.actions.loggers import LocalObjectLogger

    body = Body({"kind": "Pod", "metadata": {"name": "p", "namespace": "lab", "uid": "u"}})
    LocalObjectLogger(body=body, settings=OperatorSettings()).warning("Gone")
    (line,) = lines(stream)
    assert (line["logger"], line["message"]) == ("kopf.objects", "Gone")
    assert line["object"] == {"kind": "Pod", "namespace": "lab", "name": "p"}
    assert line.keys() == {"time", "level", "logger", "message", "object"}


def test_levels_hold_and_probes_stay_quiet(stream: io.StringIO) -> None:
    logging.getLogger("kopf").debug("too fine")
    logging.getLogger("aiohttp.access").info("GET /healthz")
    assert lines(stream) == []
    configure_logging("debug", stream)
    logging.getLogger("kopf").debug("fine")
    logging.getLogger("aiohttp.access").info("GET /healthz")
    assert [line["message"] for line in lines(stream)] == ["fine", "GET /healthz"]


def test_warnings_of_libraries_are_lines_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    assert [line["logger"] for line in lines(stream)] == ["py.warnings"]


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        (RUNNING, RUNNING, []),
        (
            RUNNING,
            ended(Phase.FAILED, "PodMissing", LOST),
            [
                "Job lab/fm: Detected as zombie - status 'running' but not running on any worker",
                "Job lab/fm: Marked as failed due to zombie detection",
                "Job lab/fm: Failed: the end",
            ],
        ),
        (
            RUNNING,
            status(LOST, phase=Phase.RETRYING),
            [
                "Job lab/fm: Detected as zombie - status 'running' but not running on any worker",
                "Job lab/fm: Attempt 1 ended, another follows: what happened",
            ],
        ),
        (
            RUNNING,
            status(attempt(1, "IOError", RetryClass.USER), phase=Phase.RETRYING),
            ["Job lab/fm: Attempt 1 ended, another follows: what happened"],
        ),
        (
            RUNNING,
            ended(Phase.SUCCEEDED, "Completed", attempt(1, "Completed", RetryClass.SUCCESS)),
            ["Job lab/fm: Succeeded: the end"],
        ),
        (
            RUNNING,
            status(
                attempt(),
                memory=JobMemory(estimate_bytes=800_000_000, limit_bytes=1_000_000_000, level="high"),
                conditions=(memory_warning("HighMemoryExpected"),),
            ),
            [
                "Job lab/fm: High memory usage expected - Estimated: 800.0MB, Available: 1000.0MB, Usage: 80.0%."
                " Job will proceed but may cause memory pressure."
            ],
        ),
        (
            RUNNING,
            status(attempt(), conditions=(memory_warning("HighMemoryUsage"),)),
            ["Job lab/fm: High memory usage - the worker used 90% of its memory limit"],
        ),
    ],
)
def test_a_transition_is_told_in_the_words_of_the_design(
    stream: io.StringIO, old: SpectrogramJobStatus, new: SpectrogramJobStatus, messages: list[str]
) -> None:
    log_transition(logging.getLogger("spectrogram_operator"), "lab/fm", old, new)
    assert [line["message"] for line in lines(stream)] == messages
    assert all(line["job"] == "lab/fm" for line in lines(stream))


def test_the_sentences_of_the_sweep() -> None:
    assert logs.ZOMBIE_MARKED % "lab/fm" == "Marked zombie job lab/fm as failed"
    assert logs.ZOMBIES_CLEANED_UP % 2 == "Cleaned up 2 zombie jobs"
    assert logs.CHECK_FAILED % ("lab/fm", "503") == "Error checking if job lab/fm is running on worker: 503"
