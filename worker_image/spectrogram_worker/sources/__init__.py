"""Recordings: what can be read, a folder for each kind of format behind `Recording`.

A format's module is imported when a recording of that format is opened: the libraries behind them take longer to load
than a short job takes.
"""

from fractions import Fraction
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.recognition import header_warnings, recognised, require_no_foreign_header
from spectrogram_worker.sources.recording import Description, Reader, Recording
from spectrogram_worker.sources.said import require_usable
from spectrogram_worker.sources.store import RecordingStore

__all__ = ["Description", "Reader", "Recording", "open_recording"]

_OPEN = {
    InputFormat.DIGITAL_RF: ("digital_rf.recording", "open_digital_rf"),
    InputFormat.SIGMF: ("sigmf.recording", "open_sigmf"),
    InputFormat.AUDIO: ("audio.recording", "open_audio"),
    InputFormat.NUMPY: ("plain.numpy_file", "open_numpy"),
    InputFormat.RAW: ("plain.raw", "open_raw"),
}

_LOWEST_RATE, _HIGHEST_RATE = Fraction(1, 10**6), Fraction(10**15)
"""Hz, as for what a job says: of a day at less or more no time or frequency could be told."""
_TUNED_AGAIN = (InputFormat.DIGITAL_RF, InputFormat.SIGMF)
"""Formats that may say the centre frequency many times, rounded: they ask how wide a bin is."""


def open_recording(store: RecordingStore, selection: RecordingSelection, fft_size: int | None = None) -> Recording:
    """Open the recording that `selection` names; reads headers only.

    fft_size: bins of the transform that follows. Centre frequencies that differ by less than half a bin are one.

    Raises WorkerError: 64 where the job lacks what the file does not say, 65 where the recording cannot be used, 66
    where there is none, 74 or 75 where the system cannot read it.
    """
    path, chosen = PurePosixPath(selection.path), selection.format
    options: tuple[Any, ...] = ()
    store.is_file(path)  # before anything beside it is asked for: an error names what the job names
    if chosen is InputFormat.AUTO:
        chosen = recognised(store, selection)
    elif chosen is InputFormat.RAW:
        options = (header_warnings(store.shown(path), require_no_foreign_header(store, path)),)
    require_usable(store.shown(path), chosen, selection)
    module, function = _OPEN[chosen]
    if chosen in _TUNED_AGAIN:
        options = (fft_size,)
    recording: Recording = getattr(import_module(f"{__name__}.{module}"), function)(store, selection, *options)
    rate = recording.description.sample_rate
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        recording.close()
        raise input_invalid(
            f"{recording.description.name} says that its sample rate is {float(rate):g} Hz: write the right one as"
            " input.raw.sampleRate"
        )
    return recording
