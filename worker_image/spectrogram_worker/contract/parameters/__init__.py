"""What to compute: the parameters that a SpectrogramJob and the worker's document share, field by field.

Every attribute's docstring is what `kubectl explain` shows: it states unit, default and range.
"""

from spectrogram_worker.contract.parameters.quantities import (
    Duration,
    Frequency,
    duration_seconds,
)
from spectrogram_worker.contract.parameters.recording import (
    Audio,
    ChannelIndex,
    ChannelName,
    InputFormat,
    Range,
    Raw,
    RecordingOptions,
    RecordingPath,
    RecordingSelection,
)
from spectrogram_worker.contract.parameters.results import (
    MAXIMUM_PIXELS,
    DecibelRange,
    Image,
    OutputFormat,
    OutputSelection,
)
from spectrogram_worker.contract.parameters.spectrum import (
    Calibration,
    Chunking,
    FrequencyRange,
    Reduce,
    Reduction,
    Transform,
    Window,
    WindowName,
)

__all__ = [
    "MAXIMUM_PIXELS",
    "Audio",
    "Calibration",
    "ChannelIndex",
    "ChannelName",
    "Chunking",
    "DecibelRange",
    "Duration",
    "Frequency",
    "FrequencyRange",
    "Image",
    "InputFormat",
    "OutputFormat",
    "OutputSelection",
    "Range",
    "Raw",
    "RecordingOptions",
    "RecordingPath",
    "RecordingSelection",
    "Reduce",
    "Reduction",
    "Transform",
    "Window",
    "WindowName",
    "duration_seconds",
]
