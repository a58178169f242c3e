"""Recordings for tests: written with the libraries that people use, read back through the worker's sources."""

import json
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import digital_rf
import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Raw, RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.storage.claim_store import ClaimStore

RATE = 1_000_000
FIRST_SAMPLE = 1_700_000_000 * RATE
"""A sample index as Digital RF counts them, from 1970: 1.7e15."""


def write_raw(root: Path, samples: NDArray[Any], name: str = "noise.raw") -> Path:
    """A raw file of samples as they are."""
    path = root / name
    path.write_bytes(samples.tobytes())
    return path


def open_raw(root: Path, datatype: str, name: str = "noise.raw", rate: float = RATE) -> Recording:
    """A raw file, opened with all that the job can say."""
    raw = Raw(datatype=datatype, sample_rate=rate)
    return open_recording(ClaimStore(root), RecordingSelection(path=name, raw=raw))


def write_sigmf(
    root: Path,
    content: bytes,
    *,
    captures: Sequence[dict[str, Any]] = ({"core:sample_start": 0},),
    name: str = "signal",
    **fields: Any,
) -> Path:
    """A SigMF recording; `fields` go into `global` with `core:` before their names."""
    described = {"core:version": "1.2.5", "core:sample_rate": RATE} | {f"core:{key}": fields[key] for key in fields}
    document = {
        "global": {key: value for key, value in described.items() if value is not None},
        "captures": list(captures),
        "annotations": [],
    }
    (root / f"{name}.sigmf-meta").write_text(json.dumps(document))
    data = root / f"{name}.sigmf-data"
    data.write_bytes(content)
    return data


def write_digital_rf(
    root: Path,
    blocks: Sequence[tuple[int, NDArray[Any]]],
    *,
    dtype: str = "i2",
    is_complex: bool = True,
    continuous: bool = False,
    channel: str = "ch0",
    name: str = "recording",
    rate: Fraction = Fraction(RATE),
    first: int = FIRST_SAMPLE,
    subchannels: int = 1,
    file_milliseconds: int = 1000,
    compression: int = 0,
    checksum: bool = False,
) -> Path:
    """A Digital RF channel with blocks of samples at offsets from sample `first`; returns the channel's folder."""
    folder = root / name / channel
    folder.mkdir(parents=True)
    writer = digital_rf.DigitalRFWriter(
        str(folder),
        dtype,
        3600,
        file_milliseconds,
        first,
        rate.numerator,
        rate.denominator,
        is_complex=is_complex,
        num_subchannels=subchannels,
        is_continuous=continuous,
        compression_level=compression,
        checksum=checksum,
        marching_periods=False,
    )
    for offset, samples in blocks:
        writer.rf_write(np.ascontiguousarray(samples), offset)
    writer.close()
    return folder


def write_center_frequencies(channel: Path, values: dict[int, Any], rate: Fraction = Fraction(RATE)) -> None:
    """Digital Metadata of a channel: centre frequencies from sample indices (since 1970) on."""
    folder = channel / "metadata"
    folder.mkdir()
    writer = digital_rf.DigitalMetadataWriter(str(folder), 3600, 60, rate.numerator, rate.denominator, "metadata")
    for sample, value in values.items():
        writer.write(sample, {"center_frequencies": value})


def integer_pairs(count: int, seed: int = 1, dtype: str = "i2") -> NDArray[Any]:
    """Random I/Q pairs (count, 2) of an integer type, without the type's minimum."""
    limits = np.iinfo(dtype)
    random = np.random.default_rng(seed)
    native = np.dtype(dtype).newbyteorder("=")
    return random.integers(limits.min + 1, limits.max, (count, 2), native, endpoint=True).astype(dtype)


def scaled(pairs: NDArray[Any]) -> NDArray[np.complex128]:
    """I/Q pairs of a signed integer type as complex samples with full scale 1."""
    values = pairs.astype(np.float64) / 2.0 ** (8 * pairs.dtype.itemsize - 1)
    return values[:, 0] + 1j * values[:, 1]


def read(
    recording: Recording, start: int = 0, count: int | None = None, *, double: bool = True
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Samples from `start` on and which of them are missing, each (count,)."""
    is_complex = recording.description.is_complex
    dtype = (np.complex128 if double else np.complex64) if is_complex else np.float64 if double else np.float32
    samples = np.full(recording.description.length - start if count is None else count, np.nan, dtype)
    with closing(recording.reader()) as reader:
        missing = reader.read(start, samples)
    return samples, np.zeros(len(samples), np.bool_) if missing is None else missing


def open_path(root: Path, path: str, **fields: Any) -> Recording:
    """Open a recording with the fields of `input`."""
    return open_recording(ClaimStore(root), RecordingSelection(path=path, **fields))


def says(error: WorkerError, code: ExitCode, *words: str) -> bool:
    """True when the error has this code and one line that holds all the words."""
    text = str(error)
    return error.code is code and "\n" not in text and all(word in text for word in words)
