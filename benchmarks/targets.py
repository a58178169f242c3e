"""The targets, and whether a run has reached them. A target that the run did not measure is named as not measured."""

import statistics
from collections.abc import Callable, Iterator

from benchmarks.measure import Run

Results = dict[tuple[str, int, int], dict[str, list[Run] | str]]
"""By kind of input, MiB and fft size: the runs of each contender, or why it has none."""

FFT = 1024


def print_targets(results: Results) -> bool:
    """Print a line for each target; True when none is missed."""
    print("\n| target | measured | |\n|---|---|---|")
    missed = False
    for text, measured, unit, reached in _targets(results):
        verdict = "not measured" if measured is None else "reached" if reached(measured) else "missed"
        missed |= verdict == "missed"
        print(f"| {text} | {'–' if measured is None else f'{measured:.2f}{unit}'} | {verdict} |")
    return not missed


def _targets(results: Results) -> Iterator[tuple[str, float | None, str, Callable[[float], bool]]]:
    """Each target: what it says, what was measured, its unit, when it is reached. All of cf32, fft 1024, hop 512."""
    long = max((size for kind, size, fft in results if (kind, fft) == ("cf32", FFT) and size <= 1024), default=0)
    speed = _ratio(results, long, "loop", "transform")
    yield "transform ≥ 2.5 × the flat scipy loop", speed, " ×", lambda found: found >= 2.5
    shot = max((size for size in _sizes(results) if _runs(results, size, "one_shot")), default=0)
    one_shot = _ratio(results, shot, "one_shot", "transform")
    yield "transform ≥ 15 × scipy one-shot", one_shot, " ×", lambda found: found >= 15
    peaks = [run.peak for size in _sizes(results) for run in _runs(results, size, "transform")]
    yield "transform: peak ≤ 80 MB", max(peaks, default=None), " MB", lambda found: found <= 80
    whole = {size: [run.peak for run in _runs(results, size, "worker")] for size in _sizes(results) if size >= 256}
    whole = {size: found for size, found in whole.items() if found}
    most = max((max(found) for found in whole.values()), default=None)
    yield "start to finish: peak ≤ 130 MB", most, " MB", lambda found: found <= 130
    medians = [statistics.median(found) for found in whole.values()]
    spread = (max(medians) - min(medians)) / 2 if len(medians) > 1 else None
    yield "start to finish: peak within ± 3 MB from 256 MiB to 4 GiB", spread, " MB", lambda found: found <= 3
    pairs = zip(_runs(results, long, "worker"), _runs(results, long, "transform"), strict=False)
    more = [worker.seconds - transform.seconds for worker, transform in pairs]
    added = statistics.median(more) if more else None
    yield "start to finish ≤ 1.5 s more than the transform", added, " s", lambda found: found <= 1.5


def _sizes(results: Results) -> list[int]:
    return [size for kind, size, fft in results if (kind, fft) == ("cf32", FFT)]


def _runs(results: Results, size: int, name: str) -> list[Run]:
    found = results.get(("cf32", size, FFT), {}).get(name, [])
    return found if isinstance(found, list) else []


def _ratio(results: Results, size: int, slow: str, fast: str) -> float | None:
    """The median over rounds of how many times faster one is than the other."""
    pairs = list(zip(_runs(results, size, slow), _runs(results, size, fast), strict=False))
    return statistics.median(one.seconds / other.seconds for one, other in pairs) if pairs else None
