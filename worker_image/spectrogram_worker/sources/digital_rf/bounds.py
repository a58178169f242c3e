"""Where a Digital RF recording begins and ends, and which files a range of it needs.

Only the first and the last file are opened to find both ends: what a range costs, and whether it can be read, must not
depend on the rest of the recording. Of a file that cannot be read the time in its name is taken.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.sources.digital_rf.folders import SampleFiles, SampleFolders
from spectrogram_worker.sources.digital_rf.hdf5 import Properties
from spectrogram_worker.sources.digital_rf.index import MAXIMUM_SAMPLE, Index, build_index
from spectrogram_worker.sources.digital_rf.reader import DigitalRfReader
from spectrogram_worker.sources.samples.sample_type import MINIMUM_PADDING_RUN, SampleType
from spectrogram_worker.sources.store import RecordingStore

_SEARCH_SAMPLES = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From the first recorded sample, `first`, to one past the last, `stop`, as indices since 1970.

    sample_type: of the samples at either end, None where neither file can be read. warnings: lines for people.
    """

    first: int
    stop: int
    sample_type: SampleType | None
    warnings: tuple[str, ...] = ()


def find_bounds(store: RecordingStore, folders: SampleFolders, properties: Properties, subchannel: int) -> Bounds:
    """Look at the first file and the last, or where these are padding alone at those beside. Raises WorkerError 65."""
    first = _end(store, folders, properties, subchannel, backwards=False)
    last = _end(store, folders, properties, subchannel, backwards=True)
    if first.sample >= last.sample:
        raise input_invalid(
            f"{store.shown(folders.channel)} has files whose names are not in the order of their samples:"
            " two recordings were mixed, separate them"
        )
    if last.sample > MAXIMUM_SAMPLE:
        raise input_invalid(
            f"{store.shown(folders.channel)} cannot have had {float(properties.sample_rate):.12g} samples per second"
            " since 1970: recreate its properties with digital_rf"
        )
    return Bounds(
        first=first.sample,
        stop=last.sample,
        sample_type=first.sample_type or last.sample_type,
        warnings=tuple(dict.fromkeys(first.warnings + last.warnings)),
    )


@dataclass(frozen=True)
class _End:
    sample: int
    sample_type: SampleType | None
    warnings: tuple[str, ...] = ()


def _end(
    store: RecordingStore, folders: SampleFolders, properties: Properties, subchannel: int, *, backwards: bool
) -> _End:
    """The first recorded sample, or backwards one past the last."""
    channel = store.shown(folders.channel)
    empty = "is empty: it has no rf@….h5 file"
    for file in folders.from_end(backwards=backwards):
        try:
            index = build_index(store, file, properties, subchannel)
            _require_named(store, index, properties)
            sample = _recorded(store, index, backwards=backwards)
        except WorkerError as error:
            if error.code is not ExitCode.INPUT_INVALID:
                raise
            return _named_end(file, properties, error, backwards=backwards)
        if sample is not None:
            return _End(sample, index.sample_type)
        if len(index.starts):
            empty = "holds no recorded sample: all of it is padding"
        elif "rf@" in empty:
            empty = "is empty: its files hold no sample"
    raise input_invalid(f"{channel} {empty}")


def _require_named(store: RecordingStore, index: Index, properties: Properties) -> None:
    """Raise WorkerError 65 where a file's samples are not of the time in its name, so that they are no end."""
    if not len(index.starts):
        return
    begin = int(index.sample_files.times[0])
    is_early = index.starts[0] < _first_sample(begin, properties) - MINIMUM_PADDING_RUN
    length = properties.file_milliseconds
    is_late = length is not None and index.stops[-1] > _first_sample(begin + length, properties) + MINIMUM_PADDING_RUN
    if is_early or is_late:
        name = store.shown(index.sample_files.path(0))
        raise input_invalid(f"{name} holds samples of another time: two recordings were mixed, separate them")


def _named_end(file: SampleFiles, properties: Properties, error: WorkerError, *, backwards: bool) -> _End:
    """The end as the name of a file tells that cannot be read: the time at which it begins, and how long files are."""
    begin = int(file.times[0])
    sample = _first_sample(begin, properties)
    if backwards:
        sample = max(sample + 1, _first_sample(begin + (properties.file_milliseconds or 0), properties))
    end = "ends" if backwards else "begins"
    return _End(sample, None, (f"Where the recording {end} is known from the name of a file only: {error}",))


def _first_sample(milliseconds: int, properties: Properties) -> int:
    """The first sample that is not earlier."""
    return -int(-milliseconds * properties.sample_rate // 1000)


def _recorded(store: RecordingStore, index: Index, *, backwards: bool) -> int | None:
    """The first recorded sample of these files, or one past the last; None where there is none."""
    if not len(index.starts):
        return None
    if not index.sample_type.padded:
        return int(index.stops[-1] if backwards else index.starts[0])
    base = int(index.starts[0])
    with closing(DigitalRfReader(store, index.counted_from(base))) as reader:
        present = next(_present(reader, index, base, backwards=backwards), None)
    if present is None:
        return None
    return int(present[-1]) + 1 if backwards else int(present[0])


def _present(
    reader: DigitalRfReader, index: Index, base: int, *, backwards: bool = False
) -> Iterator[NDArray[np.int64]]:
    """Indices of recorded samples, piece by piece (each (n,), ascending, not empty), from either end."""
    buffer = np.empty(_SEARCH_SAMPLES, np.complex64 if index.sample_type.is_complex else np.float32)
    turn = -1 if backwards else 1
    for start, stop in zip(index.starts[::turn].tolist(), index.stops[::turn].tolist(), strict=True):
        for piece in range(start, stop, _SEARCH_SAMPLES)[::turn]:
            samples = buffer[: min(_SEARCH_SAMPLES, stop - piece)]
            missing = reader.read(piece - base, samples)
            if missing is None:
                yield np.arange(piece, piece + len(samples))
            elif not missing.all():
                yield piece + np.flatnonzero(~missing)


def files_of(
    folders: SampleFolders, begin: int, stop: int, properties: Properties
) -> tuple[SampleFiles, NDArray[np.bool_]]:
    """The files that may hold the samples [begin, stop), indices since 1970; True for those that probably do not.

    These are the files on either side: a run of padding may begin there, and a writer may have rounded.
    """
    rate = properties.sample_rate
    first, last = begin * 1000 // rate, (stop - 1) * 1000 // rate
    files = folders.between(
        int((begin - MINIMUM_PADDING_RUN) * 1000 // rate), int((stop - 1 + MINIMUM_PADDING_RUN) * 1000 // rate)
    )
    ends = np.append(files.times[1:], np.iinfo(np.int64).max)
    if properties.file_milliseconds is not None:
        ends = np.minimum(ends, files.times + properties.file_milliseconds)
    return files, (files.times > last) | (ends <= first)


def time_of(sample: int, sample_rate: Fraction) -> datetime | None:
    """UTC of a sample index since 1970, to the microsecond, in integers: the index has 14 digits and more."""
    try:
        return _EPOCH + timedelta(microseconds=int(sample * 1_000_000 / sample_rate))
    except OverflowError:
        return None
