"""Samples as they lie in a file, and what they mean: byte order, channels, full scale, missing values. No I/O.

Integers are multiplied by 2^−(bits−1), so that full scale is 1 in every format. Of unsigned integers, as a converter
counts them, zero lies half way between the two middle values, at 2^(bits−1) − ½: at 127.5 in the bytes of rtl_sdr.
Audio files of 8 bits are the exception, their zero is 128.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import WIDENED_BYTES

_DATATYPE = re.compile(r"([rc])(?:([iu])(8)|([fiu])(16|32|64)_(le|be))")
_PERMITTED = {"f32", "f64", "i8", "i16", "i32", "u8", "u16", "u32"}
MINIMUM_PADDING_RUN = 32
_PIECE_SAMPLES = 1 << 15
_WARNED_SHARE = 1e-4


class Decoded(NamedTuple):
    """What was seen in samples while they were decoded.

    suspect: None, or a boolean array (n,), True where a sample is not finite or, in padded files, at the minimum.
    at_full_scale: how many have the smallest or the largest value of their integers, complex ones in I or in Q.
    """

    suspect: NDArray[np.bool_] | None
    at_full_scale: int = 0


class Stored(NamedTuple):
    """An integer of `size` bytes that begins at byte `first` of the `width` bytes of each component in the file.

    shift: how many of its highest bits only repeat its sign, or are 0.
    """

    first: int
    size: int
    width: int
    shift: int = 0


@dataclass(frozen=True, kw_only=True)
class SampleType:
    """One sample of one channel among `channels` interleaved ones, or of two real ones that are I and Q.

    component: NumPy type of a real sample or of each half of a complex one, with its byte order. iq_channels: of real
    channels those that are I and Q. padded: the writer fills what it did not record with the type's minimum (Digital
    RF, continuous mode). zero_on_code: the zero of unsigned samples is the value 2^(bits−1) itself. stored: for
    integers that take another number of bytes than `component`, where they lie; they become its highest bits.
    """

    component: np.dtype[Any]
    is_complex: bool
    channels: int = 1
    channel: int = 0
    iq_channels: tuple[int, int] | None = None
    padded: bool = False
    zero_on_code: bool = False
    stored: "Stored | None" = None

    @property
    def parts(self) -> int:
        """Components of a sample: 2 if complex, else 1."""
        return 2 if self.is_complex else 1

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample of one channel."""
        return (self.component.itemsize if self.stored is None else self.stored.width) * self.parts

    @property
    def stride(self) -> int:
        """Bytes from one sample to the next of the same channel."""
        return self.sample_bytes * self.channels // (1 if self.iq_channels is None else 2)

    @property
    def name(self) -> str:
        """The type as SigMF writes it, as in ci16_le."""
        bits = 8 * self.component.itemsize
        order = "" if bits == 8 else "_be" if self._big_endian else "_le"
        return f"{'c' if self.is_complex else 'r'}{self.component.kind}{bits}{order}"

    @property
    def padding_run(self) -> int:
        """How many minima in a row are padding, and not clipped samples; 0 where none are."""
        return MINIMUM_PADDING_RUN if self.padded and self.component.kind != "f" else 0

    @property
    def is_plain(self) -> bool:
        """True when nothing lies between one sample and the next, and numbers are as this machine has them."""
        alone = self.channels == 1 if self.iq_channels is None else (self.channels, self.iq_channels) == (2, (0, 1))
        return alone and self.stored is None and self.component.isnative

    @property
    def shift(self) -> float:
        """What is added to integers that were scaled to −1 … 1, so that zero is where it should be."""
        return 2.0 ** -(8 * self.component.itemsize) if self.component.kind == "u" and not self.zero_on_code else 0.0

    def fits(self, samples: NDArray[Any]) -> bool:
        """True when the bytes of the file are those of `samples`: nothing to convert."""
        return self.is_plain and self.component == _real(samples).dtype

    def decode(self, content: NDArray[np.uint8], samples: NDArray[Any], *, counted: int = 0) -> Decoded:
        """Fill `samples` (n,) from `content` (n · stride bytes), full scale = 1; counts in the first `counted` only."""
        target = _real(samples).reshape(len(samples), self.parts)
        if self.stored is not None:
            most = WIDENED_BYTES // (self.parts * self.component.itemsize)
            at_full_scale = 0
            for first in range(0, len(samples), most):
                piece = slice(first, min(first + most, len(samples)))
                parts = self._widened(content[piece.start * self.stride : piece.stop * self.stride], self.stored)
                at_full_scale += self._count(parts[: max(0, counted - first)])
                self._scale(parts, target[piece])
            return Decoded(None, at_full_scale)
        parts = self._chosen(content.view(self.component))
        if self.component.kind == "f":
            suspect = self._not_finite(parts)
            if target.__array_interface__["data"] != parts.__array_interface__["data"]:
                with np.errstate(over="ignore", invalid="ignore"):
                    target[...] = parts
            return Decoded(suspect)
        suspect = self._equal(parts, np.iinfo(self.component).min) if self.padded else None
        at_full_scale = self._count(parts[:counted])
        if self.component.kind == "u":
            # Turning the top bit over subtracts half the range exactly, where float32 would round first.
            parts = (parts ^ (1 << (8 * self.component.itemsize - 1))).view(f"i{self.component.itemsize}")
        self._scale(parts, target)
        if self.shift:
            target += target.dtype.type(self.shift)
        return Decoded(suspect, at_full_scale)

    def _count(self, parts: NDArray[Any]) -> int:
        """How many samples (n, parts) of integers are at full scale."""
        limits = np.iinfo(self.component)
        unused = 0 if self.stored is None else 8 * (self.component.itemsize - self.stored.size) + self.stored.shift
        return count_at_ends(parts, int(limits.min), int(limits.max) >> unused << unused)

    def _scale(self, parts: NDArray[Any], target: NDArray[Any]) -> None:
        """Fill `target` with integers, full scale = 1; two steps take less time than one in which NumPy converts."""
        target[...] = parts
        target *= self._step(target.dtype)

    def _step(self, dtype: np.dtype[Any]) -> Any:
        """From one value of the component to the next, where full scale is 1."""
        return dtype.type(2.0 ** (1 - 8 * self.component.itemsize))

    def _chosen(self, components: NDArray[Any]) -> NDArray[Any]:
        """Of interleaved `components`, maybe with further axes behind, those of the channel: (n, parts, …)."""
        behind = components.shape[1:]
        if self.iq_channels is None:
            return components.reshape(-1, self.channels, self.parts, *behind)[:, self.channel]
        i, q = self.iq_channels
        frames = components.reshape(-1, self.channels, *behind)
        if q > i:
            return frames[:, i : q + 1 : q - i]
        return frames[:, i : q - 1 if q else None : q - i]

    def _widened(self, content: NDArray[np.uint8], stored: Stored) -> NDArray[Any]:
        """The integers in `content` (bytes of whole frames) as components, (n, parts): the bits below them are 0."""
        places = self._chosen(content.reshape(-1, stored.width))
        values = np.zeros(places.shape[:-1], self.component)
        room = values.view(np.uint8).reshape(*values.shape, -1)
        above = 0 if self._big_endian else self.component.itemsize - stored.size
        for byte in range(stored.size):
            room[..., above + byte] = places[..., stored.first + byte]
        if stored.shift:
            values <<= stored.shift
        return values

    def _not_finite(self, parts: NDArray[Any]) -> NDArray[np.bool_] | None:
        watches = self.padded and self._big_endian
        if parts.flags.c_contiguous and parts.dtype.isnative and not watches:
            # The sum of squares is finite only if each sample is, and takes a fifth of the time of looking at each.
            flat = parts.reshape(-1)
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(np.dot(flat, flat)):
                    return None
        found = np.zeros(len(parts), np.bool_)
        for first in range(0, len(parts), _PIECE_SAMPLES):
            piece = parts[first : first + _PIECE_SAMPLES]
            finite = np.isfinite(piece)
            if watches:
                # digital_rf 2.6 pads big-endian files with a NaN in little-endian order, which reads as 6.9e-41.
                finite &= piece != np.array(np.nan, self.component.newbyteorder("<")).view(self.component)
            found[first : first + _PIECE_SAMPLES] = ~finite.all(axis=1)
        return found if found.any() else None

    def _equal(self, parts: NDArray[Any], padding: Any) -> NDArray[np.bool_] | None:
        found: NDArray[np.bool_] = parts[:, 0] == padding
        if self.is_complex:
            found &= parts[:, 1] == padding
        return found if found.any() else None

    @property
    def _big_endian(self) -> bool:
        return self.component.newbyteorder("<") != self.component


def parse_datatype(text: str, *, channels: int = 1, channel: int = 0) -> SampleType | None:
    """The sample type that `text` names as SigMF does (core:datatype), or None where it names none.

    Names are those of SigMF 1.2, "Dataset format": types of 8 bits have no byte order, all others must have one.
    """
    match = _DATATYPE.fullmatch(text)
    if match is None:
        return None
    kind, bits = match[2] or match[4], int(match[3] or match[5])
    if f"{kind}{bits}" not in _PERMITTED:
        return None
    component = np.dtype(f"{'>' if match[6] == 'be' else '<'}{kind}{bits // 8}")
    return SampleType(component=component, is_complex=match[1] == "c", channels=channels, channel=channel)


def count_at_ends(parts: NDArray[Any], lowest: float, highest: float) -> int:
    """How many rows of `parts` (n, parts) hold the lowest or the highest value that there can be."""
    if not len(parts) or (parts.min() > lowest and parts.max() < highest):
        return 0  # as nearly always, and in a fifth of the time
    count = 0
    for first in range(0, len(parts), _PIECE_SAMPLES):
        piece = parts[first : first + _PIECE_SAMPLES]
        at_end = np.equal(piece, lowest, out=np.empty(piece.shape, np.bool_))
        at_end |= piece == highest
        count += int(np.count_nonzero(at_end.view(f"u{piece.shape[1]}")))
    return count


def saturation_warnings(at_full_scale: int | None, samples: int) -> tuple[str, ...]:
    """What a person should know of so many samples at full scale among those that are there, as lines."""
    if not at_full_scale or at_full_scale < _WARNED_SHARE * samples:
        return ()
    return (
        f"{at_full_scale} of {samples} samples ({100 * at_full_scale / samples:.2g} %) are at full scale: the receiver"
        " was overdriven, which adds lines and noise that are no signals. Record with less gain",
    )


def long_runs(flags: NDArray[np.bool_], minimum: int, edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`flags` (n,) without the runs of True that are shorter than `minimum` and touch none of the edges.

    edges: places between two flags, ascending; 0 is before the first.
    """
    kept = flags.copy()
    first, stop = runs(flags).T
    touches = np.searchsorted(edges, stop, side="right") > np.searchsorted(edges, first)
    kept[flags] = np.repeat((stop - first >= minimum) | touches, stop - first)
    return kept


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The runs of True in `flags`, as half-open (start, stop) rows, in order."""
    begins, ends = ([0] if flags[:1].any() else []), ([len(flags)] if flags[-1:].any() else [])
    edges = np.concatenate((begins, np.flatnonzero(flags[1:] != flags[:-1]) + 1, ends))
    return edges.astype(np.int64).reshape(-1, 2)


def _real(samples: NDArray[Any]) -> NDArray[Any]:
    return samples.view(samples.real.dtype)
