"""Forty jobs as people write them, and what they read: formats, fft sizes, precisions, results of all kinds.

More than half leave `input.format` to the worker, as most people do. Recordings are of noise, a sparse one has 1 GiB.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from unit.worker.recordings import FIRST_SAMPLE, RATE, write_center_frequencies, write_digital_rf, write_sigmf

Fields = dict[str, Any]
Noise = NDArray[np.int16]
PIECE = 2**20
"""Samples of noise, which recordings repeat."""
RAW: Fields = {"raw": {"datatype": "cf32_le", "sampleRate": RATE}}
IQ: Fields = {"audio": {"iq": True}}


@dataclass(frozen=True)
class VariedJob:
    """One job: the recording of this name; `format` where it names one; fields of `input`, and of the whole spec."""

    name: str
    recording: str
    format: str = "Auto"
    input: Fields = field(default_factory=dict)
    spec: Fields = field(default_factory=dict)

    @property
    def body(self) -> Fields:
        """The spec, but for `resources.memory`."""
        source = {"claimName": "recordings", "path": self.recording, "format": self.format, **self.input}
        return {"input": source, "output": {"claimName": "results"}, **self.spec}


def _fft(size: int, hop: int = 0, **others: Any) -> Fields:
    return {"transform": {"fftSize": size, "hopSize": hop or size // 2, **others}}


def _reduce(*time: str, **others: Any) -> Fields:
    return {"reduce": {"time": list(time), **others}}


def _output(*formats: str, **image: Any) -> Fields:
    return {"output": {"claimName": "results", "formats": list(formats), **({"image": image} if image else {})}}


JOBS = (
    # Raw I/Q, the formats of software radios.
    VariedJob("plain", "noise.cf32", input=RAW),
    VariedJob("gibibyte", "sparse.cf32", input=RAW),
    VariedJob("gibibyte-4096", "sparse.cf32", "Raw", RAW, _fft(4096)),
    VariedJob("gibibyte-frames", "sparse.cf32", "Raw", RAW, _fft(256, 1024) | _reduce("none") | _output("npz")),
    VariedJob("short", "short.cf32", input=RAW),
    VariedJob("smallest-fft", "short.cf32", input=RAW, spec=_fft(8, 4, window={"name": "hann"})),
    VariedJob("overlap", "noise.cf32", input=RAW, spec=_fft(256, 64)),
    VariedJob("mean", "noise.cf32", input=RAW, spec=_reduce("mean") | _fft(512)),
    VariedJob("three", "noise.cf32", input=RAW, spec=_reduce("max", "mean", "min", columns=65_536) | _fft(256)),
    VariedJob("thousand", "noise.cf32", input=RAW, spec=_fft(1000, detrend="constant")),
    VariedJob("prime", "noise.cf32", input=RAW, spec=_fft(1021)),
    VariedJob("double", "noise.cf32", input=RAW, spec=_fft(2048, precision="double") | _output("hdf5")),
    VariedJob("prime-65537", "noise.cf32", input=RAW, spec=_fft(65_537, precision="double")),
    VariedJob("fine", "noise.cf32", input=RAW, spec=_fft(1_048_576) | _output("png", "npz")),
    VariedJob("finest", "noise.cf32", "Raw", RAW, _fft(1_048_576, precision="double") | _output("png", "npz", "hdf5")),
    VariedJob("fine-odd", "noise.cf32", "Raw", RAW, _fft(1_048_575, precision="double", detrend="constant")),
    VariedJob("fine-prime", "noise.cf32", "Raw", RAW, _fft(1_048_573) | _reduce("max")),
    VariedJob("real", "real.f32", "Raw", {"raw": {"datatype": "rf32_le", "sampleRate": RATE}}, _fft(1024)),
    # Digital RF, as recorders write it.
    VariedJob("rf", "plain"),
    VariedJob("rf-named", "plain", "DigitalRF", spec=_fft(4096, detrend="constant")),
    VariedJob("rf-deflated", "deflated"),
    VariedJob("rf-deflated-named", "deflated", "DigitalRF", spec=_fft(8192)),
    VariedJob("rf-deflated-fine", "deflated", "DigitalRF", spec=_fft(262_144, precision="double")),
    VariedJob("rf-subchannel", "arrays", "DigitalRF", {"subchannel": 2}, _fft(1024)),
    VariedJob("rf-frames", "plain", "DigitalRF", spec=_fft(1024, 4096) | _reduce("none")),
    VariedJob("rf-tuned", "tuned", spec=_fft(65_536, 16_384) | _output("hdf5")),
    # SigMF.
    VariedJob("sigmf", "signal.sigmf-meta"),
    VariedJob("sigmf-named", "signal.sigmf-meta", "SigMF", spec=_fft(1024)),
    VariedJob("sigmf-marked", "marked.sigmf-meta", "SigMF", spec=_fft(2048)),
    VariedJob("sigmf-bytes", "bytes.sigmf-meta", "SigMF", spec=_fft(16_384) | _output("zarr")),
    VariedJob("sigmf-fine", "signal.sigmf-meta", "SigMF", spec=_fft(131_072, 50_000)),
    VariedJob("sigmf-poster", "signal.sigmf-meta", spec=_output("png", width=4000, height=4000)),
    # Sound.
    VariedJob("wav", "tones.wav", input={"channel": "0"}),
    VariedJob("wav-named", "tones.wav", "Audio", {"channel": "1"}, _fft(4096, 1024)),
    VariedJob("wav-24", "tones-24.wav", input=IQ),
    VariedJob("flac", "tones.flac", input=IQ),
    VariedJob("flac-named", "tones.flac", "Audio", IQ, _fft(65_536, 16_384) | _output("png", "hdf5")),
    VariedJob("flac-odd", "tones.flac", "Audio", {"channel": "0"}, _fft(4095, 1000, precision="double")),
    # NumPy.
    VariedJob("npy", "signal.npy", input={"raw": {"sampleRate": RATE}}),
    VariedJob("npy-sparse-hop", "signal.npy", "NumPy", {"raw": {"sampleRate": RATE}}, _fft(4096, 500_000)),
)


def write_recordings(folder: Path) -> None:
    """All of them, some 900 MB, for everybody to read."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 1000, (PIECE, 2)).astype(np.int16)
    for name, write in RECORDINGS.items():
        write(folder, name, noise)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _raw(folder: Path, name: str, noise: Noise, *, repeats: int, real: bool = False) -> None:
    piece = ((noise[:, 0] if real else noise) / np.float32(2**15)).astype("<f4").tobytes()
    with (folder / name).open("wb") as file:
        for _ in range(repeats):
            file.write(piece)


def _sparse(folder: Path, name: str, _: Noise) -> None:
    with (folder / name).open("wb") as file:
        file.truncate(2**30)


def _digital_rf(folder: Path, name: str, noise: Noise, *, subchannels: int = 1, centers: int = 0, **how: Any) -> None:
    piece = np.tile(noise, (1, subchannels))
    blocks = [(number * PIECE, piece) for number in range(16)]
    channel = write_digital_rf(folder, blocks, name=name, subchannels=subchannels, **how)
    if centers:
        step = 16 * PIECE // centers
        write_center_frequencies(channel, {FIRST_SAMPLE + number * step: 1e8 for number in range(centers)})


def _sigmf(folder: Path, name: str, noise: Noise, *, datatype: str = "ci16_le", marks: int = 0) -> None:
    """`marks`: annotations, as programs write them that mark every burst."""
    name = name.removesuffix(".sigmf-meta")
    piece = (noise >> 6).astype(np.int8) if datatype == "ci8" else noise
    write_sigmf(folder, piece.tobytes() * 16, datatype=datatype, name=name)
    if marks:
        path = folder / f"{name}.sigmf-meta"
        mark = ', {"core:sample_start": %d, "core:sample_count": 100, "core:label": "burst %d"}'
        listed = "".join(mark % (number, number) for number in range(marks)).removeprefix(", ")
        path.write_text(path.read_text().replace('"annotations": []', f'"annotations": [{listed}]'))


def _sound(folder: Path, name: str, noise: Noise, *, subtype: str) -> None:
    with soundfile.SoundFile(folder / name, "w", 48_000, 2, subtype) as file:
        for _ in range(8):
            file.write(noise)


def _numpy(folder: Path, name: str, noise: Noise) -> None:
    samples = (noise / np.float32(2**15)).view(np.complex64)[:, 0]
    np.save(folder / name, np.tile(samples, 8))


RECORDINGS: Mapping[str, Callable[[Path, str, Noise], None]] = {
    "noise.cf32": partial(_raw, repeats=16),
    "short.cf32": partial(_raw, repeats=1),
    "real.f32": partial(_raw, repeats=16, real=True),
    "sparse.cf32": _sparse,
    "plain": _digital_rf,
    "deflated": partial(_digital_rf, compression=1, checksum=True),
    "arrays": partial(_digital_rf, subchannels=4),
    "tuned": partial(_digital_rf, centers=1500),
    "signal.sigmf-meta": _sigmf,
    "marked.sigmf-meta": partial(_sigmf, marks=120_000),
    "bytes.sigmf-meta": partial(_sigmf, datatype="ci8"),
    "tones.wav": partial(_sound, subtype="PCM_16"),
    "tones-24.wav": partial(_sound, subtype="PCM_24"),
    "tones.flac": partial(_sound, subtype="PCM_16"),
    "signal.npy": _numpy,
}
