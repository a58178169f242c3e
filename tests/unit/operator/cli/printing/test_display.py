"""What a person sees while a job runs: the bar of a terminal, and the lines of anything else."""

import io
import re

import pytest
from rich.console import Console

from spectrogram_operator.api.status import JobMemory, JobProgress, Phase, SpectrogramJobStatus
from spectrogram_operator.cli.printing.display import BarDisplay, LineDisplay, open_display


def running(percent: float, **changes: object) -> SpectrogramJobStatus:
    """The status of a job that runs."""
    progress = JobProgress(percent=percent, stage="spectrogram", samples_per_second=12e6, eta_seconds=83)
    memory = JobMemory(text="123Mi/1Gi")
    status = SpectrogramJobStatus(phase=Phase.RUNNING, attempt=1, progress=progress, memory=memory)
    return status.model_copy(update=changes)


def test_the_bar_shows_percent_stage_rate_time_left_and_memory() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    display = open_display(console, "fm-band")
    assert isinstance(display, BarDisplay)
    with display:
        display.update(running(43))
        display.note("warning: [red]memory[/red] is high")
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for words in ("fm-band", "43 %", "spectrogram", "12 MS/s", "1 min 23 s left", "memory 123Mi/1Gi", "[red]memory"):
        assert words in shown


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_the_bar_is_one_line_and_memory_comes_first(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with open_display(console, "fm-band") as display:
        display.update(running(43))
    assert isinstance(console.file, io.StringIO)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", console.file.getvalue()).splitlines()
    last = [line.strip() for line in lines if line.strip()][-1]
    assert last[2:].startswith("fm-band ━━━━        43 % spectrogram memory 123Mi/1Gi  1")
    assert len(last) <= width


def test_without_a_terminal_there_is_a_line_for_each_tenth() -> None:
    console = Console(file=io.StringIO(), width=80)
    display = open_display(console, "fm-band")
    assert isinstance(display, LineDisplay)
    with display:
        for percent in (0.0, 3.0, 43.0, 44.0, 99.0):
            display.update(running(percent))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[1] == "fm-band: spectrogram, 43 %, 12 MS/s, 1 min 23 s left, memory 123Mi/1Gi"
    assert [line.split(",")[1] for line in lines] == [" 0 %", " 43 %", " 99 %"]
