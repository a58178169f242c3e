"""Guards ask for a stop, the first request wins, and a stop that nobody heeds ends the process."""

import logging
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from harness.waiting import wait_until
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.guards.growth import LONGEST_WAIT, SHORTEST_WAIT
from spectrogram_worker.guards.memory import MemoryGauge, MemoryUse, ProcessMemory
from spectrogram_worker.guards.safeguard import Safeguard
from spectrogram_worker.guards.stop import Stop, StopRequest, stop_on_signals
from spectrogram_worker.progress import ProgressState
from unit.worker.jobs import job


class Gauge(MemoryGauge):
    """A gauge that shows what a test sets."""

    percent = 10.0
    waiting: float | None = None

    @property
    def pressure(self) -> float | None:
        return self.waiting

    def look(self) -> MemoryUse:
        return MemoryUse(ProcessMemory(1, 1, 2), int(self.percent * 10), 1000, threshold=95.0)


@dataclass
class Stage:
    """A safeguard without a thread, its clock, and what it did."""

    gauge: Gauge = field(default_factory=lambda: Gauge(1000))
    stop: StopRequest = field(default_factory=StopRequest)
    now: float = field(default_factory=time.monotonic)
    forced: list[Stop] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def safeguard(self, *, soft_seconds: float = 600) -> Safeguard:
        return Safeguard(
            "team/fm-band",
            self.stop,
            self.gauge,
            soft_deadline=self.now + soft_seconds,
            force=self.forced.append,
            clock=lambda: self.now,
            leave=self.left.append,
        )

    @property
    def code(self) -> ExitCode | None:
        return self.stop.stop.code if self.stop.stop else None


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_the_safeguard_stops_at_the_threshold_with_the_designs_words(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    safeguard = stage.safeguard()
    stage.gauge.percent = 94.9
    safeguard.look()
    assert stage.code is None
    stage.gauge.percent = 96.5
    for expected in (None, None, ExitCode.MEMORY_SAFEGUARD_EXCEEDED, ExitCode.MEMORY_SAFEGUARD_EXCEEDED):
        safeguard.look()
        assert stage.code is expected
    critical = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert critical == [
        "Job team/fm-band: CRITICAL MEMORY USAGE - 96.5% exceeds threshold 95.0%",
        "Job team/fm-band: Forcing process termination due to memory usage",
    ]


def test_high_use_is_logged_at_most_every_five_seconds(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    safeguard = stage.safeguard()
    for percent, expected in ((85.0, 0), (86.0, 1)):
        stage.gauge.percent = percent
        safeguard.look()
        assert len(caplog.records) == expected
    for _ in range(9):
        stage.now += 0.5
        safeguard.look()
    assert len(caplog.records) == 1
    stage.now += 0.5
    safeguard.look()
    assert len(caplog.records) == 2


def test_growth_is_warned_about_with_the_time_that_is_left(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    safeguard = stage.safeguard()
    for stage.gauge.percent in (84.0, 84.5, 85.0, 85.5):
        assert safeguard.look() > 0
        stage.now += 0.1
    assert [record.getMessage() for record in caplog.records] == [
        "Job team/fm-band: High memory usage - 85.5% of 0.0MB, full in 2.9 s as it grows"
    ]
    assert stage.code is None


def test_memory_that_would_be_full_before_the_next_look_is_stopped_below_the_threshold(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    safeguard = stage.safeguard()
    for stage.gauge.percent in (50.0, 70.0, 90.0):
        safeguard.look()
        stage.now += 0.01
    assert stage.stop.stop is not None
    assert stage.code is ExitCode.MEMORY_SAFEGUARD_EXCEEDED
    assert "90.0% of 0.0MB would pass the limit in 0.0" in stage.stop.stop.message
    assert "CRITICAL MEMORY USAGE - 90.0% would pass the limit in 0.0" in caplog.text


def test_memory_pressure_is_logged_at_most_every_five_seconds(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    safeguard = stage.safeguard()
    for stage.gauge.waiting, after, expected in ((None, 5, 0), (9.9, 5, 0), (12.5, 4, 1), (99.0, 1, 1), (99.0, 0, 2)):
        safeguard.look()
        assert len(caplog.records) == expected
        stage.now += after
    assert caplog.records[0].getMessage() == (
        "Job team/fm-band: Memory pressure - work waited for memory in 12.5% of 10 s"
    )
    assert stage.code is None


def test_the_soft_limit_stops_once_with_the_designs_words(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    safeguard = stage.safeguard(soft_seconds=10)
    stage.now += 9.9
    safeguard.look()
    assert stage.code is None
    stage.now += 0.1
    safeguard.look()
    safeguard.look()
    assert stage.code is ExitCode.SOFT_TIME_LIMIT_EXCEEDED
    assert [record.getMessage() for record in caplog.records] == [
        "Job team/fm-band: Job exceeded soft time limit during spectrogram generation"
    ]


def test_the_first_request_wins(stage: Stage) -> None:
    stage.stop.request(ExitCode.INTERRUPTED, "first", patience=1)
    stage.stop.request(ExitCode.MEMORY_SAFEGUARD_EXCEEDED, "second", patience=1)
    assert stage.code is ExitCode.INTERRUPTED
    assert stage.stop.is_set_by(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)
    assert not stage.stop.is_set_by(ExitCode.SOFT_TIME_LIMIT_EXCEEDED)


def test_a_stop_that_nobody_heeds_ends_the_process(stage: Stage) -> None:
    safeguard = stage.safeguard()
    stage.gauge.percent = 99.0
    safeguard.look()
    stage.now += 4.0
    safeguard.look()
    assert stage.left == []
    stage.now += 1.5
    safeguard.look()
    assert stage.left == [83]
    assert [stop.code for stop in stage.forced] == [ExitCode.MEMORY_SAFEGUARD_EXCEEDED]


def test_a_stop_that_is_heeded_needs_no_force(stage: Stage) -> None:
    safeguard = stage.safeguard()
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=1)
    stage.stop.heed(ExitCode.INTERRUPTED)
    stage.now += 500
    safeguard.look()
    assert stage.left == []


def test_an_emergency_after_another_stop_is_still_forced(stage: Stage) -> None:
    safeguard = stage.safeguard()
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=1)
    stage.stop.heed(ExitCode.INTERRUPTED)
    stage.gauge.percent = 99.0
    safeguard.look()
    stage.now += 6
    safeguard.look()
    assert stage.left == [83]


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Nothing can be opened in this process meanwhile."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)


def test_memory_that_cannot_be_read_is_neither_safe_nor_an_emergency(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    safeguard = stage.safeguard(soft_seconds=10)
    safeguard._gauge = MemoryGauge(1)  # any use is above it
    with no_descriptors_left():
        safeguard.look()
        safeguard.look()
        assert not stage.stop.is_set()
        said = [(record.levelname, record.getMessage()) for record in caplog.records]
        stage.now += 10
        safeguard.look()
    assert len(said) == 1
    assert said[0][0] == "ERROR"
    assert said[0][1].startswith("Job team/fm-band: The memory in use cannot be read")
    assert stage.code is ExitCode.SOFT_TIME_LIMIT_EXCEEDED  # the other limits hold
    safeguard.look()
    assert stage.stop.is_set_by(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)


def test_last_words_do_without_a_look_at_the_memory() -> None:
    state = ProgressState(job(), MemoryGauge(2**40))
    with no_descriptors_left():
        report = state.report("Interrupted", "interrupted by SIGTERM")
    assert (report.reason, report.memory.current_bytes) == ("Interrupted", None)


def test_the_thread_survives_an_error(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    looks: list[float] = []

    def fail() -> float:
        looks.append(0.0)
        raise RuntimeError("a bug")

    safeguard = stage.safeguard()
    with safeguard:
        safeguard._clock = fail
        wait_until(lambda: len(looks) > 2)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "Job team/fm-band: The safeguard goes on after an error: a bug"
    ]


class Waits:
    """In place of the event that ends the thread: it lasts for some looks, and says how long the thread waited."""

    def __init__(self, stage: Stage, percents: Sequence[float]) -> None:
        self.stage, self.left, self.seconds = stage, list(percents), list[float]()

    def wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        self.stage.now += seconds
        if self.left:
            self.stage.gauge.percent = self.left.pop(0)
            return False
        return True

    def is_set(self) -> bool:
        return False


def test_the_thread_looks_as_soon_as_growth_asks_for_it(stage: Stage) -> None:
    safeguard = stage.safeguard()
    waits = Waits(stage, [10, 10, 50, 80, 80, 80, 80, 80])
    safeguard._finished = waits  # type: ignore[assignment]
    safeguard._run()
    calm, after_a_jump, after_more = waits.seconds[:3], waits.seconds[3], waits.seconds[4]
    assert calm == [LONGEST_WAIT] * 3
    assert SHORTEST_WAIT <= after_more < after_a_jump < LONGEST_WAIT
    assert waits.seconds[-1] == LONGEST_WAIT
    assert stage.code is None


def test_the_thread_looks_by_itself_and_ends(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with stage.safeguard():
        stage.gauge.percent = 99.0
        wait_until(stage.stop.is_set)
    assert stage.code is ExitCode.MEMORY_SAFEGUARD_EXCEEDED
    assert caplog.records[0].getMessage() == "Memory monitor started for job team/fm-band"
    assert caplog.records[-1].getMessage() == "Memory monitor stopped"


def test_a_limit_that_is_passed_at_the_start_is_seen_before_anything_runs(stage: Stage) -> None:
    stage.gauge.percent = 99.0
    with stage.safeguard():
        assert stage.stop.is_set()


@pytest.fixture
def restored_handlers() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("restored_handlers")
def test_signals_are_requests(stage: Stage, number: signal.Signals) -> None:
    stop_on_signals(stage.stop)
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)
    assert stage.stop.stop is not None
    assert (stage.code, stage.stop.stop.message) == (ExitCode.INTERRUPTED, f"interrupted by {number.name}")


@pytest.mark.parametrize(("grace", "patience"), [(None, 20.0), (600, 20.0), (30, 20.0), (21, 14.0), (3, 2.0)])
def test_a_signal_leaves_a_third_of_the_grace_period_for_last_words(grace: int | None, patience: float) -> None:
    stop = StopRequest()
    if grace is not None:
        stop.grace_seconds = grace
    stop.interrupt("SIGTERM")
    assert stop.stop is not None
    assert stop.stop.code is ExitCode.INTERRUPTED
    assert stop.stop.patience == pytest.approx(patience)


def test_last_words_that_fail_do_not_save_the_process(stage: Stage) -> None:
    def fail(stop: Stop) -> ExitCode | None:
        raise IndexError(stop.message)

    safeguard = stage.safeguard()
    safeguard._force = fail
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=0)
    stage.now += 1
    with pytest.raises(IndexError):
        safeguard.look()
    assert stage.left == [85]


def test_a_forced_end_has_the_code_of_what_could_be_saved(stage: Stage) -> None:
    safeguard = stage.safeguard()
    safeguard._force = lambda stop: ExitCode.DONE
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=0)
    stage.now += 1
    safeguard.look()
    assert stage.left == [0]


def test_what_was_heeded_is_not_heeded_for_ever(stage: Stage) -> None:
    safeguard = stage.safeguard()
    stage.stop.heed(*ExitCode)
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=1)
    stage.now += 2
    safeguard.look()
    assert stage.left == []
    stage.stop.heed()
    safeguard.look()
    assert stage.left == [85]


def test_a_stop_is_pressing_from_half_of_its_patience_on(stage: Stage) -> None:
    stage.stop.request(ExitCode.SOFT_TIME_LIMIT_EXCEEDED, "late", patience=60)
    stage.stop.request(ExitCode.INTERRUPTED, "interrupted", patience=20)
    requested = time.monotonic()
    assert stage.stop.pressing(requested + 9) is None
    pressing = stage.stop.pressing(requested + 11)
    assert pressing is not None
    assert pressing.code is ExitCode.INTERRUPTED
