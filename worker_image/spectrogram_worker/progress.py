"""How far the worker is: the state that the computation updates, and the Report that it becomes."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psutil

from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.contract.kernels import KernelName
from spectrogram_worker.contract.report import (
    MAXIMUM_WARNING_LENGTH,
    Dataset,
    Memory,
    OutputFile,
    Progress,
    Report,
    clean_text,
    first_warnings,
)
from spectrogram_worker.guards.memory import MemoryGauge

STAGES = ("starting", "reading", "downloading", "spectrogram", "writing", "done")
_MOST_WARNINGS = 1000
"""How many are remembered: a hostile recording may cause one for each of its samples."""

log = logging.getLogger(__name__)


class ProgressState:
    """Updated by the computation, read by the progress server and by the termination message, from any thread.

    The rate and the time left count from the first sample of the transform, not from the start of the process.
    """

    def __init__(self, job: JobReference, gauge: MemoryGauge, clock: Callable[[], float] = time.monotonic) -> None:
        self._job, self._gauge, self._clock = job, gauge, clock
        self._lock = threading.Lock()
        self._stage = STAGES[0]
        self._stage_began = clock()
        self._stage_seconds: dict[str, float] = {}
        self._columns_done = self._columns_total = self._samples_done = self._samples_total = 0
        self._transform_began: float | None = None
        self._transform_seconds = 0.0
        self._kernel: KernelName | None = None
        self._memory = Memory()
        self._dataset = Dataset()
        self._warnings: dict[str, None] = {}
        self._last_advance = datetime.now(UTC)

    def enter(self, stage: str) -> None:
        """Begin a stage, one of STAGES."""
        with self._lock:
            now = self._clock()
            self._close_stage(now)
            self._stage, self._stage_began = stage, now
            self._last_advance = datetime.now(UTC)

    def _close_stage(self, now: float) -> None:
        self._stage_seconds[self._stage] = self._stage_seconds.get(self._stage, 0.0) + now - self._stage_began

    def begin_transform(self, *, columns: int, samples: int, kernel: KernelName | None = None) -> None:
        """The transform of `samples` samples into `columns` columns begins now; `kernel` computes it."""
        with self._lock:
            self._kernel = kernel
            self._columns_total, self._samples_total = columns, samples
            self._transform_began = self._clock()

    def advance(self, *, columns: int | None = None, samples: int | None = None) -> None:
        """So many columns are done, so many samples transformed. Samples count because one column may take hours."""
        with self._lock:
            self._columns_done = self._columns_done if columns is None else columns
            self._samples_done = self._samples_done if samples is None else samples
            if self._transform_began is not None:
                self._transform_seconds = self._clock() - self._transform_began
            self._last_advance = datetime.now(UTC)

    def describe(self, dataset: Dataset) -> None:
        """What the selected range turned out to be."""
        with self._lock:
            self._dataset = dataset

    def expect_memory(self, memory: Memory) -> None:
        """The estimate and its level."""
        with self._lock:
            self._memory = memory

    def warn(self, text: str) -> None:
        """Log one line that a person should know about the result, and keep it for the report and the manifest."""
        kept = clean_text(text, MAXIMUM_WARNING_LENGTH)
        with self._lock:
            if kept in self._warnings or len(self._warnings) == _MOST_WARNINGS:
                return
            self._warnings[kept] = None
        log.warning("Job %s: %s", self._job.title, clean_text(text))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was said so far, as reports and manifests carry it."""
        with self._lock:
            return first_warnings(self._warnings)

    @property
    def warning_count(self) -> int:
        """How many different warnings there were."""
        with self._lock:
            return len(self._warnings)

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Wall time of each stage so far, in seconds."""
        with self._lock:
            seconds = dict(self._stage_seconds)
            seconds[self._stage] = seconds.get(self._stage, 0.0) + self._clock() - self._stage_began
            return seconds

    def report(self, reason: str = "", message: str = "", outputs: tuple[OutputFile, ...] = ()) -> Report:
        """The state now, as GET /progress and the termination message give it."""
        use = self._memory_in_use()
        with self._lock:
            return Report(
                job_uid=self._job.uid,
                attempt=self._job.attempt,
                reason=reason,
                progress=self._progress(),
                memory=self._memory.model_copy(update=use),
                dataset=self._dataset,
                last_advance_time=self._last_advance,
                outputs=outputs,
                warnings=first_warnings(self._warnings),
                message=message,
            )

    def _memory_in_use(self) -> dict[str, int]:
        """The measured fields of `Memory`; none where they cannot be read, for that must not prevent last words."""
        try:
            current, peak = self._gauge.look().current, self._gauge.peak
        except (OSError, ValueError, psutil.Error):
            return {}
        return {"limit_bytes": self._gauge.limit, "current_bytes": current, "peak_bytes": peak}

    def _progress(self) -> Progress:
        by_columns = self._columns_done / self._columns_total if self._columns_total else 0.0
        by_samples = self._samples_done / self._samples_total if self._samples_total else 0.0
        share = max(by_columns, by_samples)
        rate = share * self._samples_total / self._transform_seconds if self._transform_seconds > 0 else 0.0
        seconds_left = self._transform_seconds * (1 / share - 1) if share > 0 else None
        return Progress(
            percent=round(100 * share, 2),
            stage=self._stage,
            columns_done=self._columns_done,
            columns_total=self._columns_total,
            samples_per_second=round(rate, 1),
            eta_seconds=None if seconds_left is None else round(seconds_left, 1),
            kernel=self._kernel,
        )
