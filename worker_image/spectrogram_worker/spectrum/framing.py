"""The framing of a selected range, or why there is none; contract/framing.py draws how its parts lie in each other."""

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import MAXIMUM_COLUMNS, Framing, frames_in, framing_of
from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform
from spectrogram_worker.errors import input_invalid, invalid_spec


def frame(samples: int, transform: Transform, reduce: Reduce) -> Framing:
    """The framing of a range. Raises WorkerError: 65 where it is shorter than one window, 64 for too many columns."""
    frames = frames_in(samples, transform)
    if frames == 0:
        raise input_invalid(
            f"the selected range has {samples} samples, fewer than the window's {transform.window_length}:"
            " choose a longer range, or a smaller transform.fftSize or window.length"
        )
    if Reduction.NONE in reduce.time and frames > MAXIMUM_COLUMNS:
        raise invalid_spec(
            f"reduce.time: none gives {frames} columns, more than {MAXIMUM_COLUMNS}:"
            " choose a shorter input.range, a larger transform.hopSize, or max, mean or min"
        )
    return framing_of(samples, transform, reduce)


def frames_of(framing: Framing, first: int, stop: int) -> NDArray[np.int64]:
    """The frames of blocks first … stop − 1, (n, 2) half-open."""
    column, place = np.divmod(np.arange(first, stop), framing.blocks_per_column)
    begin = column * framing.frames_per_column
    start = begin + place * framing.block_frames
    end = np.minimum(np.minimum(start + framing.block_frames, begin + framing.frames_per_column), framing.frames)
    return np.stack((start, end), axis=1)
