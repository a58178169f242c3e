"""This worker against the other ways to a spectrogram: `make bench`, or python -m benchmarks.bench [--quick] [PART …]

Parts: formats (cf32, Digital RF plain and compressed, WAV at fft 1024), sizes (the plain ones at fft 256, 4096, 65536),
lengths (cf32 of 64 MiB to 4 GiB).
Everything is written to a folder and deleted at the end. The contenders of one input take turns, every run a process of
its own; what is printed are ratios to the flat scipy loop of the same run and the same input, as a Markdown table, and
at the end the targets. Only a machine that does nothing else gives numbers to quote.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import programs
from benchmarks.inputs import Recording, recording
from benchmarks.measure import Run, measure, python_module
from benchmarks.programs import Contender
from benchmarks.targets import FFT, Results, print_targets

PARTS = ("formats", "sizes", "lengths")
SIZES = (256, 1024, 4096, 65_536)
LENGTHS = (64, 256, 1024, 4096)
OF_LONG_SIZES = ("loop", "transform", "bound")
OF_LENGTHS = ("transform", "worker")
HEADING = """
| input | MiB | fft | contender | speed, × loop | CPU time, × loop | s | imports s | ns per sample | peak MB |
|---|---|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Measure the parts that were asked for; 1 where a target is missed, unless the recordings are too short to say."""
    options = _options()
    results: Results = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        print(HEADING)
        for kind, mebibytes, fft, names in _plan(options):
            source = recording(kind, Path(folder), mebibytes)
            if not source.path.exists():
                _forget(Path(folder), keep=kind)
                measure(python_module("benchmarks.inputs", kind, folder, str(mebibytes)))
            able = [one for one in programs.ALL if one.name in names and kind in one.kinds]
            found = compete(able, source, fft, options.repeat)
            results.setdefault((kind, mebibytes, fft), {}).update(found)
            _print_rows(source, fft, found)
    return 0 if print_targets(results) or options.quick else 1


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, int, int, Sequence[str]]]:
    """What is measured: kind, size in MiB, fft, names of the contenders. Inputs of a kind follow each other."""
    short, long = (16, 64) if options.quick else (256, 1024)
    lengths = (16, 64) if options.quick else LENGTHS
    for kind in programs.KINDS:
        for fft in SIZES if kind in programs.PLAIN else (FFT,):
            for mebibytes in (short, long) if ("formats" if fft == FFT else "sizes") in options.parts else ():
                samples = recording(kind, Path(), mebibytes).samples * 1024 // long
                names = [one.name for one in programs.ALL if one.takes(kind, samples, fft)]
                yield kind, mebibytes, fft, names if fft == FFT or mebibytes == short else OF_LONG_SIZES
        if kind == "cf32" and "lengths" in options.parts:
            for mebibytes in lengths:
                if mebibytes not in (short, long) or "formats" not in options.parts:
                    yield kind, mebibytes, FFT, OF_LENGTHS


def compete(contenders: Sequence[Contender], source: Recording, fft: int, rounds: int) -> dict[str, list[Run] | str]:
    """Each contender's runs, taken in turns, or why it has none."""
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
                runs.append(outcome)
    return found


def _print_rows(source: Recording, fft: int, found: dict[str, list[Run] | str]) -> None:
    loops = found.get("loop")
    for name, runs in found.items():
        title = next(one.title for one in programs.ALL if one.name == name)
        start = f"| {source.kind} | {source.mebibytes} | {fft} | {title} |"
        if isinstance(runs, str):
            print(f"{start} {runs} | | | | | |", flush=True)
            continue
        speed, cpu = "–", "–"
        if isinstance(loops, list):
            pairs = list(zip(loops, runs, strict=True))
            speed = f"{statistics.median(loop.seconds / run.seconds for loop, run in pairs):.2f}"
            cpu = f"{statistics.median(run.cpu / loop.cpu for loop, run in pairs):.2f}"
        seconds = statistics.median(run.seconds for run in runs)
        imports = statistics.median(run.imports for run in runs)
        peak = max(run.peak for run in runs)
        cost = 1e9 * statistics.median(run.cpu for run in runs) / source.samples
        print(f"{start} {speed} | {cpu} | {seconds:.2f} | {imports:.2f} | {cost:.2f} | {peak:.0f} |", flush=True)


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
    parser.add_argument("--folder", help="where recordings are written; needs 7 GB. Default: the temporary folder")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    options.parts = options.parts or list(PARTS)
    options.repeat = options.repeat or (1 if options.quick else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
