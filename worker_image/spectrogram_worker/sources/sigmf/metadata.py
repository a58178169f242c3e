"""The metadata of a SigMF recording. It is somebody else's: what is used of it is checked here, field by field."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from spectrogram_worker.errors import WorkerError, input_invalid, invalid_spec
from spectrogram_worker.sources.samples.sample_type import SampleType, parse_datatype
from spectrogram_worker.sources.sigmf.pieces import elements, members, parse
from spectrogram_worker.sources.store import RecordingStore

METADATA_EXTENSION = ".sigmf-meta"
DATA_EXTENSION = ".sigmf-data"
ARCHIVE_EXTENSION = ".sigmf"
MAXIMUM_METADATA_BYTES = 16 * 2**20
_MAXIMUM_CAPTURES = 100_000
_MAXIMUM_INDEX = 2**62
_SAMPLE_RATE = ":sample_rate"
_RESOLUTIONS = (
    (re.compile(r"\d\d:\d\d:\d\d|[T ]\d{6}"), Fraction(1)),
    (re.compile(r"\d\d:\d\d|[T ]\d{4}"), Fraction(60)),
    (re.compile(""), Fraction(86_400)),
)
"""What a time without a fraction is written to, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Capture:
    """One entry of `captures`; sample_start counts from the first sample in the file.

    sample_rate: where the entry has one of its own, which SigMF does not know but SDRangel writes. time_resolution: the
    last digit of `time` as written, in seconds.
    """

    sample_start: int
    header_bytes: int = 0
    global_index: int | None = None
    frequency: float | None = None
    sample_rate: float | None = None
    time: datetime | None = None
    time_resolution: Fraction = Fraction(1)


def metadata_path(path: PurePosixPath) -> PurePosixPath:
    """The .sigmf-meta file that goes with `path`: itself, its data file, or their common name."""
    stem = path.name.removesuffix(METADATA_EXTENSION).removesuffix(DATA_EXTENSION)
    return path.parent / (stem + METADATA_EXTENSION)  # a folder that is called "." has no name


def describing(store: RecordingStore, path: PurePosixPath) -> PurePosixPath | None:
    """The .sigmf-meta file beside `path`, of the same stem, that names it as its samples (core:dataset)."""
    if not path.suffix or not store.is_file(beside := path.with_suffix(METADATA_EXTENSION)):
        return None
    try:
        return beside if load_metadata(store, beside).dataset_name == path.name else None
    except WorkerError:  # then it does not say so, and is none of the job's business
        return None


def load_metadata(store: RecordingStore, path: PurePosixPath) -> "Metadata":
    """Read and parse a .sigmf-meta file of at most 16 MiB. Raises WorkerError 65, 66, 74."""
    with closing(store.open(path)) as file:
        if file.size > MAXIMUM_METADATA_BYTES:
            raise input_invalid(f"{file.name} is larger than 16 MiB: remove annotations that are not needed")
        content = bytearray(file.size)
        file.read(0, np.frombuffer(content, np.uint8))
    return parse_metadata(file.name, path.name, content)


def parse_metadata(name: str, file_name: str, content: bytearray) -> "Metadata":
    """Parse the content of the .sigmf-meta file `file_name`, which people know as `name`. Raises WorkerError 65."""
    with _json_errors(name):
        places = {member: place for member, place in members(content) if member in ("global", "captures")}
        described = parse(content, places["global"]) if "global" in places else None
    if not isinstance(described, dict):
        raise input_invalid(f"{name} is not SigMF metadata: it has no object named global")
    return Metadata(name, file_name, described, content, places.get("captures"))


@contextmanager
def _json_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise input_invalid(f"{name} is not JSON ({str(error)[:80]}): write it again") from None


class Metadata:
    """A parsed .sigmf-meta file. Every question raises WorkerError 65 where the field is not what SigMF says."""

    def __init__(
        self, name: str, file_name: str, described: dict[str, Any], content: bytearray, captures: tuple[int, int] | None
    ) -> None:
        self.name = name
        self._file_name = file_name
        self._global = described
        self._content, self._captures = content, captures

    @property
    def dataset_name(self) -> str:
        """Name of the file of samples, which lies in the same folder."""
        if self._global.get("core:metadata_only"):
            raise input_invalid(f"{self.name} is metadata only (core:metadata_only): there are no samples")
        usual = self._file_name.removesuffix(METADATA_EXTENSION) + DATA_EXTENSION
        name = self._global.get("core:dataset", usual)
        if name == usual:
            return usual
        if not isinstance(name, str) or not _is_file_name(name):
            raise self._wrong("core:dataset", name, "the name of a file in the same folder")
        return name

    @property
    def trailing_bytes(self) -> int:
        """Bytes after the last sample."""
        return self._count(self._global, "core:trailing_bytes") or 0

    @property
    def sample_rate(self) -> float | None:
        """Samples per second, where the metadata says so for all captures."""
        return self._rate(self._global, "core:sample_rate")

    @property
    def datatype(self) -> str | None:
        """The type of the samples as the metadata has it, where that is one."""
        datatype = self._global.get("core:datatype")
        return datatype if isinstance(datatype, str) and parse_datatype(datatype) is not None else None

    def sample_type(self, datatype: str | None, channel: str | None) -> SampleType:
        """The samples, of this type, of the channel with this index. Raises WorkerError 64 where that is not there."""
        channels = self._count(self._global, "core:num_channels")
        channels = 1 if channels is None else channels
        if not 1 <= channels <= 4096:
            raise self._wrong("core:num_channels", channels, "a number from 1 to 4096")
        if channel is None and channels > 1:
            raise invalid_spec(f"input.channel is missing: {self.name} has channels 0 to {channels - 1}, name one")
        if channel is not None and (not channel.isdecimal() or int(channel) >= channels):
            raise invalid_spec(f"input.channel: {self.name} has no channel {channel}, but 0 to {channels - 1}")
        found = parse_datatype(datatype or "", channels=channels, channel=int(channel or 0))
        if found is None:
            raise self._wrong(
                "core:datatype", self._global.get("core:datatype"), "a SigMF sample type such as cf32_le or ci8"
            )
        return found

    def captures(self) -> list[Capture]:
        """The captures in order, numbered as in the metadata; one at sample 0 where it has none."""
        captures = [self._capture(entry) for entry in self._entries()] or [Capture(sample_start=0)]
        starts = [capture.sample_start for capture in captures]
        if starts != sorted(starts):
            raise input_invalid(f"{self.name}: captures are not in the order of core:sample_start: sort them")
        # In one of several files of a recording, sample_start should count from the recording's first sample, and so be
        # at least core:offset. Many programs count from the file's first sample: then it is less.
        first = self._count(self._global, "core:offset") or 0
        if starts[0] < first:
            return captures
        return [replace(capture, sample_start=capture.sample_start - first) for capture in captures]

    def _entries(self) -> Iterator[dict[str, Any]]:
        if self._captures is None:
            return
        if self._content[self._captures[0] : self._captures[0] + 1] != b"[":
            raise self._not_captures()
        with _json_errors(self.name):
            for number, place in enumerate(elements(self._content, self._captures)):
                if number == _MAXIMUM_CAPTURES:
                    raise input_invalid(f"{self.name} has more than {_MAXIMUM_CAPTURES} captures: split it")
                entry = parse(self._content, place)
                if not isinstance(entry, dict):
                    raise self._not_captures()
                yield entry

    def _not_captures(self) -> WorkerError:
        return input_invalid(f"{self.name}: captures is not a list of objects: write it again")

    def _capture(self, entry: dict[str, Any]) -> Capture:
        start = self._count(entry, "core:sample_start")
        if start is None:
            raise input_invalid(f"{self.name}: a capture has no core:sample_start: add it")
        own_rate = next((field for field in entry if field.endswith(_SAMPLE_RATE)), None)
        time = entry.get("core:datetime")
        return Capture(
            sample_start=start,
            header_bytes=self._count(entry, "core:header_bytes") or 0,
            global_index=self._count(entry, "core:global_index"),
            frequency=self._number(entry, "core:frequency"),
            sample_rate=None if own_rate is None else self._rate(entry, own_rate),
            time=_time(time),
            time_resolution=_resolution(str(time)),
        )

    def _rate(self, entry: dict[str, Any], field: str) -> float | None:
        rate = self._number(entry, field)
        if rate is not None and not 1e-6 <= rate <= 1e15:
            raise self._wrong(field, rate, "a number of Hz from 1e-6 to 1e15")
        return rate

    def _count(self, entry: dict[str, Any], field: str) -> int | None:
        value = entry.get(field)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is not None and (type(value) is not int or not 0 <= value <= _MAXIMUM_INDEX):
            raise self._wrong(field, value, "a whole number from 0")
        return value

    def _number(self, entry: dict[str, Any], field: str) -> float | None:
        value = entry.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
            raise self._wrong(field, value, "a number")
        return float(value)

    def _wrong(self, field: str, value: Any, right: str) -> WorkerError:
        said = f"of the type {type(value).__name__}" if isinstance(value, dict | list) else json.dumps(value)[:60]
        return input_invalid(f"{self.name}: {field} is {said}, but must be {right}")


def _time(value: Any) -> datetime | None:
    """UTC time of ISO 8601; a time that cannot be read is unknown: the spectrogram does not need it."""
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _resolution(text: str) -> Fraction:
    if (fraction := re.search(r"[.,](\d{1,6})", text)) is not None:
        return Fraction(1, 10 ** len(fraction[1]))
    return next(seconds for pattern, seconds in _RESOLUTIONS if pattern.search(text))


def _is_file_name(name: str) -> bool:
    try:
        name.encode()  # half a surrogate pair is no character, and no name has it
    except UnicodeEncodeError:
        return False
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
