"""Recordings of noise to measure with, in the formats that are compared; written piece by piece, then read from the
page cache.

    python -m benchmarks.inputs cf32|cf32-sparse|digital-rf|digital-rf-deflated|wav FOLDER MEBIBYTES
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE = 1_000_000
WAV_RATE = 48_000
_FIRST_SAMPLE = 1_700_000_000 * RATE
_PIECE_BYTES = 8 * 2**20
_SAMPLE_BYTES = {"cf32": 8, "cf32-sparse": 8, "digital-rf": 4, "digital-rf-deflated": 4, "wav": 2}


@dataclass(frozen=True)
class Recording:
    """`samples` samples at `path`: a raw file of cf32, a folder of Digital RF with channel ch0 in ci16, 16-bit WAV.

    A sparse one has nothing but zeros, which take no room on the disk.
    mebibytes: of the samples, before they are compressed.
    """

    kind: str
    path: Path
    mebibytes: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.mebibytes * 2**20 // self.sample_bytes

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample as it is stored."""
        return _SAMPLE_BYTES[self.kind]

    @property
    def is_complex(self) -> bool:
        """False for WAV."""
        return self.kind != "wav"

    @property
    def rate(self) -> int:
        """Samples per second."""
        return RATE if self.is_complex else WAV_RATE


def recording(kind: str, folder: Path, mebibytes: int) -> Recording:
    """Where a recording of a kind and size lies in a folder."""
    suffix = {
        "cf32": ".cf32",
        "cf32-sparse": "-sparse.cf32",
        "digital-rf": "",
        "digital-rf-deflated": "-deflated",
        "wav": ".wav",
    }[kind]
    return Recording(kind, folder / f"noise-{mebibytes}{suffix}", mebibytes)


def write(target: Recording) -> None:
    """Write it."""
    {"cf32": _write_raw, "cf32-sparse": _write_sparse, "wav": _write_wav}.get(target.kind, _write_digital_rf)(target)


def _pieces(target: Recording) -> Iterator[Any]:
    """The recording piece by piece: complex64, or int16 (n, 2) or (n,)."""
    import numpy as np

    columns = 2 if target.is_complex else 1
    random = np.random.default_rng(1)
    left = target.samples
    while left:
        count = min(left, _PIECE_BYTES // _SAMPLE_BYTES[target.kind])
        noise = 0.1 * random.standard_normal((count, columns), np.float32)
        yield noise if target.kind == "cf32" else (noise * 32767).clip(-32767, 32767).astype(np.int16)
        left -= count


def _write_raw(target: Recording) -> None:
    with target.path.open("wb") as file:
        for piece in _pieces(target):
            file.write(piece.tobytes())


def _write_sparse(target: Recording) -> None:
    with target.path.open("wb") as file:
        file.truncate(target.mebibytes * 2**20)


def _write_digital_rf(target: Recording) -> None:
    import digital_rf

    folder = target.path / "ch0"
    folder.mkdir(parents=True)
    # A folder per hour, a file per second, no checksums: as recorders write.
    compression = 1 if target.kind == "digital-rf-deflated" else 0
    options = {"compression_level": compression, "checksum": False, "is_complex": True, "num_subchannels": 1}
    writer = digital_rf.DigitalRFWriter(
        str(folder), "i2", 3600, 1000, _FIRST_SAMPLE, RATE, 1, **options, is_continuous=False, marching_periods=False
    )
    for piece in _pieces(target):
        writer.rf_write(piece)
    writer.close()


def _write_wav(target: Recording) -> None:
    import soundfile

    with soundfile.SoundFile(target.path, "w", WAV_RATE, 1, "PCM_16") as file:
        for piece in _pieces(target):
            file.write(piece[:, 0])


if __name__ == "__main__":
    write(recording(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
