"""Write a recording to look at: a few seconds of a made-up radio band, in Digital RF.

    python examples/make_recording.py FOLDER [--seconds 10] [--replace]

makes FOLDER/demo.drf, channel ch0: complex 16-bit samples at 1 MHz around 100 MHz (4 MB per second), with the centre
frequency in its metadata. In it: a chirp across the whole band, a burst of 5 ms, a weak carrier 100 kHz above the
centre that only a mean shows well, noise, and a gap of 2 % in the middle.
"""

import argparse
import shutil
from pathlib import Path

import digital_rf
import numpy as np
from numpy.typing import NDArray

RATE = 1_000_000
CENTER_FREQUENCY = 100e6
START_SECOND = 1_793_534_400  # 2026-11-01T12:00:00Z
CHUNK = 100_000

NOISE, CHIRP, BURST, CARRIER = 0.003, 0.1, 0.5, 0.0005
BURST_FREQUENCY, CARRIER_FREQUENCY = -250e3, 100e3
BURST_SECONDS = 0.005
GAP_SHARE = 0.02


def main() -> None:
    """Write the recording that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write demo.drf; made if it is not there")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording, default 10")
    parser.add_argument("--replace", action="store_true", help="write FOLDER/demo.drf anew if it is there")
    options = parser.parse_args()
    if not options.seconds > 0:
        parser.error("--seconds must be greater than 0")
    recording = options.folder / "demo.drf"
    if recording.exists() and not options.replace:
        parser.error(f"{recording} exists: add --replace, or choose another folder")
    # Whole or not at all: what an interrupted run leaves is not taken for a recording.
    unfinished = options.folder / "unfinished.drf"
    for leftover in (unfinished, recording):
        shutil.rmtree(leftover, ignore_errors=True)
    write_recording(unfinished, round(options.seconds * RATE))
    unfinished.rename(recording)
    print(
        f"{recording}: channel ch0, {options.seconds:g} s at {RATE / 1e6:g} MHz around {CENTER_FREQUENCY / 1e6:g} MHz"
    )


def write_recording(recording: Path, samples: int) -> None:
    """Write `samples` samples, piece by piece, with a gap of 2 % that begins in the middle."""
    channel = recording / "ch0"
    channel.mkdir(parents=True)
    first = START_SECOND * RATE
    writer = digital_rf.DigitalRFWriter(
        str(channel), np.int16, 3600, 1000, first, RATE, 1, is_complex=True, is_continuous=False, marching_periods=False
    )
    gap = range(samples // 2, samples // 2 + int(samples * GAP_SHARE))
    random = np.random.default_rng(1)
    for part in (range(gap.start), range(gap.stop, samples)):
        for start in part[::CHUNK]:
            stop = min(start + CHUNK, part.stop)
            writer.rf_write(signal(np.arange(start, stop), samples, random), start)
    writer.close()

    (channel / "metadata").mkdir()
    metadata = digital_rf.DigitalMetadataWriter(str(channel / "metadata"), 3600, 60, RATE, 1, "metadata")
    metadata.write(first, {"center_frequencies": CENTER_FREQUENCY})


def signal(index: NDArray[np.int64], samples: int, random: np.random.Generator) -> NDArray[np.int16]:
    """I/Q pairs (n, 2) of the samples with these indices; full scale is 32767."""
    time = index / RATE
    length = samples / RATE
    wave = NOISE * (random.standard_normal((len(index), 2)) @ np.array([1, 1j]))
    wave += CHIRP * np.exp(2j * np.pi * (-RATE / 2 * time + RATE / (2 * length) * time**2))
    wave += CARRIER * np.exp(2j * np.pi * CARRIER_FREQUENCY * time)
    burst = np.abs(time - 0.25 * length) < BURST_SECONDS / 2
    wave += burst * BURST * np.exp(2j * np.pi * BURST_FREQUENCY * time)
    pairs = np.stack((wave.real, wave.imag), axis=1)
    return np.round(pairs * 32767).astype(np.int16)


if __name__ == "__main__":
    main()
