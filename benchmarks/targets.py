"""The targets, and whether a run has reached them. A target that the run did not measure is named as not measured."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Run

Results = dict[tuple[str, int, int], dict[str, list[Run] | str]]
"""By kind of input, MiB and fft size: the runs of each contender, or why it has none."""

FFT = 1024
SHORT, MEDIUM = (256, 1024), (2048, 4096)
LONG = (8192, 16_384, 65_536, 262_144, 1_048_576)
MIXED = (1000, 1200, 3000, 12_000, 50_000)
LIMITED = tuple(sorted((*SHORT, *MEDIUM, *LONG, *MIXED)))
"""The fft sizes that are compared with the FFTW bound."""
SPARSE, SPARSE_LENGTHS = "cf32-sparse", (64, 256, 1024, 4096, 16_384)
_MOST_SPREAD = 0.3


@dataclass(frozen=True)
class Target:
    """What is to be reached. found: a value for each round; limit: the least of their median, or the most."""

    text: str
    found: Sequence[float]
    limit: float
    unit: str = " ×"
    at_most: bool = False

    @property
    def measured(self) -> str:
        """The median, for people."""
        return f"{statistics.median(self.found):.2f}{self.unit}" if self.found else "–"

    @property
    def verdict(self) -> str:
        """Whether it is reached, as far as rounds that differ that much can say."""
        if not self.found:
            return "not measured"
        median = statistics.median(self.found)
        if max(self.found) - min(self.found) > _MOST_SPREAD * abs(median):
            return "too noisy to say"
        return "reached" if (median <= self.limit if self.at_most else median >= self.limit) else "missed"


def print_targets(results: Results) -> bool:
    """Print a line for each target; True when none is missed."""
    print("\n| target | measured | |\n|---|---|---|")
    verdicts = []
    for target in _targets(results):
        sign = "≤" if target.at_most else "≥"
        print(f"| {target.text} {sign} {target.limit:g}{target.unit} | {target.measured} | {target.verdict} |")
        verdicts.append(target.verdict)
    return "missed" not in verdicts


def _targets(results: Results) -> Iterator[Target]:
    """Each target. Of cf32, fft 1024, hop 512 where it says nothing else."""
    long = max((size for kind, size, fft in results if (kind, fft) == ("cf32", FFT) and size <= 1024), default=0)

    def ratios(one: str, other: str, *, kind: str = "cf32", fft: int = FFT) -> list[float]:
        """Of their seconds, round by round."""
        pairs = _pairs(results.get((kind, long, fft), {}), one, other)
        return [first.seconds / second.seconds for first, second in pairs]

    for sizes, least in ((SHORT, 0.8), (MEDIUM, 0.7), (LONG, 0.5), (MIXED, 0.45)):
        for fft in sizes:
            yield Target(f"fft {fft}: speed of the FFTW bound", ratios("fftw", "transform", fft=fft), least)
    for fft in LONG:
        yield Target(f"fft {fft}: speed of scipy.fft", ratios("scipy_fft", "transform", fft=fft), 1)
    for kind in ("digital-rf", "wav"):
        yield Target(f"{kind}: speed of the FFTW bound", ratios("fftw", "transform", kind=kind), 0.7)
        yield Target(f"{kind}: speed of its library's bare reading", ratios("reading", "transform", kind=kind), 0.9)
    yield Target("speed of the flat scipy loop", ratios("loop", "transform"), 6.5)
    shot = max((size for size in _sizes(results) if _runs(results, size, "one_shot")), default=0)
    pairs = _pairs(results.get(("cf32", shot, FFT), {}), "one_shot", "transform")
    yield Target("speed of scipy one-shot", [one.seconds / other.seconds for one, other in pairs], 15)
    yield Target("time of double precision", ratios("double", "transform"), 2.6, at_most=True)
    for case, title, frames in (
        ("detrend", "detrending", 1),
        ("three", "max, min and mean", 1),
        ("hop_256", "hop 256, for each frame", 2),
        ("hop_500", "hop 500, for each frame", 1.024),
    ):
        found = [one / frames for one in ratios(case, "transform")]
        yield Target(f"time of {title}", found, 1.3, at_most=True)
    yield Target("speed of two threads against one", ratios("one_thread", "transform"), 1.7)
    costs = [[run.cpu / size for run in _runs(results, size, "transform", SPARSE)] for size in SPARSE_LENGTHS]
    rounds = zip(*filter(None, costs), strict=False)
    grown = [max(longer) / shortest for shortest, *longer in rounds if longer]
    yield Target("cost of a sample up to 16 GiB: that of 64 MiB", grown, 1.1, at_most=True)
    peaks = [run.peak for size in _sizes(results) for run in _runs(results, size, "transform")]
    yield Target("transform: peak", [max(peaks)] if peaks else [], 80, " MB", at_most=True)
    yield Target("transform: peaks from 256 MiB to 4 GiB, ±", _spread(results, "transform"), 2, " MB", at_most=True)
    most = [run.peak for size in _sizes(results) if size >= 256 for run in _runs(results, size, "worker")]
    yield Target("start to finish: peak", [max(most)] if most else [], 130, " MB", at_most=True)
    yield Target("start to finish: peaks from 256 MiB to 4 GiB, ±", _spread(results, "worker"), 3, " MB", at_most=True)
    runs = results.get(("cf32", long, FFT), {})
    beside = zip(_pairs(runs, "worker", "transform"), _pairs(runs, "matplotlib", "transform"), strict=False)
    added = [(worker.cpu - transform.cpu) / imported.cpu for (worker, transform), (imported, _) in beside]
    yield Target(
        "start to finish without the transform: CPU time of importing matplotlib.figure", added, 1.5, at_most=True
    )


def _pairs(runs: dict[str, list[Run] | str], one: str, other: str) -> list[tuple[Run, Run]]:
    """The runs of two contenders, those of a round together."""
    first, second = runs.get(one, []), runs.get(other, [])
    return list(zip(first, second, strict=False)) if isinstance(first, list) and isinstance(second, list) else []


def _sizes(results: Results) -> list[int]:
    return [size for kind, size, fft in results if (kind, fft) == ("cf32", FFT)]


def _spread(results: Results, name: str) -> list[float]:
    """Half of the distance between the lowest and the highest peak of recordings of 256 MiB and more, in MB."""
    peaks = [[run.peak for run in _runs(results, size, name)] for size in _sizes(results) if size >= 256]
    medians = [statistics.median(found) for found in peaks if found]
    return [(max(medians) - min(medians)) / 2] if len(medians) > 1 else []


def _runs(results: Results, size: int, name: str, kind: str = "cf32") -> list[Run]:
    found = results.get((kind, size, FFT), {}).get(name, [])
    return found if isinstance(found, list) else []
