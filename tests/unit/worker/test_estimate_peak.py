"""The estimate against the peak: whole workers, each a process of its own, over sizes, formats and lengths.

The table is printed: pytest -s tests/unit/worker/test_estimate_peak.py
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from unit.worker.jobs import document
from unit.worker.test_worker_main import start, wait

MEBI = 2**20
LOWEST, HIGHEST = 0.7, 1.0
HEADING = f"{'fft':>8} {'hop':>7} {'samples':>9} {'columns':>7}  {'formats':18}  {'peak MB':>7} {'estimate':>8}  ratio"


@dataclass(frozen=True)
class Case:
    """One job: sizes, and what it writes."""

    fft: int
    formats: str
    samples: int = 4 * MEBI
    hop: int = 0
    columns: int = 4096
    threads: int = 2
    precision: str = "single"
    reductions: tuple[str, ...] = ("max", "mean")

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
    Case(2**20, "png npz"),
    Case(2**20, "npz zarr", threads=1),
    Case(2**20, "zarr hdf5"),
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 32 Mi samples of noise."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "input").mkdir()
    noise = np.random.default_rng(1).normal(0, 1e-3, (MEBI, 2)).astype(np.float32).tobytes()
    with (folder / "input/signal.cf32").open("wb") as file:
        for _ in range(32):
            file.write(noise)
    return folder


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The lines of the table, printed at the end."""
    lines = [HEADING]
    yield lines
    print("\n" + "\n".join(lines))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fft}-{case.formats}-{case.samples}-{case.precision}")
def test_the_peak_is_between_seven_tenths_and_all_of_the_estimate(
    tmp_path: Path, recording: Path, table: list[str], case: Case
) -> None:
    content = document(tmp_path, **case.changes)
    content["folders"]["input"] = str(recording / "input")
    content["input"]["range"] = {"samples": case.samples}
    report = wait(start(content), tmp_path).assert_orderly(ExitCode.DONE)
    peak, estimate = report.memory.peak_bytes or 0, report.memory.estimate_bytes or 1
    table.append(
        f"{case.fft:8} {content['transform']['hopSize']:7} {case.samples:9} {report.progress.columns_total:7}"
        f"  {case.formats:18}  {peak / 1e6:7.1f} {estimate / 1e6:8.1f}  {peak / estimate:.2f}"
    )
    assert LOWEST <= peak / estimate <= HIGHEST
