"""The bound with FFTW: Debian's library, and a program of ours that is compiled against it when it is first wanted."""

import os
import subprocess
from functools import partial
from pathlib import Path

from benchmarks.inputs import Recording
from benchmarks.measure import Failed

from harness import cache
from harness.programs import debian

PACKAGE = "libfftw3-dev"
_SOURCE = Path(__file__).with_name("fftw_bound.c")


def command(source: Recording, fft: int) -> list[str]:
    """The command that reads a recording's files and transforms as many frames. Raises Failed where there is none."""
    program = cache.cached("fftw", cache.key_of(_SOURCE.read_text()), partial(_compile, _SOURCE)) / "fftw_bound"
    files = sorted(source.path.rglob("rf@*.h5")) if source.path.is_dir() else [source.path]
    kind = "complex" if source.is_complex else "real"
    return [str(program), str(fft), str(fft // 2), str(source.sample_bytes), kind, *map(str, files)]


def _compile(source: Path, folder: Path) -> None:
    if debian.HERE and os.geteuid() == 0:
        debian.ensure_installed((PACKAGE, "gcc", "libc6-dev"))
    compiler = ["cc", "-O2", "-pthread", "-o", str(folder / "fftw_bound"), str(source), "-lfftw3f"]
    try:
        done = subprocess.run(compiler, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"needs a C compiler: {error}") from error
    if done.returncode != 0:
        raise Failed(f"was not compiled, is {PACKAGE} installed? {done.stderr.strip().splitlines()[0][:100]}")
