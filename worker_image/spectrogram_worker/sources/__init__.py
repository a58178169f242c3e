"""Recordings: what can be read, one module or folder per format behind `Recording`.

A format's module is imported when a recording of that format is opened: the libraries behind them take longer to load
than a short job takes.
"""

from importlib import import_module

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.sources.recognition import recognised
from spectrogram_worker.sources.recording import Description, Reader, Recording
from spectrogram_worker.sources.store import RecordingStore

__all__ = ["Description", "Reader", "Recording", "open_recording"]

_OPEN = {
    InputFormat.DIGITAL_RF: ("digital_rf.recording", "open_digital_rf"),
    InputFormat.SIGMF: ("sigmf.recording", "open_sigmf"),
    InputFormat.AUDIO: ("audio.recording", "open_audio"),
    InputFormat.NUMPY: ("numpy_file", "open_numpy"),
    InputFormat.RAW: ("raw", "open_raw"),
}


def open_recording(store: RecordingStore, selection: RecordingSelection) -> Recording:
    """Open the recording that `selection` names; reads headers only.

    Raises WorkerError: 64 where the job lacks what the file does not say, 65 where the recording cannot be used, 66
    where there is none, 74 or 75 where the system cannot read it.
    """
    chosen = selection.format
    module, function = _OPEN[recognised(store, selection) if chosen is InputFormat.AUTO else chosen]
    recording: Recording = getattr(import_module(f"{__name__}.{module}"), function)(store, selection)
    return recording
