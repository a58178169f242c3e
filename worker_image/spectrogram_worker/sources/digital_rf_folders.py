"""The folders of a Digital RF recording: its channels, and their sample files in order. No HDF5 is opened here.

Recognition looks here at every recording: the HDF5 library is loaded only for those that are Digital RF.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import PurePosixPath

from spectrogram_worker.contract.parameters import Range, duration_seconds
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.volume import Volume

PROPERTIES_NAMES = ("drf_properties.h5", "metadata.h5")  # the second before version 2.5
SUBDIRECTORY = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}")
_SAMPLE_FILE = re.compile(r"rf@(\d{1,12})\.(\d{3})\.h5")
_LISTED_CHANNELS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_digital_rf(volume: Volume, path: PurePosixPath) -> bool:
    """True for the folder of a Digital RF recording, or of one of its channels."""
    return properties_file(volume, path) is not None or bool(channel_names(volume, path))


def channel_names(volume: Volume, path: PurePosixPath) -> list[str]:
    """The channels of a recording, sorted."""
    return sorted(name for name in volume.names(path) if properties_file(volume, path / name) is not None)


def choose_channel(volume: Volume, path: PurePosixPath, wanted: str | None) -> PurePosixPath:
    """The folder of the channel `wanted`, or of the only one; `path` may also be a channel's folder itself.

    Raises WorkerError: 64 where the choice is open, with the channels listed; 65 where `path` is no Digital RF folder.
    """
    volume.require(path)
    if wanted in (None, path.name) and properties_file(volume, path) is not None:
        return path
    name = volume.shown(path)
    if not volume.is_folder(path) or not (names := channel_names(volume, path)):
        raise input_invalid(
            f"{name} is not a Digital RF recording: it has no <channel>/drf_properties.h5 (if that file was lost,"
            " digital_rf.recreate_properties_file makes it again)"
        )
    listed = ", ".join(names[:_LISTED_CHANNELS]) + (" …" if len(names) > _LISTED_CHANNELS else "")
    if wanted is None and len(names) > 1:
        raise invalid_spec(f"input.channel is missing: {name} has the channels {listed}, name one")
    if wanted is not None and wanted not in names:
        raise invalid_spec(f"input.channel: {name} has no channel {wanted}, but {listed}")
    return path / (wanted or names[0])


def sample_files(volume: Volume, channel: PurePosixPath) -> list[tuple[int, PurePosixPath]]:
    """The channel's sample files, without those still being written (tmp.rf@…), in the order of time.

    Each with the time in its name, in milliseconds since 1970: its samples are not earlier.
    """
    found: list[tuple[int, PurePosixPath]] = []
    for folder in volume.names(channel):
        if SUBDIRECTORY.fullmatch(folder):
            for name in volume.names(channel / folder):
                if match := _SAMPLE_FILE.fullmatch(name):
                    found.append((int(match[1]) * 1000 + int(match[2]), channel / folder / name))
    return sorted(found)


def files_near(
    files: Sequence[tuple[int, PurePosixPath]], wanted: Range, sample_rate: Fraction, file_milliseconds: int
) -> list[PurePosixPath]:
    """Of `sample_files`, those that may hold samples of a range, with a file to spare on each side.

    The first and the last are always among them: they say where the recording begins and ends. The recording's first
    sample lies in the first file, anywhere; so a range that counts from it is known to the length of a file.
    """
    begin = files[0][0]
    if wanted.start_time is not None:
        start = wanted.start_time if wanted.start_time.tzinfo is not None else wanted.start_time.replace(tzinfo=UTC)
        begin = (start - _EPOCH) // timedelta(milliseconds=1)
    elif wanted.start is not None:
        begin += math.floor(1000 * Fraction(duration_seconds(wanted.start)))
    else:
        begin += math.floor(1000 * (wanted.start_sample or 0) / sample_rate)
    length: float = math.inf
    if wanted.samples is not None:
        length = math.ceil(1000 * wanted.samples / sample_rate)
    elif wanted.duration is not None:
        length = math.ceil(1000 * Fraction(duration_seconds(wanted.duration)))
    low, high = begin - 2 * file_milliseconds, begin + length + 2 * file_milliseconds
    ends = (files[0], files[-1])
    return [file[1] for file in files if low < file[0] < high or file in ends]


def properties_file(volume: Volume, channel: PurePosixPath) -> PurePosixPath | None:
    """The file of the channel's properties, or None where `channel` is no channel's folder."""
    return next((channel / name for name in PROPERTIES_NAMES if volume.is_file(channel / name)), None)
