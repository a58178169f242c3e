"""Items: batches that one thread reads in one go and reduces; contract/framing.py draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import Framing
from spectrogram_worker.contract.parameters import Reduction, Transform
from spectrogram_worker.sources.buffers import page_aligned
from spectrogram_worker.sources.recording import Reader
from spectrogram_worker.sources.samples import runs
from spectrogram_worker.spectrum.framing import frames_of
from spectrogram_worker.spectrum.power import PowerPlan, new_kernel, require_large_enough
from spectrogram_worker.spectrum.windows import window_values

_NOTHING = np.empty((0, 2), np.int64)


class Stopped(Exception):  # noqa: N818 - not an error
    """Work was given up because nobody wants its result any more."""


@dataclass(frozen=True)
class Items:
    """How the blocks of a framing are cut into items of `blocks` blocks; the last item may have fewer.

    result_shape: (blocks, reductions or 1, bins) of an item's result: where blocks have one frame, reductions agree.
    """

    framing: Framing
    plan: PowerPlan
    blocks: int
    result_shape: tuple[int, int, int]

    @property
    def count(self) -> int:
        """Number of items."""
        return -(-self.framing.blocks // self.blocks)

    @property
    def buffer_samples(self) -> int:
        """Samples of the longest item, with what the last one has beyond its last frame."""
        return self.framing.item_samples(self.blocks)

    def blocks_of(self, item: int) -> tuple[int, int]:
        """The blocks of an item, half-open."""
        return item * self.blocks, min((item + 1) * self.blocks, self.framing.blocks)

    def new_result(self) -> NDArray[Any]:
        """Room for the result of an item."""
        return np.empty(self.result_shape, self.plan.power_dtype)


def _untouched(gaps: NDArray[np.int64], count: int, length: int, hop: int) -> NDArray[np.bool_]:
    """Which of `count` frames hold no sample of these gaps, (n, 2) half-open.

    Samples count from the first frame's first: frame k holds those from k·hop to before k·hop + length.
    """
    first = np.clip((gaps[:, 0] - length) // hop + 1, 0, count)
    stop = np.clip(-(-gaps[:, 1] // hop), 0, count)
    touching = np.zeros(count + 1, np.int64)
    np.add.at(touching, first, 1)
    np.subtract.at(touching, np.maximum(stop, first), 1)
    valid: NDArray[np.bool_] = np.cumsum(touching[:-1]) == 0
    return valid


def cut(framing: Framing, transform: Transform, *, is_complex: bool, reductions: int, read_bytes: int) -> Items:
    """Cut into items of whole batches; see `Framing.item_blocks`."""
    plan = PowerPlan(
        window=window_values(transform.window, framing.window_length),
        fft_size=framing.fft_size,
        is_complex=is_complex,
        double=transform.precision == "double",
        detrend=transform.detrend == "constant",
    )
    blocks = framing.item_blocks(plan.shape, reductions, read_bytes=read_bytes)
    return Items(framing, plan, blocks, (blocks, framing.results_of(reductions), plan.bins))


class _Found(NamedTuple):
    """What was read for an item: frames (k, m), which of them are valid, (k,) or None for all, the gaps among the
    item's own samples, (n, 2), and how many of those there are."""

    frames: NDArray[Any]
    valid: NDArray[np.bool_] | None
    missing: NDArray[np.int64]
    samples: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an item gives: blocks from number `first_block` on.

    power: (blocks, reductions or 1, bins), a view of `room`. frames: how many each block has reduced, (blocks,).
    frames_without_data: how many were left out. missing: (n, 2) half-open gaps of missing samples, counted from
    the recording's first sample. samples, at_full_scale: how many were looked at, and how many of them are at full
    scale, None where that is not known; all items together look at each sample once.
    """

    first_block: int
    power: NDArray[Any]
    frames: NDArray[np.int64]
    frames_without_data: int
    missing: NDArray[np.int64]
    samples: int
    at_full_scale: int | None
    room: NDArray[Any]


class ItemWorker:
    """Reads and reduces items for one thread: a reader, a buffer of samples and a kernel of its own.

    start: index of the range's first sample in the recording.
    """

    def __init__(self, reader: Reader, start: int, items: Items, reductions: Sequence[Reduction]) -> None:
        self._reader = reader
        self._start = start
        self._items = items
        self._framing = items.framing
        self._reductions = reductions[: items.result_shape[1]]
        self._samples = page_aligned(items.buffer_samples, items.plan.sample_dtype)
        self._kernel = new_kernel(items.plan, items.framing)

    def process(self, item: int, room: NDArray[Any], give_up: Callable[[], bool]) -> Result:
        """Read and reduce one item into `room`. Raises Stopped where `give_up` says so, WorkerError as reading does."""
        first, last = self._items.blocks_of(item)
        blocks = frames_of(self._framing, first, last)
        begin, stop = int(blocks[0, 0]), int(blocks[-1, 1])
        counted = self._reader.at_full_scale
        found = (self._read_apart if self._framing.skips else self._read)(begin, stop)
        at_full_scale = self._reader.at_full_scale
        if give_up():
            raise Stopped
        power = room[: last - first]
        counts = self._kernel.reduce(found.frames, blocks - begin, found.valid, self._reductions, power)
        require_large_enough(self._items.plan, found.frames, blocks - begin, found.valid, power)
        return Result(
            first_block=first,
            power=power,
            frames=counts,
            frames_without_data=stop - begin - int(counts.sum()),
            missing=found.missing,
            samples=found.samples,
            at_full_scale=None if at_full_scale is None or counted is None else at_full_scale - counted,
            room=room,
        )

    def _read(self, first: int, stop: int) -> _Found:
        """Frames first … stop − 1 as overlapping views of samples read in one go.

        An item's own samples are those from its first frame's start to the next item's, or to the end of the range: so
        all items together see each sample once.
        """
        framing, count = self._framing, stop - first
        begin, length = first * framing.hop, framing.window_length
        last = stop == framing.frames
        own = (framing.samples if last else stop * framing.hop) - begin
        samples = self._samples[: max(own, (count - 1) * framing.hop + length)]
        missing = self._reader.read(self._start + begin, samples, counted=own)
        step = samples.itemsize
        frames = as_strided(samples, (count, length), (framing.hop * step, step), writeable=False)
        if missing is None:
            return _Found(frames, None, _NOTHING, own)
        gaps = runs(missing)
        valid = _untouched(gaps, count, length, framing.hop)
        return _Found(frames, valid, np.minimum(gaps[gaps[:, 0] < own], own) + (self._start + begin), own)

    def _read_apart(self, first: int, stop: int) -> _Found:
        """As `_read`, where frames lie so far apart that each is read by itself."""
        framing, count = self._framing, stop - first
        frames = self._samples[: count * framing.window_length].reshape(count, framing.window_length)
        valid = np.ones(count, np.bool_)
        gaps = [_NOTHING]
        for place, samples in enumerate(frames):
            begin = self._start + (first + place) * framing.hop
            missing = self._reader.read(begin, samples, counted=len(samples))
            if missing is not None:
                valid[place] = False
                gaps.append(runs(missing) + begin)
        return _Found(frames, valid, np.concatenate(gaps), frames.size)

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()
