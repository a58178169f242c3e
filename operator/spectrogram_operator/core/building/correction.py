"""How far what workers took was from what was planned: by it the memory of later jobs of the namespace is corrected.

A worker's word is a claim (rule 6). A peak counts for no more than the pod's limit, a correction only ever adds, twice
the estimate at most, and no single report makes one: there must be some, and the highest tenth of them is left out.
"""

from collections.abc import Iterable, Mapping

from spectrogram_operator.api.reasons import OUT_OF_MEMORY
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, RetryClass
from spectrogram_worker.contract.parameters import InputFormat

Reports = Mapping[str, tuple[int, ...]]
"""By class of jobs: what workers took, in percent of their estimate, the newest last."""

FFT_SIZES = {"small": 4096, "middle": 65_536, "large": 1_048_576}
"""Classes of fft sizes, each up to this one."""
CLASSES = tuple(f"{format}.{size}" for format in InputFormat for size in FFT_SIZES)
WINDOW = 32
LEAST_REPORTS = 8
_MOST_PERCENT = 200
_LEFT_OUT = 0.1
_LONGEST_TEXT = 4 * WINDOW


def class_of(spec: SpectrogramJobSpec) -> str:
    """One of CLASSES: by the format that the job names, and its fft size."""
    size = next(name for name, most in FFT_SIZES.items() if spec.transform.fft_size <= most)
    return f"{spec.input.format}.{size}"


def report_of(attempt: Attempt, planned: int) -> int | None:
    """What this attempt, which is over, took of its planned peak, in percent; None where that says nothing.

    After it ran out of memory a fifth more than its limit is what it would have taken, at least.
    """
    if attempt.reason in OUT_OF_MEMORY:
        peak = attempt.memory_bytes * 6 // 5
    elif attempt.retry_class is RetryClass.SUCCESS and attempt.peak_memory_bytes:
        peak = min(attempt.peak_memory_bytes, attempt.memory_bytes)
    else:
        return None
    return min(max(1, 100 * peak // planned), _MOST_PERCENT)


def with_report(reports: Reports, kind: str, percent: int) -> Reports:
    """The reports with this one; the oldest beyond WINDOW is dropped."""
    return {**reports, kind: (*reports.get(kind, ()), percent)[-WINDOW:]}


def factor(percents: Iterable[int]) -> float:
    """By how much the estimate is multiplied, from 1 to 2."""
    ranked = sorted(percents)
    if len(ranked) < LEAST_REPORTS:
        return 1.0
    return max(1.0, ranked[int((1 - _LEFT_OUT) * (len(ranked) - 1))] / 100)


def read_reports(data: object) -> Reports:
    """The reports in a ConfigMap, which anybody may have edited: what is none is left out."""
    found = data if isinstance(data, Mapping) else {}
    texts = {kind: found.get(kind) for kind in CLASSES}
    read = {
        kind: tuple(int(word) for word in text.split() if word.isascii() and word.isdecimal() and len(word) <= 3)
        for kind, text in texts.items()
        if isinstance(text, str) and len(text) <= _LONGEST_TEXT
    }
    return {
        kind: tuple(min(max(1, percent), _MOST_PERCENT) for percent in percents)[-WINDOW:]
        for kind, percents in read.items()
        if percents
    }


def as_data(reports: Reports) -> dict[str, str]:
    """The reports as the data of a ConfigMap."""
    return {kind: " ".join(map(str, percents)) for kind, percents in reports.items()}
