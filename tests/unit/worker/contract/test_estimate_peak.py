"""The estimate against the peak: whole workers, each a process of its own, over sizes, lengths and formats.

The table is printed: pytest -s tests/unit/worker/contract/test_estimate_peak.py
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import WorkerDocument
from spectrogram_worker.contract.memory import Known, plan_memory
from spectrogram_worker.contract.parameters import InputFormat
from unit.worker.jobs import document
from unit.worker.recordings import FIRST_SAMPLE, RATE, write_center_frequencies, write_digital_rf, write_sigmf
from unit.worker.worker_process import start, wait

MEBI = 2**20
Fields = dict[str, Any]
LOWEST, HIGHEST = 2 / 3, 1.0
_FORMATS = {
    "drf": InputFormat.DIGITAL_RF,
    "sigmf": InputFormat.SIGMF,
    "numpy": InputFormat.NUMPY,
    "wav": InputFormat.AUDIO,
    "flac": InputFormat.AUDIO,
}
HEADING = (
    f"{'input':>14} {'fft':>8} {'hop':>7} {'samples':>9} {'columns':>7}  {'formats':18}"
    f"  {'peak MB':>7} {'estimate':>8}  ratio"
)


@dataclass(frozen=True)
class Case:
    """One job: sizes, and what it writes."""

    fft: int
    formats: str
    input: str = "raw"
    samples: int = 4 * MEBI
    hop: int = 0
    columns: int = 4096
    threads: int = 2
    precision: str = "single"
    reductions: tuple[str, ...] = ("max", "mean")

    @property
    def format(self) -> InputFormat:
        """What the job may name."""
        kind = self.input.partition(" ")[0]
        return _FORMATS.get(kind, InputFormat.RAW)

    @property
    def changes(self) -> dict[str, Any]:
        """What the document says of it."""
        return {
            "transform": {"fftSize": self.fft, "hopSize": self.hop or self.fft // 2, "precision": self.precision},
            "reduce": {"columns": self.columns, "time": self.reductions},
            "output": {"formats": self.formats.split()},
            "limits": {"softSeconds": 600, "memoryBytes": 4 * 2**30, "threads": self.threads},
        }


CASES = (
    Case(8, "npz", samples=MEBI // 4),
    Case(8, "png zarr hdf5", samples=MEBI // 4, threads=1),
    Case(1024, "png npz"),
    Case(1024, "png npz", samples=32 * MEBI),
    Case(1024, "zarr", samples=2 * MEBI, reductions=("max", "mean", "min")),
    Case(1024, "zarr", samples=32 * MEBI),
    Case(1024, "hdf5", samples=MEBI),
    Case(1024, "hdf5", samples=32 * MEBI),
    Case(4096, "png npz zarr hdf5"),
    Case(65_536, "png npz zarr hdf5", hop=16_384),
    Case(65_536, "hdf5", hop=16_384, precision="double"),
    Case(2**20, "png npz", samples=16 * MEBI),
    Case(2**20, "npz zarr", threads=1),
    Case(2**20, "zarr hdf5", samples=16 * MEBI),
    Case(1024, "npz", "gaps", 16 * MEBI),
    Case(256, "npz", "gaps", 16 * MEBI, threads=1),
    Case(1024, "npz", "drf padded", 16 * MEBI),
    Case(8, "npz", samples=MEBI // 4, hop=1),
    Case(8, "npz", samples=MEBI // 4, hop=1, threads=4, precision="double"),
    Case(16, "npz", samples=MEBI, hop=1, threads=1),
    Case(1024, "npz", "drf compressed", 16 * MEBI, threads=4),
    Case(64, "npz", "drf compressed", 16 * MEBI, threads=4),
    Case(1024, "npz", "sigmf annotated", MEBI),
    Case(1024, "npz", "drf tuned", MEBI),
    Case(1024, "npz", "wav 24"),
    *(
        Case(fft, "png npz", name, samples)
        for name in ("sigmf", "numpy", "wav", "flac", "drf", "drf compressed")
        for fft, samples in ((1024, MEBI), (1024, 16 * MEBI), (65_536, 4 * MEBI))
    ),
)


def write_raw(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    with (folder / "signal.cf32").open("wb") as file:
        for _ in range(repeats):
            file.write((noise / np.float32(2**15)).tobytes())
    return {"path": "signal.cf32", "raw": {"datatype": "cf32_le", "sampleRate": RATE}}


def write_gaps(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    samples = (noise / np.float32(2**15)).astype(np.float32)
    samples[::10_007] = np.nan
    (folder / "gaps.cf32").write_bytes(samples.tobytes() * repeats)
    return {"path": "gaps.cf32", "raw": {"datatype": "cf32_le", "sampleRate": RATE}}


def write_padded(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    """Real samples: to tell padding from clipping, a reader looks at runs."""
    length = len(noise)
    blocks = [(number * (length + 300), noise[:, :1]) for number in range(repeats)]
    write_digital_rf(folder, blocks, name="padded", is_complex=False, continuous=True)
    return {"path": "padded"}


def write_sigmf_pair(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    write_sigmf(folder, noise.tobytes() * repeats, datatype="ci16_le")
    return {"path": "signal.sigmf-meta"}


def write_annotated(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    """Metadata of 15 MB, as programs write it that mark every burst."""
    write_sigmf(folder, noise.tobytes() * repeats, datatype="ci16_le", name="annotated")
    path = folder / "annotated.sigmf-meta"
    document = json.loads(path.read_text())
    document["annotations"] = [
        {
            "core:sample_start": number,
            "core:sample_count": 100,
            "core:freq_lower_edge": 1e6 + number / 3,
            "core:label": f"burst {number}",
        }
        for number in range(120_000)
    ]
    path.write_text(json.dumps(document))
    return {"path": "annotated.sigmf-meta"}


def write_tuned(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    """A centre frequency that is said again every hundredth of a second."""
    blocks = [(number * len(noise), noise) for number in range(repeats)]
    channel = write_digital_rf(folder, blocks, name="tuned")
    write_center_frequencies(channel, {FIRST_SAMPLE + number * RATE // 100: 1e6 for number in range(1500)})
    return {"path": "tuned"}


def write_numpy(folder: Path, noise: NDArray[Any], repeats: int) -> Fields:
    np.save(folder / "signal.npy", np.tile(noise, (repeats, 1)))
    return {"path": "signal.npy", "raw": {"sampleRate": RATE}}


def write_sound(folder: Path, noise: NDArray[Any], repeats: int, kind: str, subtype: str = "PCM_16") -> Fields:
    name = f"{kind} {subtype}"
    with soundfile.SoundFile(folder / name, "w", 48_000, 2, subtype, format=kind) as file:
        for _ in range(repeats):
            file.write(noise)
    return {"path": name, "audio": {"iq": True}}


def write_files(folder: Path, noise: NDArray[Any], repeats: int, compression: int) -> Fields:
    blocks = [(number * len(noise), noise) for number in range(repeats)]
    name = f"recording{compression}"
    write_digital_rf(folder, blocks, name=name, compression=compression)
    return {"path": name}


WRITERS: dict[str, Callable[[Path, NDArray[Any], int], Fields]] = {
    "raw": write_raw,
    "gaps": write_gaps,
    "drf padded": write_padded,
    "sigmf": write_sigmf_pair,
    "sigmf annotated": write_annotated,
    "drf tuned": write_tuned,
    "numpy": write_numpy,
    "wav": partial(write_sound, kind="WAV"),
    "wav 24": partial(write_sound, kind="WAV", subtype="PCM_24"),
    "flac": partial(write_sound, kind="FLAC"),
    "drf": partial(write_files, compression=0),
    "drf compressed": partial(write_files, compression=1),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Fields]]:
    """A folder of recordings with 16 or 32 Mi samples of noise, and how the document names each."""
    folder = tmp_path_factory.mktemp("noise")
    noise = np.random.default_rng(1).normal(0, 100, (MEBI, 2)).astype("<i2")
    return folder, {name: write(folder, noise, 32 if name == "raw" else 16) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The lines of the table, printed at the end."""
    lines = [HEADING]
    yield lines
    print("\n" + "\n".join(lines))


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda case: (
        f"{case.input}-{case.fft}-{case.hop}-{case.formats}-{case.samples}-{case.precision}-{case.threads}"
    ),
)
def test_the_peak_is_between_two_thirds_and_all_of_the_estimate(
    tmp_path: Path, recordings: tuple[Path, dict[str, Fields]], table: list[str], case: Case
) -> None:
    folder, named = recordings
    content = document(tmp_path, **case.changes)
    content["folders"]["input"] = str(folder)
    content["input"] = named[case.input] | {"range": {"samples": case.samples}}
    report = wait(start(content), tmp_path).assert_orderly(ExitCode.DONE)
    peak, estimate = report.memory.peak_bytes or 0, report.memory.estimate_bytes or 1
    table.append(
        f"{case.input:>14} {case.fft:8} {content['transform']['hopSize']:7} {case.samples:9}"
        f" {report.progress.columns_total:7}  {case.formats:18}"
        f"  {peak / 1e6:7.1f} {estimate / 1e6:8.1f}  {peak / estimate:.2f}"
    )
    assert LOWEST <= peak / estimate <= HIGHEST
    parsed = WorkerDocument.model_validate(content)
    for format in (InputFormat.AUTO, case.format):
        unseen = plan_memory(
            parsed.transform, parsed.reduce, parsed.output, Known(format=format), threads=parsed.limits.threads
        )
        assert peak <= unseen.total, "what the operator asks for, which has seen no worker, must be enough"
