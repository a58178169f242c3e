"""The ways in Python to a spectrogram of at most 2000 columns, each run in a process of its own.

    python -m benchmarks.contenders NAME KIND FOLDER MEBIBYTES FFT

Hann window, hop = fft / 2, every frame used, density, mean power per column, in dB. Each contender is a function that
imports what it needs and gives the function that does the work; the times of both are printed as one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import Recording, recording

COLUMNS = 2000
THREADS = 2
_LOOP_SAMPLES = 65_536  # of a read: 512 KiB fits into the L2 cache, and no other size was faster
_CHUNK_SAMPLES = 10_000_000
_READ_SAMPLES = 2**18  # digital_rf reads more of them at once several times as slowly

Work = Callable[[], object]


def transform(
    source: Recording,
    fft: int,
    *,
    hop: int = 0,
    reductions: tuple[str, ...] = ("mean",),
    threads: int = THREADS,
    **more: Any,
) -> Work:
    """This worker's transform stage."""
    from spectrogram_worker.contract.parameters import RecordingSelection, Reduce, Transform
    from spectrogram_worker.sources import open_recording
    from spectrogram_worker.sources.selection import select
    from spectrogram_worker.spectrum.stream import ColumnStream
    from spectrogram_worker.storage.claim_store import ClaimStore

    selection: dict[str, Any] = {"path": source.path.name}
    if source.kind.startswith("cf32"):
        selection["raw"] = {"datatype": "cf32_le", "sampleRate": source.rate}
    wanted = {"fft_size": fft, "hop_size": hop or fft // 2, "window": {"name": "hann"}, **more}

    opened = partial(open_recording, ClaimStore(source.path.parent), RecordingSelection.model_validate(selection))
    opened()  # what reads this format is imported

    def work() -> None:
        found = opened()
        stream = ColumnStream(
            found,
            select(found.description, None),
            Transform.model_validate(wanted),
            Reduce.model_validate({"time": reductions, "columns": COLUMNS}),
            threads=threads,
        )
        for _ in stream.columns():
            pass

    return work


def loop(source: Recording, fft: int) -> Work:
    """The flat loop: read the samples of a column or a few, scipy.signal.spectrogram, mean, next."""
    import numpy as np

    spectrogram, read = _scipy(source, fft), _reader(source)

    def work() -> None:
        frames, per_column, hop = _frames(source, fft)
        step = max(1, _LOOP_SAMPLES // (hop * per_column)) * per_column
        for first in range(0, frames, step):
            count = min(step, frames - first)
            power = spectrogram(read(first * hop, (count - 1) * hop + fft)).T
            for start in range(0, count, per_column):
                10 * np.log10(power[start : start + per_column].mean(axis=0))

    return work


def one_shot(source: Recording, fft: int) -> Work:
    """scipy.signal.spectrogram of all samples at once, then the mean per column."""
    import numpy as np

    spectrogram, read = _scipy(source, fft), _reader(source)

    def work() -> object:
        frames, per_column, _ = _frames(source, fft)
        power = spectrogram(read(0, source.samples)).T
        return [10 * np.log10(power[k : k + per_column].mean(axis=0)) for k in range(0, frames, per_column)]

    return work


def chunks(source: Recording, fft: int) -> Work:
    """Chunks of ten million samples, their spectrograms concatenated; reduced at the end."""
    import numpy as np

    spectrogram, read = _scipy(source, fft), _reader(source)

    def work() -> object:
        frames, per_column, hop = _frames(source, fft)
        step = _CHUNK_SAMPLES // hop
        starts = range(0, frames, step)
        found = [spectrogram(read(k * hop, (min(step, frames - k) - 1) * hop + fft)) for k in starts]
        power = np.concatenate(found, axis=1).T
        return [10 * np.log10(power[k : k + per_column].mean(axis=0)) for k in range(0, frames, per_column)]

    return work


def scipy_fft(source: Recording, fft: int) -> Work:
    """No spectrogram, but what scipy.fft takes of one: the file is read, as many frames are transformed, no more."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import scipy.fft

    from spectrogram_worker.sources.samples.buffers import page_aligned

    def work() -> None:
        frames, _, hop = _frames(source, fft)
        step = max(4, 65_536 // fft)
        file = os.open(source.path, os.O_RDONLY)

        def part(thread: int) -> None:
            samples: Any = page_aligned(step * hop, np.complex64)
            buffer = np.zeros((step, fft), np.complex64)
            for first in range(thread * step, frames, THREADS * step):
                os.preadv(file, [samples], first * hop * samples.itemsize)
                scipy.fft.fft(buffer, axis=1, overwrite_x=True)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(part, range(THREADS)))

    return work


def reading(source: Recording, fft: int) -> Work:
    """No spectrogram, but what the format's own library takes to read the samples as floating-point numbers."""
    read = _reader(source)

    def work() -> None:
        for first in range(0, source.samples, _READ_SAMPLES):
            read(first, min(_READ_SAMPLES, source.samples - first))

    return work


def librosa(source: Recording, fft: int) -> Work:
    """librosa of all samples at once, as its manual has it."""
    import librosa as library  # type: ignore[import-not-found, unused-ignore]
    import numpy as np

    library.stft(np.zeros(fft, np.float32), n_fft=fft)  # its parts are imported, and compiled, when first used

    def work() -> object:
        samples, _ = library.load(source.path, sr=None)
        return library.amplitude_to_db(np.abs(library.stft(samples, n_fft=fft, hop_length=fft // 2)))

    return work


CONTENDERS: dict[str, Callable[[Recording, int], Work]] = {
    "transform": transform,
    "loop": loop,
    "one_shot": one_shot,
    "chunks": chunks,
    "scipy_fft": scipy_fft,
    "reading": reading,
    "librosa": librosa,
    "double": partial(transform, precision="double"),
    "detrend": partial(transform, detrend="constant"),
    "three": partial(transform, reductions=("max", "min", "mean")),
    "hop_256": partial(transform, hop=256),
    "hop_500": partial(transform, hop=500),
    "one_thread": partial(transform, threads=1),
}
"""Each by the name of its `Contender`; the last ones are the transform stage for other jobs."""


def _frames(source: Recording, fft: int) -> tuple[int, int, int]:
    """Frames, frames per column, hop."""
    hop = fft // 2
    frames = (source.samples - fft) // hop + 1
    return frames, -(-frames // COLUMNS), hop


def _scipy(source: Recording, fft: int) -> Callable[[Any], Any]:
    """Samples to power, (bins, frames)."""
    import numpy as np
    from scipy.signal import get_window, spectrogram

    window = get_window("hann", fft).astype(np.float32)
    options = {"noverlap": fft // 2, "detrend": False, "return_onesided": not source.is_complex, "mode": "psd"}
    return lambda samples: spectrogram(samples, source.rate, window, **options)[2]


def _reader(source: Recording) -> Callable[[int, int], Any]:
    """(first sample, count) to complex64 or float32, with full scale 1, as the format's own library reads it."""
    import numpy as np

    if source.kind == "cf32":
        return lambda first, count: np.fromfile(source.path, np.complex64, count, offset=8 * first)
    if source.kind == "wav":
        import soundfile

        file = soundfile.SoundFile(source.path)

        def read_audio(first: int, count: int) -> Any:
            file.seek(first)
            return file.read(count, np.float32)

        return read_audio
    import digital_rf

    reader = digital_rf.DigitalRFReader(str(source.path))
    start = reader.get_bounds("ch0")[0]
    scale = np.float32(1 / 32768)
    return lambda first, count: reader.read_vector(start + first, count, "ch0").astype(np.complex64) * scale


def main() -> None:
    """Run the contender that the arguments name."""
    name, kind, folder, mebibytes, fft = sys.argv[1:]
    began = time.perf_counter()
    work = CONTENDERS[name](recording(kind, Path(folder), int(mebibytes)), int(fft))
    started, cpu = time.perf_counter(), time.process_time()
    work()
    times = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu, "imports": started - began}
    print(json.dumps(times))


if __name__ == "__main__":
    main()
