"""The peak of resident memory, measured in a process of its own: flat in the length, and below what was said before."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, re, sys
from pathlib import Path
from unit.worker.recordings import open_raw
from unit.worker.spectrum.signals import stream
from spectrogram_worker.contract.memory import Known, plan_memory
from spectrogram_worker.contract.parameters import OutputSelection, Reduce, Transform
from spectrogram_worker.spectrum.compiled.library import widest_vector
import numpy, scipy.fft

def status(key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

options = json.loads(sys.argv[1])
recording = open_raw(Path(options["root"]), "cf32_le", options["name"])
scipy.fft.fft(numpy.zeros(8))
transform = Transform(fft_size=options["fft"], hop_size=options["hop"])
found = stream(recording, transform, Reduce(columns=500), threads=2, read_bytes=options["read"])
before = status("VmRSS")
for _ in found.columns():
    pass
known = Known(samples=recording.description.length, is_complex=True, vector=widest_vector(), read_ahead=0)
output = OutputSelection(formats=("npz",))
plan = plan_memory(transform, Reduce(columns=500), output, known, threads=2, read_bytes=options["read"])
print(json.dumps({"grew": status("VmHWM") - before, "estimate": plan.transform}))
"""


def measured(root: Path, samples: int, fft_size: int, hop: int, read_bytes: int = 2**21) -> dict[str, int]:
    """Bytes by which the process grew over a transform of silence, and its estimate."""
    name = f"{samples}.raw"
    with (root / name).open("wb") as file:
        file.truncate(samples * 8)  # a hole: takes no disk, and reads as zeros
    options = {"root": str(root), "name": name, "fft": fft_size, "hop": hop, "read": read_bytes}
    command = [sys.executable, "-c", PROGRAM, json.dumps(options)]
    result = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3], env={"PYTHONPATH": "."}
    )
    found: Any = json.loads(result.stdout)
    return {key: int(value) for key, value in found.items()}


def test_the_peak_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    short = measured(tmp_path, 2**22, 1024, 512)
    long = measured(tmp_path, 2**25, 1024, 512)
    assert long["estimate"] < short["estimate"] + 1e6
    assert long["grew"] < short["grew"] + 3e6
    assert long["grew"] < 16e6


@pytest.mark.parametrize(
    ("fft_size", "hop", "read_bytes"),
    [(4096, 2048, 512 * 1024), (65_536, 100, 512 * 1024), (262_144, 65_536, 512 * 1024), (1024, 512, 8 * 2**20)],
)
def test_the_peak_stays_below_the_estimate(tmp_path: Path, fft_size: int, hop: int, read_bytes: int) -> None:
    """The trap: an estimate without fft / hop was wrong by a factor of 1000 for 65536 / 100."""
    found = measured(tmp_path, 2**17 if hop == 100 else 2**22, fft_size, hop, read_bytes)
    assert found["grew"] <= found["estimate"] + 2e6
