"""Recordings: what can be read, one module per format behind `Recording`."""

from collections.abc import Callable
from pathlib import Path

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.sources.digital_rf import open_digital_rf
from spectrogram_worker.sources.raw import open_raw
from spectrogram_worker.sources.recognition import recognised
from spectrogram_worker.sources.recording import Description, Reader, Recording
from spectrogram_worker.sources.sigmf import open_sigmf

__all__ = ["Description", "Reader", "Recording", "open_recording"]

_OPEN: dict[InputFormat, Callable[[Path, RecordingSelection], Recording]] = {
    InputFormat.DIGITAL_RF: open_digital_rf,
    InputFormat.SIGMF: open_sigmf,
    InputFormat.RAW: open_raw,
}


def open_recording(root: Path, selection: RecordingSelection) -> Recording:
    """Open the recording that `selection` names below `root`; reads headers only.

    Raises WorkerError: 64 where the job lacks what the file does not say, 65 where the recording cannot be used, 66
    where there is none, 74 where the system cannot read it.
    """
    root = root.resolve()
    chosen = selection.format
    return _OPEN[recognised(root, selection) if chosen is InputFormat.AUTO else chosen](root, selection)
