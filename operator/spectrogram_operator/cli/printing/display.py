"""What a person sees while a job runs: a progress bar in a terminal, a line at each step anywhere else."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from spectrogram_operator.api.status import ConditionType, Phase, SpectrogramJobStatus
from spectrogram_operator.cli.printing.endings import plain
from spectrogram_operator.cli.printing.units import duration, with_prefix
from spectrogram_operator.core.status import holds
from spectrogram_worker.contract.report import clean_text

_STEP_PERCENT = 10
_WIDE = 110


class Display(Protocol):
    """Shows statuses and notes; a context manager."""

    def update(self, status: SpectrogramJobStatus) -> None:
        """Show how far the job is."""
        ...

    def note(self, text: str) -> None:
        """Show a line that stays."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_display(console: Console, name: str) -> Display:
    """The display that fits where the console writes."""
    return open_displays(console, [name])[name]


def open_displays(console: Console, names: Sequence[str]) -> dict[str, Display]:
    """One for each job: bars below each other, or lines."""
    if not console.is_terminal:
        return {name: LineDisplay(console, name) for name in names}
    progress = _progress(console)
    return {name: BarDisplay(progress, name) for name in names}


def print_line(console: Console, text: str, style: str = "") -> None:
    """One line, as it is: never wrapped, no word of it taken for markup."""
    console.print(Text(text, style), soft_wrap=True, highlight=False)


def details(status: SpectrogramJobStatus) -> list[str]:
    """Rate, time left and memory, as far as they are known."""
    progress, memory = status.progress, status.memory
    found = []
    if progress is not None and progress.samples_per_second:
        found.append(with_prefix(progress.samples_per_second, "S/s"))
    if progress is not None and progress.eta_seconds is not None and progress.percent < 100:
        found.append(f"{duration(progress.eta_seconds)} left")
    if memory is not None and memory.text:
        found.append(f"memory {memory.text}")
    if status.phase in (Phase.PENDING, Phase.QUEUED) and status.message:
        found = [clean_text(status.message)]
    return found


def stage(status: SpectrogramJobStatus) -> str:
    """What the job does now: the worker's stage while one runs, else the phase."""
    if status.phase is Phase.RUNNING and status.progress is not None:
        return status.progress.stage
    return (status.phase or Phase.PENDING).lower()


def retry_note(status: SpectrogramJobStatus) -> str:
    """Why the last attempt failed, and when the next one starts."""
    last = status.attempts[-1]
    wait = ""
    if status.next_attempt_at is not None and last.finish_time is not None:
        wait = f" in {duration((status.next_attempt_at - last.finish_time).total_seconds())}"
    return f"attempt {last.number} ended, {last.reason}: {plain(last.message or '')}; the next one starts{wait}"


class _Details(ProgressColumn):
    """What is known of the job, as it is: no word of it is taken for markup."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        return cast(Text, task.fields["details"])


def _progress(console: Console) -> Progress:
    """One line for each job, however narrow the terminal: what is not the most important is cut."""
    is_narrow = console.width < _WIDE
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=10 if is_narrow else 30),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[stage]}"),
        *(() if is_narrow else (TimeElapsedColumn(),)),
        _Details(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        expand=True,
    )


class BarDisplay:
    """One line that moves, for a terminal."""

    def __init__(self, progress: Progress, name: str) -> None:
        """Bars of one `progress` stand below each other."""
        self._progress = progress
        self._task = progress.add_task(name, total=100, stage="starting", details=Text())
        self._noted = 0

    def update(self, status: SpectrogramJobStatus) -> None:
        """See Display."""
        if status.phase is Phase.RETRYING and self._noted != status.attempt:
            self._noted = status.attempt
            self.note(retry_note(status))
        self._progress.update(
            self._task,
            completed=status.progress.percent if status.progress else 0,
            stage=stage(status),
            details=Text(
                "  ".join(reversed(details(status))), "yellow" if holds(status, ConditionType.MEMORY_WARNING) else ""
            ),
        )

    def note(self, text: str) -> None:
        """See Display."""
        print_line(self._progress.console, text, "yellow")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class LineDisplay:
    """A line at each new stage and at each tenth of the way, for logs and pipes."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._shown: tuple[int, str, int] | None = None

    def update(self, status: SpectrogramJobStatus) -> None:
        """See Display."""
        percent = status.progress.percent if status.progress else 0.0
        step = (status.attempt, stage(status), int(percent // _STEP_PERCENT))
        if step == self._shown or status.completion_time is not None:
            return
        self._shown = step
        if status.phase is Phase.RETRYING:
            self.note(retry_note(status))
            return
        done = [f"{percent:.0f} %"] if status.progress else []
        print_line(self._console, f"{self._name}: {', '.join([stage(status), *done, *details(status)])}")

    def note(self, text: str) -> None:
        """See Display."""
        print_line(self._console, f"{self._name}: {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""
