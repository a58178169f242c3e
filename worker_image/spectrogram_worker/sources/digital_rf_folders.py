"""The folders of a Digital RF recording: its channels, and their sample files in order. No HDF5 is opened here.

Recognition looks here at every recording: the HDF5 library is loaded only for those that are Digital RF.
"""

import re
from pathlib import Path

from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.files import inside, shown, unreadable

PROPERTIES_NAMES = ("drf_properties.h5", "metadata.h5")  # the second before version 2.5
SUBDIRECTORY = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}")
_SAMPLE_FILE = re.compile(r"rf@(\d{1,12})\.(\d{3})\.h5")
_LISTED_CHANNELS = 10


def is_digital_rf(root: Path, path: Path) -> bool:
    """True for the folder of a Digital RF recording, or of one of its channels."""
    return properties_file(path) is not None or bool(channel_names(root, path))


def channel_names(root: Path, path: Path) -> list[str]:
    """The channels of a recording, sorted."""
    try:
        return sorted(entry.name for entry in inside(root, path).iterdir() if properties_file(entry) is not None)
    except OSError as error:
        raise unreadable(shown(root, path), error) from None


def choose_channel(root: Path, path: Path, wanted: str | None) -> Path:
    """The folder of the channel `wanted`, or of the only one; `path` may also be a channel's folder itself.

    Raises WorkerError: 64 where the choice is open, with the channels listed; 65 where `path` is no Digital RF folder.
    """
    if properties_file(inside(root, path)) is not None and wanted in (None, path.name):
        return path
    if not inside(root, path).is_dir() or not (names := channel_names(root, path)):
        raise input_invalid(
            f"{shown(root, path)} is not a Digital RF recording: it has no <channel>/drf_properties.h5 (if that file"
            " was lost, digital_rf.recreate_properties_file makes it again)"
        )
    listed = ", ".join(names[:_LISTED_CHANNELS]) + (" …" if len(names) > _LISTED_CHANNELS else "")
    if wanted is None and len(names) > 1:
        raise invalid_spec(f"input.channel is missing: {shown(root, path)} has the channels {listed}, name one")
    if wanted is not None and wanted not in names:
        raise invalid_spec(f"input.channel: {shown(root, path)} has no channel {wanted}, but {listed}")
    return path / (wanted or names[0])


def sample_files(root: Path, channel: Path) -> list[Path]:
    """The channel's sample files in the order of time, without those still being written (tmp.rf@…)."""
    found: list[tuple[int, Path]] = []
    try:
        for folder in inside(root, channel).iterdir():
            if SUBDIRECTORY.fullmatch(folder.name):
                for file in inside(root, folder).iterdir():
                    if match := _SAMPLE_FILE.fullmatch(file.name):
                        found.append((int(match[1]) * 1000 + int(match[2]), channel / folder.name / file.name))
    except OSError as error:
        raise unreadable(shown(root, channel), error) from None
    return [file for _, file in sorted(found)]


def properties_file(channel: Path) -> Path | None:
    """The file of the channel's properties, or None where `channel` is no channel's folder."""
    return next((channel / name for name in PROPERTIES_NAMES if (channel / name).is_file()), None)
