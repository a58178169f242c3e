"""Recordings: what can be read, one module or folder per format behind `Recording`.

A format's module is imported when a recording of that format is opened: the libraries behind them take longer to load
than a short job takes.
"""

from importlib import import_module

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import invalid_spec
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

_OF_REAL_CHANNELS = (InputFormat.AUDIO, InputFormat.NUMPY, InputFormat.RAW)
_TUNED_AGAIN = (InputFormat.DIGITAL_RF,)
"""Formats that say the centre frequency several times: what differs by less than a bin is one."""


def open_recording(store: RecordingStore, selection: RecordingSelection, fft_size: int | None = None) -> Recording:
    """Open the recording that `selection` names; reads headers only. Of a transform of `fft_size` bins, see formats.

    Raises WorkerError: 64 where the job lacks what the file does not say, 65 where the recording cannot be used, 66
    where there is none, 74 or 75 where the system cannot read it.
    """
    chosen = recognised(store, selection) if selection.format is InputFormat.AUTO else selection.format
    if selection.iq_channels is not None and chosen not in _OF_REAL_CHANNELS:
        raise invalid_spec(f"input.iqChannels: {chosen} says itself which samples are complex: remove it")
    module, function = _OPEN[chosen]
    resolution = (fft_size,) if chosen in _TUNED_AGAIN else ()
    recording: Recording = getattr(import_module(f"{__name__}.{module}"), function)(store, selection, *resolution)
    return recording
