"""The programs that are compared: how each is started for a recording, or why it is not there."""

import json
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fftw
from benchmarks.inputs import Recording
from benchmarks.measure import Failed, Run, measure, project, python_module
from benchmarks.targets import SPARSE

PLAIN = ("cf32", "digital-rf", "wav")
KINDS = ("cf32", SPARSE, "digital-rf", "digital-rf-deflated", "wav")
COLUMNS = 2000
THREADS = 2
LIBROSA = Path.home() / ".cache/spectrogram-operator/librosa"


class Absent(Exception):  # noqa: N818 - no error
    """The program is not on this machine; says why."""


@dataclass(frozen=True)
class Contender:
    """A program to compare. kinds: the recordings that it reads. samples: of the longest that is sensible for it."""

    name: str
    title: str
    kinds: tuple[str, ...] = KINDS
    samples: int = 2**30
    ffts: tuple[int, ...] = (256, 1024, 4096, 65536)

    def takes(self, kind: str, samples: int, fft: int) -> bool:
        """Whether it is for a recording of this kind and length, and for this fft size."""
        return kind in self.kinds and samples <= self.samples and fft in self.ffts


CASES = {
    "double": "double precision",
    "detrend": "detrending",
    "three": "max, min and mean",
    "hop_256": "hop 256",
    "hop_500": "hop 500",
    "one_thread": "one thread",
}
"""Other jobs than the plain one of fft 1024, hop 512, mean, two threads."""

ALL = (
    Contender("loop", "flat scipy loop"),
    Contender("transform", "this worker, transform stage"),
    Contender("worker", "this worker, start to finish, PNG and NPZ, max and mean"),
    Contender("scipy_fft", "scipy.fft: read and FFT, nothing else", ("cf32",)),
    Contender("fftw", "FFTW bound: read and FFT, nothing else", PLAIN),
    Contender("reading", "the format's own library: reading, nothing else", ("digital-rf", "wav")),
    Contender("one_shot", "scipy.signal.spectrogram, one shot", PLAIN, samples=2**27),
    Contender("chunks", "scipy in chunks, concatenated", PLAIN, samples=2**27),
    Contender("sox", "sox spectrogram", ("wav",), ffts=(256, 1024)),
    Contender("ffmpeg", "ffmpeg showspectrumpic", ("wav",), samples=2**27, ffts=(1024, 4096)),
    Contender("librosa", "librosa stft", ("wav",), samples=2**27),
    Contender("drf_sti", "drf_sti of digital_rf", ("digital-rf",), samples=2**26, ffts=(1024,)),
    *(Contender(name, f"transform stage, {title}", ffts=()) for name, title in CASES.items()),
    Contender("matplotlib", "import of matplotlib.figure", ffts=()),
)


def run(contender: Contender, source: Recording, fft: int) -> Run:
    """One run. Raises Absent, or Failed where the program ends with an error."""
    picture = str(source.path.parent / f"{contender.name}.png")
    if contender.name == "worker":
        return _worker(source, fft)
    if contender.name == "fftw":
        return measure(fftw.command(source, fft))
    if contender.name == "matplotlib":
        return measure([sys.executable, "-c", "import matplotlib.figure"], _as_in_an_image(source))
    if contender.name == "sox":
        # Its transform has 2 · (height − 1) points, and a height of 1200 at most.
        size = ["-y", str(fft // 2 + 1), "-x", str(COLUMNS), "-w", "Hann"]
        return measure([_found("sox"), str(source.path), "-n", "spectrogram", *size, "-o", picture])
    if contender.name == "ffmpeg":
        filters = f"showspectrumpic=s={COLUMNS}x{fft // 2}:win_func=hann"
        quiet = ["-hide_banner", "-loglevel", "error", "-y"]
        return measure([_found("ffmpeg"), *quiet, "-i", str(source.path), "-lavfi", filters, picture])
    if contender.name == "drf_sti":
        return _drf_sti(source, fft, picture)
    arguments = [contender.name, source.kind, str(source.path.parent), str(source.mebibytes), str(fft)]
    if contender.name == "librosa":
        command = [_librosa(), "-m", "benchmarks.contenders", *arguments]
        return measure(command, {"PYTHONPATH": str(project()), "NUMBA_CACHE_DIR": str(LIBROSA / "numba")})
    # The worker sets this too: its threads do not wait for those of a library.
    return measure(python_module("benchmarks.contenders", *arguments), {"OPENBLAS_NUM_THREADS": "1"})


def _worker(source: Recording, fft: int) -> Run:
    """The whole program, as the operator starts it: from the document to the published results."""
    folder = source.path.parent
    selection: dict[str, object] = {"path": source.path.name}
    if source.kind == "cf32":
        selection["raw"] = {"datatype": "cf32_le", "sampleRate": source.rate}
    document = {
        "job": {"namespace": "bench", "name": "results", "uid": str(time.time_ns()), "attempt": 1, "specHash": "1"},
        "input": selection,
        "transform": {"fftSize": fft, "hopSize": fft // 2, "window": {"name": "hann"}},
        "reduce": {"time": ["max", "mean"], "columns": COLUMNS},
        "limits": {"softSeconds": 36000, "memoryBytes": 2**30, "threads": THREADS},
        "folders": {
            "input": str(folder),
            "output": str(folder),
            "scratch": str(folder),
            "terminationMessage": str(folder / "termination"),
        },
        "port": 0,
    }
    environment = {"SPECTROGRAM_JOB": json.dumps(document), **_as_in_an_image(source)}
    found = measure(python_module("spectrogram_worker"), environment)
    shutil.rmtree(folder / "results")
    return found


def _as_in_an_image(source: Recording) -> dict[str, str]:
    """An image brings along matplotlib's font cache and compiled modules: here the first run makes them."""
    return {"MPLCONFIGDIR": str(source.path.parent / "matplotlib"), "PYTHONDONTWRITEBYTECODE": ""}


def _drf_sti(source: Recording, fft: int, picture: str) -> Run:
    script = Path(sys.executable).parent / "drf_sti.py"
    if not script.exists():
        raise Absent("digital_rf has not installed drf_sti.py")
    # One panel of as many columns as ours; it leaves out the samples between.
    frames = source.samples // fft
    size = ["-f", "1", "-l", str(min(COLUMNS, frames)), "-b", str(fft), "-i", str(max(1, frames // COLUMNS))]
    command = [sys.executable, str(script), "-c", "ch0:0", *size, "-o", picture, str(source.path)]
    return measure(command, {"MPLBACKEND": "Agg"})


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Absent(f"{program} is not installed (apt-get install {program})")
    return path


def _librosa() -> str:
    """Python of the environment of its own that librosa lives in, which is made here; no lock file knows of it."""
    python = LIBROSA / "bin/python"
    if not (LIBROSA / "installed").exists():
        venv.create(LIBROSA, with_pip=True, symlinks=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "librosa"]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode != 0:
            raise Absent(f"librosa cannot be installed: {done.stderr.strip().splitlines()[-1][:100]}")
        (LIBROSA / "installed").touch()
    return str(python)


def outcome(contender: Contender, source: Recording, fft: int) -> Run | str:
    """The run, or why there is none."""
    try:
        return run(contender, source, fft)
    except Absent as absent:
        return f"not available: {absent}"
    except Failed as failed:
        return f"not available: it {failed}"
