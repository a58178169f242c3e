"""Peak resident memory of the whole worker must not depend on the length of the recording.

    python benchmarks/memory.py [--sizes 256 2048] [--threads 2] [--fft 1024] [--hop 512] [--repeat 3]

Runs `python -m spectrogram_worker` as a job would, PNG and NPZ included, on raw cf32 noise of each size in MiB, prints
the peak (VmHWM), the whole time and its stages. Exits 1 where the peaks differ by more than 10 MB. On the largest file
the worker takes turns with a plain chunked loop over scipy.signal.spectrogram, reduced to the mean per column. Ratios,
the median of the pairs: the loop's time against the worker's, start-up and files included, and against the worker's
transform alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MIB = 2**20
RATE = 1e6
COLUMNS = 2000
MOST_DIFFERENCE = 10_000_000


@dataclass(frozen=True)
class Run:
    """One run of the worker: wall time in seconds, what it reported, what its manifest says."""

    seconds: float
    report: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def peak(self) -> int:
        """Peak resident set in bytes."""
        return int(self.report["memory"]["peakBytes"])


def main() -> int:
    """Measure, print, and judge the difference of the peaks."""
    options = _options()
    if options.loop:
        print(scipy_loop(Path(options.loop), options.fft, options.hop))
        return 0
    runs: list[Run] = []
    pairs: list[tuple[Run, float]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size in sorted(options.sizes):
            path = write_noise(Path(folder) / f"noise-{size}.cf32", size * MIB)
            runs.append(run_worker(Path(folder), path, options))
            _print_run(size, runs[-1])
        for _ in range(options.repeat):
            loop_command = [sys.executable, __file__, *sys.argv[1:], "--loop", str(path)]
            loop = float(subprocess.run(loop_command, check=True, capture_output=True).stdout)
            pairs.append((run_worker(Path(folder), path, options), loop))
    runs += [run for run, _ in pairs]
    difference = max(run.peak for run in runs) - min(run.peak for run in runs)
    print(f"difference of the peaks: {difference / 1e6:.1f} MB (at most {MOST_DIFFERENCE / 1e6:.0f})")
    whole = statistics.median(loop / run.seconds for run, loop in pairs)
    transform = statistics.median(loop / run.manifest["stageSeconds"]["spectrogram"] for run, loop in pairs)
    loops = ", ".join(f"{loop:.2f}" for _, loop in pairs)
    print(f"scipy loop: {loops} s; median {whole:.2f} × the worker, {transform:.2f} × its transform")
    return 0 if difference <= MOST_DIFFERENCE else 1


def write_noise(path: Path, size: int) -> Path:
    """A file of `size` bytes of complex float32 noise; reading it back from the page cache is what is timed."""
    block = np.random.default_rng(0).standard_normal(MIB, np.float32).tobytes()
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    return path


def run_worker(folder: Path, recording: Path, options: argparse.Namespace) -> Run:
    """One job, as the operator would start it."""
    uid = str(time.time_ns())  # another job, which replaces the results of the one before
    document = {
        "job": {"namespace": "bench", "name": recording.stem, "uid": uid, "attempt": 1, "specHash": "1"},
        "input": {"path": recording.name, "raw": {"datatype": "cf32_le", "sampleRate": RATE}},
        "transform": {"fftSize": options.fft, "hopSize": options.hop, "window": {"name": "hann"}},
        "reduce": {"time": ["max", "mean"], "columns": COLUMNS},
        "limits": {"softSeconds": 36000, "memoryBytes": 2**30, "threads": options.threads},
        "folders": {
            "input": str(folder),
            "output": str(folder),
            "scratch": str(folder),
            "terminationMessage": str(folder / "termination"),
        },
        "port": 0,
    }
    environment = {**os.environ, "SPECTROGRAM_JOB": json.dumps(document)}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "spectrogram_worker"], env=environment, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    manifest = json.loads((folder / recording.stem / "manifest.json").read_text())
    return Run(seconds, json.loads((folder / "termination").read_text()), manifest)


def scipy_loop(path: Path, fft: int, hop: int) -> float:
    """Seconds of the plain way to flat memory: one column at a time through scipy.signal.spectrogram."""
    import scipy.signal

    frames = (path.stat().st_size // 8 - fft) // hop + 1
    per_column = -(-frames // COLUMNS)
    window = scipy.signal.get_window("hann", fft)
    columns = []
    began = time.perf_counter()
    with path.open("rb") as file:
        for first in range(0, frames, per_column):
            count = min(per_column, frames - first)
            file.seek(8 * first * hop)
            samples = np.fromfile(file, np.complex64, (count - 1) * hop + fft)
            power = scipy.signal.spectrogram(
                samples, RATE, window, fft, fft - hop, detrend=False, return_onesided=False, mode="psd"
            )[2]
            columns.append(10 * np.log10(power.mean(axis=1)))
    np.array(columns)
    return time.perf_counter() - began


def _print_run(size: int, run: Run) -> None:
    stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in run.manifest["stageSeconds"].items())
    memory = run.report["memory"]
    print(
        f"{size:6} MiB: peak {run.peak / 1e6:.1f} MB (estimated {memory['estimateBytes'] / 1e6:.1f}), "
        f"{run.seconds:.2f} s in all ({stages})",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 2048], metavar="MIB")
    parser.add_argument("--fft", type=int, default=1024)
    parser.add_argument("--hop", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="pairs of worker and loop on the largest file")
    parser.add_argument("--folder", help="where the recordings are written; default: the system's temporary folder")
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
