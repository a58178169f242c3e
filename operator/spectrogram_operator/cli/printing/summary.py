"""The table at the end of a run, and where the picture is."""

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.text import Text

from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.cli.printing.units import duration, plural, with_prefix
from spectrogram_worker.contract.report import Dataset

_TITLE_WIDTH = 12


def print_summary(
    console: Console, status: SpectrogramJobStatus, recording: str, place_of: Callable[[str], str]
) -> None:
    """Print the table; `place_of` tells where an output is, given its path in the claim or store. No line is cut: paths
    are there to be copied.
    """
    for title, value in _rows(status, recording, place_of):
        row = Text.assemble((f"{title:<{_TITLE_WIDTH}}", "bold"), value)
        console.print(row, soft_wrap=True, highlight=False)
    for output in status.outputs:
        if output.media_type == "image/png":
            console.print(Text(f"\nThe picture is {place_of(output.path)}"), soft_wrap=True, highlight=False)


def _rows(status: SpectrogramJobStatus, recording: str, place_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    yield "Phase", str(status.phase)
    yield "Reason", status.reason or ""
    if status.phase is Phase.SUCCEEDED:  # a failure has a line of its own, with what to do
        yield "Message", status.message or ""
    yield "Attempts", _attempts(status)
    if status.start_time and status.completion_time:
        yield "Time", duration((status.completion_time - status.start_time).total_seconds())
    if status.memory and status.memory.peak_bytes and status.attempts:
        limit = format_bytes(status.attempts[-1].memory_bytes)
        yield "Peak memory", f"{format_bytes(status.memory.peak_bytes)} of {limit}"
    yield "Recording", recording
    if status.dataset and status.dataset.samples:
        yield "Dataset", ", ".join(dataset_facts(status.dataset))
    for number, warning in enumerate(status.warnings):
        yield "" if number else "Warnings", warning
    found = [place_of(output.path) for output in status.outputs]
    width = max(map(len, found), default=0)
    for number, (place, output) in enumerate(zip(found, status.outputs, strict=True)):
        yield "" if number else "Outputs", f"{place:<{width}}  {with_prefix(output.bytes, 'B'):>8}  {output.media_type}"


def _attempts(status: SpectrogramJobStatus) -> str:
    if len(status.attempts) <= 1:
        return str(status.attempt)
    return f"{status.attempt} ({', '.join(attempt.reason or '' for attempt in status.attempts)})"


def dataset_facts(dataset: Dataset) -> Iterator[str]:
    """What the recording turned out to be, fact by fact."""
    if dataset.bytes is not None:
        yield with_prefix(dataset.bytes, "B")
    yield plural(dataset.samples or 0, "sample")
    if dataset.sample_rate:
        yield f"{with_prefix(dataset.sample_rate, 'S/s')}, {duration((dataset.samples or 0) / dataset.sample_rate)}"
    if dataset.center_frequency:
        yield f"centre {with_prefix(dataset.center_frequency, 'Hz')}"
    if dataset.start_time is not None:
        yield f"from {dataset.start_time:%Y-%m-%d %H:%M:%S} UTC"
    if dataset.gaps:
        yield f"{plural(dataset.gaps, 'gap')} ({plural(dataset.missing_samples or 0, 'sample')} missing)"
    if dataset.samples_at_full_scale:
        yield f"{plural(dataset.samples_at_full_scale, 'sample')} at full scale"
