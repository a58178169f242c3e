"""The safeguard beside the computation: it keeps memory and time below their limits.

Past a limit it asks the computation to stop, which then keeps what is complete. If the computation does not react in
time, the safeguard ends the process itself, with last words: the kernel's kill and the kubelet's deadline leave none.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Self

import psutil

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.guards.growth import LONGEST_WAIT, LOOKS, Look, judge
from spectrogram_worker.guards.memory import MemoryGauge, MemoryUse
from spectrogram_worker.guards.stop import Stop, StopRequest
from spectrogram_worker.logs import megabytes

WARNING_SECONDS = 5.0
WARNING_PERCENT = 85.0
PRESSURE_PERCENT = 10.0
MEMORY_PATIENCE = 5.0
SOFT_LIMIT_PATIENCE = 60.0

log = logging.getLogger(__name__)


class Safeguard:
    """A context manager, in which a thread looks five times a second, and sooner while memory fills up.

    `force` runs in that thread right before it ends the process. The exit code is the one that `force` returns, or that
    of the stop where it returns none.
    """

    def __init__(
        self,
        job: str,
        stop: StopRequest,
        gauge: MemoryGauge,
        *,
        soft_deadline: float,
        force: Callable[[Stop], ExitCode | None],
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._job, self._stop, self._gauge = job, stop, gauge
        self._soft_deadline, self._force, self._clock, self._leave = soft_deadline, force, clock, leave
        self._looks: tuple[Look, ...] = ()
        self._next_warning = self._next_pressure = -float("inf")
        self._complaints: set[str] = set()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="safeguard", daemon=True)

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        log.info("Memory monitor started for job %s", self._job)
        return self

    def __exit__(self, *exception: object) -> None:
        self._finished.set()
        self._thread.join()
        log.info("Memory monitor stopped")

    def _run(self) -> None:
        wait = LONGEST_WAIT
        while not self._finished.wait(wait):
            wait = LONGEST_WAIT
            try:
                wait = self.look()
            except Exception as error:  # without a safeguard a worker would pass every limit in silence
                self._complain("The safeguard goes on after an error", error)

    def look(self) -> float:
        """One look: asks for a stop past a limit, warns near the memory's, ends a process that does not react.

        Returns the seconds until the next.
        """
        now, wait = self._clock(), LONGEST_WAIT
        try:
            wait = self._look_at_memory(self._gauge.look(), now)
            self._look_at_pressure(now)
        except (OSError, ValueError, psutil.Error) as error:  # no file descriptors are left, for one
            self._complain("The memory in use cannot be read, so nothing is known of it", error)
        if now >= self._soft_deadline and not self._stop.is_set_by(ExitCode.SOFT_TIME_LIMIT_EXCEEDED):
            log.error("Job %s: Job exceeded soft time limit during spectrogram generation", self._job)
            code, message = ExitCode.SOFT_TIME_LIMIT_EXCEEDED, "exceeded soft time limit"
            self._stop.request(code, message, patience=SOFT_LIMIT_PATIENCE)
        ignored = self._stop.ignored
        if ignored and ignored.overdue(now) and not self._finished.is_set():
            log.critical("Job %s: %s, no reaction for %.0f s", self._job, ignored.message, ignored.patience)
            code = ignored.code
            try:
                code = forced if (forced := self._force(ignored)) is not None else code
            finally:
                self._leave(code)
        return wait

    def _complain(self, what: str, error: Exception) -> None:
        """Once for each kind: looks come many times a second."""
        if what not in self._complaints:
            self._complaints.add(what)
            log.error("Job %s: %s: %s", self._job, what, error, exc_info=None if isinstance(error, OSError) else error)

    def _look_at_memory(self, use: MemoryUse, now: float) -> float:
        self._looks = (*self._looks, Look(now, use.percent))[-LOOKS:]
        judgement = judge(self._looks, use.threshold)
        if self._stop.is_set_by(ExitCode.MEMORY_SAFEGUARD_EXCEEDED):
            return LONGEST_WAIT
        if judgement.stop:
            percent, threshold = f"{use.percent:.1f}%", f"{use.threshold:.1f}%"
            if use.percent >= use.threshold:
                log.critical("Job %s: CRITICAL MEMORY USAGE - %s exceeds threshold %s", self._job, percent, threshold)
                why = f"exceeds the threshold of {threshold}"
            else:
                why = f"would pass the limit in {judgement.seconds_left or 0:.2f} s"
                log.critical("Job %s: CRITICAL MEMORY USAGE - %s %s", self._job, percent, why)
            log.critical("Job %s: Forcing process termination due to memory usage", self._job)
            message = f"memory use of {percent} of {megabytes(use.limit)} {why}"
            self._stop.request(ExitCode.MEMORY_SAFEGUARD_EXCEEDED, message, patience=MEMORY_PATIENCE)
        elif use.percent > WARNING_PERCENT and now >= self._next_warning:
            self._next_warning = now + WARNING_SECONDS
            left = "" if judgement.seconds_left is None else f", full in {judgement.seconds_left:.1f} s as it grows"
            said = f"{use.percent:.1f}% of {megabytes(use.limit)}{left}"
            log.warning("Job %s: High memory usage - %s", self._job, said)
        return judgement.wait

    def _look_at_pressure(self, now: float) -> None:
        if now < self._next_pressure:
            return
        self._next_pressure = now + WARNING_SECONDS
        pressure = self._gauge.pressure
        if pressure is not None and pressure >= PRESSURE_PERCENT:
            log.warning("Job %s: Memory pressure - work waited for memory in %.1f%% of 10 s", self._job, pressure)
