"""This worker against the other ways to a spectrogram: `make bench`, or python -m benchmarks.bench [--quick] [PART …]

Parts: formats (cf32, Digital RF plain and compressed, WAV at fft 1024), sizes (the plain ones at fft 256, 4096, 65536),
lengths (cf32 of 64 MiB to 4 GiB; sparse files of up to 16 GiB), limits (cf32 at many fft sizes beside scipy.fft and
FFTW alone), cases (cf32: double precision, detrending, more reductions, other hops, one thread; and what the whole
program takes beside the transform).
Everything is written to a folder and deleted at the end. The contenders of one input take turns, every run a process of
its own; what is printed are ratios to the flat scipy loop of the same run and the same input, as a Markdown table, and
at the end the targets. Only a machine that does nothing else gives numbers to quote.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import programs
from benchmarks.inputs import Recording, recording
from benchmarks.measure import Run, measure, python_module
from benchmarks.programs import Contender
from benchmarks.targets import FFT, LIMITED, SPARSE, SPARSE_LENGTHS, Results, print_targets

PARTS = ("formats", "sizes", "lengths", "limits", "cases")
SIZES = (256, 1024, 4096, 65_536)
LENGTHS = (64, 256, 1024, 4096)
OF_LONG_SIZES = OF_LIMITS = ("loop", "transform", "scipy_fft", "fftw")
OF_CASES = ("transform", *programs.CASES, "worker", "matplotlib")
OF_LENGTHS = ("transform", "worker")
MEMORY = "/dev/shm"
"""A file system that has nothing to fetch for a hole in a file: others fill the page cache with zeros."""
HEADING = """
| input | MiB | fft | contender | speed, × loop | × FFTW | CPU time, × loop | s | imports s | ns per sample | peak MB |
|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Measure the parts that were asked for; 1 where a target is missed, unless the recordings are too short to say."""
    options = _options()
    results: Results = {}
    in_memory = MEMORY if Path(MEMORY).is_dir() else options.folder
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as usual,
        tempfile.TemporaryDirectory(dir=in_memory, prefix="bench-") as sparse,
    ):
        print(HEADING)
        for kind, mebibytes, fft, names in _plan(options):
            folder = sparse if kind == SPARSE else usual
            source = recording(kind, Path(folder), mebibytes)
            if not source.path.exists():
                _forget(Path(folder), keep=kind)
                measure(python_module("benchmarks.inputs", kind, folder, str(mebibytes)))
            able = [one for one in programs.ALL if one.name in names and kind in one.kinds]
            found = compete(able, source, fft, options.repeat, shared=options.shared)
            results.setdefault((kind, mebibytes, fft), {}).update(found)
            _print_rows(source, fft, found)
    return 0 if print_targets(results) or options.quick else 1


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, int, int, Sequence[str]]]:
    """What is measured: kind, size in MiB, fft, names of the contenders. Inputs of a kind follow each other."""
    short, long = (16, 64) if options.quick else (256, 1024)
    lengths = (16, 64) if options.quick else LENGTHS
    for kind in programs.KINDS:
        for fft in SIZES if kind in programs.PLAIN else (FFT,):
            if kind == SPARSE or ("formats" if fft == FFT else "sizes") not in options.parts:
                continue
            for mebibytes in (short, long):
                samples = recording(kind, Path(), mebibytes).samples * 1024 // long
                names = [one.name for one in programs.ALL if one.takes(kind, samples, fft)]
                yield kind, mebibytes, fft, names if fft == FFT or mebibytes == short else OF_LONG_SIZES
        if kind == "cf32" and "lengths" in options.parts:
            for mebibytes in lengths:
                if mebibytes not in (short, long) or "formats" not in options.parts:
                    yield kind, mebibytes, FFT, OF_LENGTHS
        if kind == SPARSE and "lengths" in options.parts:
            for mebibytes in lengths if options.quick else SPARSE_LENGTHS:
                yield kind, mebibytes, FFT, ("transform",)
        if kind == "cf32" and "limits" in options.parts:
            for fft in options.ffts or LIMITED:
                yield kind, long, fft, OF_LIMITS
        if kind == "cf32" and "cases" in options.parts:
            yield kind, long, FFT, [name for name in OF_CASES if not (options.shared and name == "one_thread")]


def compete(
    contenders: Sequence[Contender], source: Recording, fft: int, rounds: int, *, shared: bool
) -> dict[str, list[Run] | str]:
    """Each contender's runs, taken in turns, or why it has none. shared: their seconds are those of their CPU time."""
    found: dict[str, list[Run] | str] = {}
    for _ in range(rounds):
        for contender in contenders:
            runs = found.setdefault(contender.name, [])
            if isinstance(runs, str):
                continue
            outcome = programs.outcome(contender, source, fft)
            if isinstance(outcome, str):
                found[contender.name] = outcome
            else:
                runs.append(replace(outcome, seconds=outcome.cpu) if shared else outcome)
    return found


def _print_rows(source: Recording, fft: int, found: dict[str, list[Run] | str]) -> None:
    for name, runs in found.items():
        title = next(one.title for one in programs.ALL if one.name == name)
        start = f"| {source.kind} | {source.mebibytes} | {fft} | {title} |"
        if isinstance(runs, str):
            print(f"{start} {runs} | | | | | | |", flush=True)
            continue
        speed = _median(found.get("loop"), runs, lambda loop, run: loop.seconds / run.seconds)
        share = _median(found.get("fftw"), runs, lambda fftw, run: fftw.seconds / run.seconds)
        cpu = _median(found.get("loop"), runs, lambda loop, run: run.cpu / loop.cpu)
        seconds = statistics.median(run.seconds for run in runs)
        imports = statistics.median(run.imports for run in runs)
        peak = max(run.peak for run in runs)
        cost = 1e9 * statistics.median(run.cpu for run in runs) / source.samples
        times = f"{seconds:.3f} | {imports:.2f} | {cost:.2f} | {peak:.0f}"
        print(f"{start} {speed} | {share} | {cpu} | {times} |", flush=True)


def _median(others: list[Run] | str | None, runs: list[Run], ratio: Callable[[Run, Run], float]) -> str:
    """The median of the rounds' ratios to another contender, for people."""
    if not isinstance(others, list):
        return "–"
    return f"{statistics.median(ratio(other, run) for other, run in zip(others, runs, strict=True)):.2f}"


def _forget(folder: Path, *, keep: str) -> None:
    """Delete recordings of other kinds: each kind needs some GiB."""
    for path in folder.glob("noise-*"):
        mebibytes = int("".join(filter(str.isdigit, path.stem)))
        if path == recording(keep, folder, mebibytes).path:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="short recordings, one round: does it run at all?")
    parser.add_argument("--repeat", type=int, default=0, help="rounds; default: 5, or 1 with --quick")
    parser.add_argument("--shared", action="store_true", help="others use the machine too: seconds are CPU time")
    parser.add_argument("--ffts", type=int, nargs="+", help="sizes of the part limits; default: all")
    parser.add_argument("--folder", help="where recordings are written; needs 7 GB. Default: the temporary folder")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    options.parts = options.parts or list(PARTS)
    options.repeat = options.repeat or (1 if options.quick else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
