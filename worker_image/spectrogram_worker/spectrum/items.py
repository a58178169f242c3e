"""Items: batches that one thread reduces in one go, read by read; contract/framing.py draws them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from spectrogram_worker.contract.framing import Framing
from spectrogram_worker.contract.kernels import file_room_bytes
from spectrogram_worker.contract.parameters import Reduction, Transform
from spectrogram_worker.sources.recording import Reader
from spectrogram_worker.sources.samples.buffers import page_aligned
from spectrogram_worker.sources.samples.sample_type import runs
from spectrogram_worker.spectrum.framing import frames_of
from spectrogram_worker.spectrum.power import PowerPlan, new_kernel, require_large_enough
from spectrogram_worker.spectrum.windows import window_values

_NOTHING = np.empty((0, 2), np.int64)


class Stopped(Exception):  # noqa: N818 - not an error
    """Work was given up because nobody wants its result any more."""


@dataclass(frozen=True)
class Items:
    """How the blocks of a framing are cut into items of `blocks` blocks, and an item into reads of `read_blocks`.

    The last one may have fewer. result_shape: (blocks, reductions or 1, bins) of an item's result: where blocks have
    one frame, reductions agree.
    """

    framing: Framing
    plan: PowerPlan
    blocks: int
    read_blocks: int
    result_shape: tuple[int, int, int]

    @property
    def count(self) -> int:
        """Number of items."""
        return -(-self.framing.blocks // self.blocks)

    @property
    def read_samples(self) -> int:
        """Samples of the longest read, with what the last one has beyond its last frame."""
        return self.framing.samples_in(self.read_blocks)

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


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Gaps, (n, 2) half-open, in order; those that touch become one."""
    gaps = np.concatenate(parts)
    apart = gaps[1:, 0] != gaps[:-1, 1]
    edge = np.ones(min(1, len(gaps)), np.bool_)
    return np.stack((gaps[np.concatenate((edge, apart)), 0], gaps[np.concatenate((apart, edge)), 1]), axis=1)


def cut(framing: Framing, transform: Transform, *, is_complex: bool, reductions: int, read_bytes: int) -> Items:
    """Cut into items and reads of whole batches; see `Framing.item_blocks` and `Framing.read_blocks`."""
    plan = PowerPlan(
        window=window_values(transform.window, framing.window_length),
        fft_size=framing.fft_size,
        is_complex=is_complex,
        double=transform.precision == "double",
        detrend=transform.detrend == "constant",
    )
    blocks = framing.item_blocks(plan.shape, reductions, read_bytes=read_bytes)
    whole = lcm(framing.batch_blocks, framing.blocks_per_column)
    blocks = blocks // whole * whole or blocks  # of whole columns, if any: to go on with a column takes longer
    read_blocks = min(blocks, framing.read_blocks(plan.shape, read_bytes=read_bytes))
    return Items(framing, plan, blocks, read_blocks, (blocks, framing.results_of(reductions), plan.bins))


class _Found(NamedTuple):
    """What was read: frames (k, m), which of them are valid, (k,) or None for all, the gaps among those samples that no
    other read has, (n, 2), and how many of those there are."""

    frames: NDArray[Any]
    valid: NDArray[np.bool_] | None
    missing: NDArray[np.int64]
    samples: int


class _Reduced(NamedTuple):
    """What was reduced, see `Result`: frames of each block, gaps, samples looked at, those at full scale."""

    frames: NDArray[np.int64]
    missing: NDArray[np.int64]
    samples: int
    at_full_scale: int


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
        sample_bytes = items.plan.sample_dtype.itemsize
        self._room = page_aligned(max(items.read_samples * sample_bytes, file_room_bytes(items.plan.shape)), np.uint8)
        self._samples = self._room[: items.read_samples * sample_bytes].view(items.plan.sample_dtype)
        self._kernel = new_kernel(items.plan, items.framing)

    def process(self, item: int, room: NDArray[Any], give_up: Callable[[], bool]) -> Result:
        """Read and reduce one item into `room`. Raises Stopped where `give_up` says so, WorkerError as reading does."""
        first, last = self._items.blocks_of(item)
        blocks = frames_of(self._framing, first, last)
        power = room[: last - first]
        whole = self._reduce_in_files(blocks, power)
        if give_up():
            raise Stopped
        parts = [whole] if whole else list(self._reduce_reads(blocks, power, give_up))
        frames = np.concatenate([part.frames for part in parts])
        return Result(
            first_block=first,
            power=power,
            frames=frames,
            frames_without_data=int(blocks[-1, 1] - blocks[0, 0] - frames.sum()),
            missing=_joined([part.missing for part in parts]),
            samples=sum(part.samples for part in parts),
            at_full_scale=None if self._reader.at_full_scale is None else sum(part.at_full_scale for part in parts),
            room=room,
        )

    def _reduce_in_files(self, blocks: NDArray[np.int64], power: NDArray[Any]) -> _Reduced | None:
        """Blocks whose samples the kernel can read by itself, and of which none needs a closer look; else None."""
        framing, first, stop = self._framing, int(blocks[0, 0]), int(blocks[-1, 1])
        begin, own, covered = self._samples_of(first, stop)
        if framing.hop > framing.window_length or (samples := self._reader.in_files(begin, max(own, covered))) is None:
            return None
        at_full_scale = self._kernel.reduce_files(
            samples, framing.hop, blocks - first, self._reductions, power, self._room, counted=own
        )
        if at_full_scale is None:
            return None
        samples.require_unchanged()
        return _Reduced(blocks[:, 1] - blocks[:, 0], _NOTHING, own, at_full_scale)

    def _reduce_reads(
        self, blocks: NDArray[np.int64], power: NDArray[Any], give_up: Callable[[], bool]
    ) -> Iterator[_Reduced]:
        """The same, read by read, whatever the samples are."""
        for place in range(0, len(blocks), self._items.read_blocks):
            some = slice(place, place + self._items.read_blocks)
            first, stop = int(blocks[some][0, 0]), int(blocks[some][-1, 1])
            before = self._reader.at_full_scale or 0
            found = (self._read_apart if self._framing.skips else self._read)(first, stop)
            if give_up():
                raise Stopped
            counts = self._kernel.reduce(found.frames, blocks[some] - first, found.valid, self._reductions, power[some])
            require_large_enough(self._items.plan, found.frames, blocks[some] - first, found.valid, power[some])
            at_full_scale = (self._reader.at_full_scale or 0) - before
            yield _Reduced(counts, found.missing, found.samples, at_full_scale)

    def _samples_of(self, first: int, stop: int) -> tuple[int, int, int]:
        """Of frames first … stop − 1: their first sample's index in the recording, how many samples are their own, and
        how many they cover.

        Their own are those from the first frame's start to that of the next frame, or to the end of the range: so all
        reads together see each sample once.
        """
        framing = self._framing
        own = (framing.samples if stop == framing.frames else stop * framing.hop) - first * framing.hop
        return self._start + first * framing.hop, own, (stop - first - 1) * framing.hop + framing.window_length

    def _read(self, first: int, stop: int) -> _Found:
        """Frames first … stop − 1 as overlapping views of samples read in one go."""
        hop, count, length = self._framing.hop, stop - first, self._framing.window_length
        begin, own, covered = self._samples_of(first, stop)
        samples = self._samples[: max(own, covered)]
        missing = self._reader.read(begin, samples, counted=own)
        step = samples.itemsize
        frames = as_strided(samples, (count, length), (hop * step, step), writeable=False)
        if missing is None:
            return _Found(frames, None, _NOTHING, own)
        gaps = runs(missing)
        valid = _untouched(gaps, count, length, hop)
        return _Found(frames, valid, np.minimum(gaps[gaps[:, 0] < own], own) + begin, own)

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
