"""The transform against a plain chunked scipy.signal.spectrogram loop, interleaved in one run.

    python benchmarks/transform.py [--megabytes 512] [--fft 1024] [--hop 512] [--threads 2] [--repeat 5]

Both read the same file from the page cache, use every frame with a Hann window, take density in dB, and reduce to the
mean and at most 2000 columns. Each run is a process of its own, so that its peak of resident memory (VmHWM) is its own;
imports are not timed. The loop is the fastest flat one: it reads one column at a time, which fits into the L2 cache. On
a machine that others use too, only the CPU time says something.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = 2000
RATE = 1e6


def main() -> None:
    """Write a recording, run both programs in turn, print seconds, ratio and peak memory."""
    options = _options()
    if options.run:
        run = {"transform": transform, "loop": loop}[options.run](options)
        started, cpu = time.perf_counter(), time.process_time()
        run()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": _peak_megabytes()}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "noise.raw"
        write_noise(path, options.megabytes * 2**20, options.datatype)
        found: dict[str, list[dict[str, float]]] = {"transform": [], "loop": []}
        for _ in range(options.repeat):
            for program, results in found.items():
                command = [sys.executable, __file__, *sys.argv[1:], "--run", program, "--path", str(path)]
                results.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    for program, results in found.items():
        times = [result["seconds"] for result in results]
        cpu = min(result["cpu"] for result in results)
        peak = max(result["peak"] for result in results)
        print(
            f"{program:10} best {min(times):.3f} s, median {statistics.median(times):.3f} s,"
            f" least CPU time {cpu:.3f} s, peak {peak:.0f} MB"
        )
    pairs = zip(found["loop"], found["transform"], strict=True)
    ratios = [loop["seconds"] / transform["seconds"] for loop, transform in pairs]
    print(f"ratio      median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


def transform(options: argparse.Namespace) -> Callable[[], None]:
    """This project's transform, imported and ready."""
    from spectrogram_worker.contract.parameters import Raw, RecordingSelection, Reduce, Reduction, Transform, Window
    from spectrogram_worker.contract.parameters import WindowName as Name
    from spectrogram_worker.sources import open_recording
    from spectrogram_worker.sources.selection import select
    from spectrogram_worker.spectrum.stream import ColumnStream

    path = Path(options.path)
    raw = Raw(datatype=options.datatype, sample_rate=RATE)

    def run() -> None:
        recording = open_recording(path.parent, RecordingSelection(path=path.name, raw=raw))
        stream = ColumnStream(
            recording,
            select(recording.description, None),
            Transform(fft_size=options.fft, hop_size=options.hop, window=Window(name=Name.HANN)),
            Reduce(time=(Reduction.MEAN,), columns=COLUMNS),
            threads=options.threads,
            read_bytes=options.read_kilobytes * 1024,
        )
        for _ in stream.columns():
            pass

    return run


def loop(options: argparse.Namespace) -> Callable[[], None]:
    """The plain loop: read the samples of a column, transform, reduce, next."""
    from scipy.signal import get_window, spectrogram

    window = get_window("hann", options.fft).astype(np.float32)
    component = np.dtype({"cf32_le": "<c8", "ci16_le": "<i2", "rf32_le": "<f4"}[options.datatype])
    parts = 2 if options.datatype == "ci16_le" else 1

    def run() -> None:
        samples = Path(options.path).stat().st_size // (component.itemsize * parts)
        frames = (samples - options.fft) // options.hop + 1
        per_column = -(-frames // COLUMNS)
        with Path(options.path).open("rb") as file:
            for first in range(0, frames, per_column):
                count = (min(per_column, frames - first) - 1) * options.hop + options.fft
                file.seek(first * options.hop * component.itemsize * parts)
                block: Any = np.fromfile(file, component, count * parts)
                if parts == 2:
                    block = (block.astype(np.float32) / 32768).view(np.complex64)
                power = spectrogram(
                    block,
                    RATE,
                    window,
                    noverlap=options.fft - options.hop,
                    detrend=False,
                    return_onesided=options.datatype[0] == "r",
                    mode="psd",
                )[2]
                10 * np.log10(power.mean(axis=1))

    return run


def write_noise(path: Path, size: int, datatype: str) -> None:
    """A file of `size` bytes of noise, written piece by piece."""
    source = np.random.default_rng(1)
    with path.open("wb") as file:
        for _ in range(size // (2**21 * (2 if datatype == "ci16_le" else 4))):
            noise = source.standard_normal(2**21, np.float32) * 0.1
            content = (noise * 32767).astype("<i2") if datatype == "ci16_le" else noise.astype("<f4")
            file.write(content.tobytes())


def _peak_megabytes() -> float:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 / 1e6 if match else float("nan")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512, help="size of the recording in MiB")
    parser.add_argument("--fft", type=int, default=1024)
    parser.add_argument("--hop", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--read-kilobytes", type=int, default=2048, help="how much a thread reads at a time")
    parser.add_argument("--datatype", choices=("cf32_le", "ci16_le", "rf32_le"), default="cf32_le")
    parser.add_argument("--folder", help="where to write the recording; default: the system's temporary folder")
    parser.add_argument("--run", choices=("transform", "loop"), help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
