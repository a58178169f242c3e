"""What to compute: the parameters that a SpectrogramJob and the worker's document share, field by field.

Every attribute's docstring is what `kubectl explain` shows: it states unit, default and range.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from spectrogram_worker.contract.base import (
    Model,
    Rule,
    at_least_rule,
    pattern_rule,
    relative_path_rule,
    unique_rule,
)

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Duration = Annotated[
    str,
    StringConstraints(max_length=32),
    pattern_rule(
        r"[0-9]+(\.[0-9]+)?(ms|s|m|h)", "is no duration: write a number and ms, s, m or h, as in 250ms or 10s"
    ),
]
Frequency = Annotated[float, Field(ge=-1e15, le=1e15)]


def duration_seconds(text: Duration) -> float:
    """Seconds of a duration such as `250ms`, `10s`, `1.5m` or `2h`."""
    match = re.match(r"([0-9.]+)([a-z]+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and ms, s, m or h, as in 10s")
    return float(match[1]) * _SECONDS[match[2]]


class InputFormat(StrEnum):
    """Formats of recordings."""

    AUTO = "Auto"
    DIGITAL_RF = "DigitalRF"
    SIGMF = "SigMF"
    AUDIO = "Audio"
    RAW = "Raw"
    NUMPY = "NumPy"


class WindowName(StrEnum):
    """Windows, named as `scipy.signal.get_window` names them."""

    GAUSSIAN = "gaussian"
    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    BLACKMANHARRIS = "blackmanharris"
    KAISER = "kaiser"
    TUKEY = "tukey"
    FLATTOP = "flattop"
    BOXCAR = "boxcar"


class Reduction(StrEnum):
    """How the frames of a column become one spectrum, in linear power."""

    MAX = "max"
    MEAN = "mean"
    MIN = "min"
    NONE = "none"


class OutputFormat(StrEnum):
    """Files that a job can leave behind, beside manifest.json."""

    PNG = "png"
    NPZ = "npz"
    ZARR = "zarr"
    HDF5 = "hdf5"


class Raw(Model):
    """What a recording does not say of its samples, as a raw file that has no header, or says wrongly: the job is right."""

    datatype: Annotated[str, StringConstraints(max_length=32)] | None = None
    """Raw and SigMF: the sample type by its SigMF name: r or c (real, complex), f32 f64 i8 i16 i32 u8 u16 u32, _le or _be. Example: cf32_le."""
    sample_rate: Annotated[float, Field(le=1e15), at_least_rule(1e-6, "Hz")] | None = None
    """Samples per second, in Hz. Default: what the recording says."""
    center_frequency: Frequency | None = None
    """Frequency at the centre of the band, in Hz. Default: what the recording or its name says, else 0, with a warning."""
    channels: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Raw files: how many channels of this type are interleaved; input.channel or input.iqChannels choose. Refused for other formats. Default: 1."""
    rules = (
        Rule(
            cel="!has(self.datatype) || self.datatype.matches('^[rc](f32_le|f32_be|f64_le|f64_be|i16_le|i16_be|i32_le"
            "|i32_be|u16_le|u16_be|u32_le|u32_be|i8|u8)$')",
            message="datatype must be a SigMF type: r or c, then f32 f64 i16 i32 u16 u32 with _le or _be, or i8 or u8, as in cf32_le",
            holds=lambda raw: (
                raw.datatype is None
                or re.fullmatch(r"[rc]((f32|f64|i16|i32|u16|u32)_(le|be)|[iu]8)", raw.datatype) is not None
            ),
        ),
    )


class Audio(Model):
    """What the channels of an audio file are."""

    iq: bool = False
    """true: the two channels are I and Q of one complex signal. Default: false, each channel is a signal of its own."""
    center_frequency: Frequency | None = None
    """I/Q: frequency at the centre of the band, in Hz. Default: what the header or else the file's name says, else 0."""
    rules = (
        Rule(
            cel="!has(self.centerFrequency) || (has(self.iq) && self.iq)",
            message="audio.centerFrequency is the centre of an I/Q band: add iq: true, or remove centerFrequency",
            holds=lambda audio: audio.center_frequency is None or audio.iq,
        ),
    )


class Range(Model):
    """The part of the recording to process, in one system of units. Default: all of it."""

    start: Duration | None = None
    """Where to start, from the recording's first sample, as a duration: 250ms, 10s, 1.5m, 2h. Default: 0s."""
    duration: Duration | None = None
    """How much to process, as a duration. Default: to the end."""
    start_sample: Annotated[int, Field(ge=0, le=2**62)] | None = None
    """First sample, counted from the recording's first sample. Default: 0."""
    samples: Annotated[int, Field(ge=1, le=2**62)] | None = None
    """How many samples to process. Default: to the end."""
    start_time: datetime | None = None
    """Where to start, in UTC, as 2026-11-01T12:00:00Z; goes with duration."""
    rules = (
        Rule(
            cel="[has(self.start), has(self.startSample) || has(self.samples), has(self.startTime)]"
            ".filter(x, x).size() <= 1 && !(has(self.duration) && (has(self.startSample) || has(self.samples)))",
            message="use one system of units: start and duration, or startSample and samples, or startTime and duration",
            holds=lambda r: (
                (r.start is not None)
                + (r.start_sample is not None or r.samples is not None)
                + (r.start_time is not None)
                <= 1
                and not (r.duration is not None and (r.start_sample is not None or r.samples is not None))
            ),
        ),
        Rule(
            cel="!has(self.duration) || self.duration.matches('[1-9]')",
            message="duration must be more than 0: remove it to process to the end",
            holds=lambda r: r.duration is None or duration_seconds(r.duration) > 0,
        ),
    )


ChannelName = Annotated[
    str,
    StringConstraints(max_length=128),
    pattern_rule(
        "[A-Za-z0-9_][A-Za-z0-9_. +-]*", "is no channel: write letters, digits, _ . + - and spaces, as in ch0 or '1'"
    ),
]


ChannelIndex = Annotated[int, Field(ge=0, le=65_535)]
RecordingPath = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class RecordingOptions(Model):
    """What the recording is, and which channel and part of it to process."""

    format: InputFormat = InputFormat.AUTO
    """Format of the recording. Auto (default) recognises it by its content, then by its name."""
    channel: ChannelName | None = None
    """Digital RF: the channel's name. Other formats: the channel's index, from 0. Default: the only one there is."""
    subchannel: Annotated[int, Field(ge=0, le=4095)] | None = None
    """Digital RF: index of the subchannel, from 0. Refused for other formats. Default: 0."""
    capture: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """SigMF: the capture to process, as an index from 0 into the metadata's captures. Refused for other formats. Default: all, if they share one centre frequency and sample rate."""
    iq_channels: Annotated[tuple[ChannelIndex, ...], Field(min_length=2, max_length=2), unique_rule()] | None = None
    """Audio, raw and NumPy files of real channels: the two that are I and Q, in this order, from 0. Example: [1, 0] where Q comes first."""
    audio: Audio | None = None
    """Audio: whether the two channels are I and Q. Refused for other formats. Default: they are not."""
    raw: Raw | None = None
    """Sample type, rate and centre frequency, where the recording does not say them or says them wrongly: what stands here beats the recording, with a warning, and its name."""
    range: Range | None = None
    """The part of the recording to process. Default: all of it."""
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.channel) || !has(self.audio) || !has(self.audio.iq) || !self.audio.iq",
            message="channel names one signal, and with audio.iq the two channels are one: remove channel or audio.iq",
            holds=lambda s: s.channel is None or s.audio is None or not s.audio.iq,
        ),
        Rule(
            cel="!has(self.channel) || !has(self.iqChannels)",
            message="channel names one signal, and the two iqChannels are one: remove channel or iqChannels",
            holds=lambda s: s.channel is None or s.iq_channels is None,
        ),
    )


class RecordingSelection(RecordingOptions):
    """Which recording, which channel and which part of it."""

    path: RecordingPath
    """Where the recording is, relative to the claim or store; for a web address, the file's name."""
    rules = (relative_path_rule("path"), *RecordingOptions.rules)


class Window(Model):
    """The window that each frame is multiplied by, in its periodic form, as scipy.signal.get_window gives it."""

    name: WindowName = WindowName.GAUSSIAN
    """Name of the window. Default: gaussian."""
    length: Annotated[int, Field(ge=8, le=1_048_576)] | None = None
    """Samples in the window, 8 to fftSize; a shorter one is padded with zeros to fftSize. Default: fftSize."""
    std_dev: Annotated[float, Field(le=1e6), at_least_rule(0.1, "samples")] = 100.0
    """gaussian: standard deviation in samples. Default: 100."""
    beta: Annotated[float, Field(ge=0, le=100)] = 8.6
    """kaiser: shape. Default: 8.6."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """tukey: the tapered share of the window, 0 to 1. Default: 0.5."""


class Calibration(Model):
    """What makes decibels of full scale those of a physical unit."""

    offset_db: Annotated[float, Field(ge=-1000, le=1000)]
    """Added to every value, in dB: what a full-scale sine has, in `unit`."""
    unit: Annotated[
        str,
        StringConstraints(max_length=32),
        pattern_rule(
            "dB[-A-Za-y0-9µ²^*/(). ]*",  # without z: that a density is per Hz is said by the results themselves
            "is no unit of power in dB: write one that begins with dB and does not name Hz, as in dBm",
        ),
    ]
    """Unit of power that the values are in, such as dBm or dBW; with scaling density the results say dBm/Hz."""


class Transform(Model):
    """The short-time Fourier transform: frame k covers samples k·hopSize to k·hopSize + the window's length."""

    fft_size: Annotated[int, Field(ge=8, le=1_048_576)] = 1024
    """Bins of each transform, 8 to 1048576; sizes with small prime factors are fastest. Default: 1024."""
    hop_size: Annotated[int, Field(ge=1, le=2**30)] = 500
    """Samples from one frame to the next, from 1; more than the window's length skips samples. Default: 500."""
    window: Window = Window()
    """The window. Default: gaussian with a standard deviation of 100 samples."""
    scaling: Literal["density", "spectrum"] = "density"
    """density (default): dB relative to full scale squared per Hz. spectrum: dBFS, a full-scale sine reads 0."""
    detrend: Literal["none", "constant"] = "none"
    """constant subtracts each frame's mean before the window. Default: none."""
    precision: Literal["single", "double"] = "single"
    """single (default) is right for spans up to about 130 dB; double for more, at twice the memory."""
    calibration: Calibration | None = None
    """An offset and the unit that it leads to. Default: none, values are relative to full scale."""
    calibration_offset_db: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    """Added to every value, in dB, where its unit is not to be named; see calibration. Default: 0."""
    rules = (
        Rule(
            cel="!has(self.calibration) || !has(self.calibrationOffsetDb)",
            message="calibration and calibrationOffsetDb both say what to add: remove calibrationOffsetDb",
            holds=lambda t: t.calibration is None or t.calibration_offset_db is None,
        ),
        Rule(
            cel="!has(self.window) || !has(self.window.length) || !has(self.fftSize)"
            " || self.window.length <= self.fftSize",
            message="window.length must not exceed fftSize: raise fftSize or shorten the window",
            holds=lambda t: t.window.length is None or t.window.length <= t.fft_size,
        ),
    )

    @property
    def offset_db(self) -> float:
        """What is added to every value, in dB."""
        return self.calibration.offset_db if self.calibration else self.calibration_offset_db or 0.0

    @property
    def unit(self) -> str:
        """Unit of the values. After an offset without a unit they are relative to something, but not to full scale."""
        is_density = self.scaling == "density"
        if self.calibration is not None:
            return f"{self.calibration.unit}/Hz" if is_density else self.calibration.unit
        if self.offset_db:
            return "dB/Hz, calibrated" if is_density else "dB, calibrated"
        return "dB(FS²/Hz)" if is_density else "dBFS"

    @property
    def window_length(self) -> int:
        """Samples of each frame that the window covers."""
        return self.window.length or self.fft_size


class Reduce(Model):
    """How frames become columns: consecutive frames are reduced in linear power before dB is taken."""

    time: Annotated[tuple[Reduction, ...], Field(min_length=1, max_length=3), unique_rule()] = (
        Reduction.MAX,
        Reduction.MEAN,
    )
    """One array each: max keeps short bursts, mean shows the floor, min; or none alone: every frame. The picture shows the first. Default: [max, mean]."""
    columns: Annotated[int, Field(ge=1, le=65_536)] = 4096
    """The most columns in time, 1 to 65536; not used when time is none. Default: 4096."""
    rules = (
        Rule(
            cel="!has(self.time) || !self.time.exists(x, x == 'none') || self.time.size() == 1",
            message="none stands alone in reduce.time: write [none], or remove it",
            holds=lambda r: Reduction.NONE not in r.time or len(r.time) == 1,
        ),
    )


class FrequencyRange(Model):
    """The band to keep: bins whose centre lies inside, both ends included."""

    lower: Frequency
    """Lower end, in Hz, on the absolute axis (with the centre frequency)."""
    upper: Frequency
    """Upper end, in Hz, on the absolute axis (with the centre frequency)."""
    rules = (
        Rule(
            cel="self.upper > self.lower",
            message="frequencyRange.upper must be greater than lower: swap them or widen the band",
            holds=lambda r: r.upper > r.lower,
        ),
    )


class DecibelRange(Model):
    """The values at the two ends of the colour scale, in dB."""

    min: Annotated[float, Field(ge=-10_000, le=10_000)]
    """Value of the darkest colour, in dB."""
    max: Annotated[float, Field(ge=-10_000, le=10_000)]
    """Value of the brightest colour, in dB."""
    rules = (
        Rule(
            cel="self.max > self.min",
            message="dbRange.max must be greater than min: swap them",
            holds=lambda r: r.max > r.min,
        ),
    )


MAXIMUM_PIXELS = 16_000_000


class Image(Model):
    """The picture, spectrogram.png."""

    colormap: Annotated[
        str,
        StringConstraints(max_length=64),
        pattern_rule("[A-Za-z0-9_]+", "is no colour map: write a name of matplotlib's, as in magma or viridis"),
    ] = "magma"
    """Any colour map of matplotlib: magma viridis plasma inferno cividis turbo jet hot cool rainbow … Default: magma."""
    width: Annotated[int, Field(ge=64, le=16_384)] = 1600
    """Width of the whole picture in pixels, 64 to 16384. Default: 1600."""
    height: Annotated[int, Field(ge=64, le=16_384)] = 900
    """Height of the whole picture in pixels, 64 to 16384. Default: 900."""
    cells: Literal["auto", "max", "mean"] = "auto"
    """What a pixel shows of several bins or columns, in linear power. auto (default): what reduce.time names first, of none the maximum. max keeps a narrow carrier or a short burst in a picture of means, mean shows levels of noise in one of maxima."""
    db_range: DecibelRange | None = None
    """Values at the ends of the colour scale, in dB. Default: the 1st and 99.8th percentile, at least 10 dB apart."""
    rules = (
        Rule(
            cel="!has(self.width) || !has(self.height) || self.width * self.height <= 16000000",
            message="width × height must not exceed 16 million pixels: make the picture smaller",
            holds=lambda i: i.width * i.height <= MAXIMUM_PIXELS,
        ),
    )


class OutputSelection(Model):
    """What to leave behind, and where."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """The folder to create, relative to the claim or store. No '..', no leading '/'. Default: the job's name."""
    formats: Annotated[tuple[OutputFormat, ...], Field(min_length=1, max_length=4), unique_rule()] = (
        OutputFormat.PNG,
        OutputFormat.NPZ,
    )
    """Files to write: png (picture), npz (NumPy arrays), zarr and hdf5 (arrays for xarray). manifest.json is always written. Default: [png, npz]."""
    image: Image = Image()
    """The picture's size and colours."""
    rules: ClassVar[tuple[Rule, ...]] = (
        relative_path_rule("path"),
        Rule(
            cel="!has(self.path) || self.path.split('/').exists(p, p != '' && p != '.')",
            message="path must name a folder below the claim or store: write its name, or remove path to take the job's name",
            holds=lambda o: o.path is None or any(part not in ("", ".") for part in o.path.split("/")),
        ),
    )


class Chunking(Model):
    """How much each thread reads at a time: up to 8 MiB of samples, in chunks up to 4 MiB. Every mode gives the same result, in chunks in less memory."""

    mode: Literal["auto", "always", "never"] = "auto"
    """auto (default): chunked above the threshold. always, never: regardless of size."""
    threshold_megabytes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 500
    """Size in MB (10⁶ bytes) above which auto reads in chunks. Default: 500."""

    def applies_to(self, size: int) -> bool:
        """Whether a selection of so many bytes is read in chunks."""
        return self.mode == "always" or (self.mode == "auto" and size > self.threshold_megabytes * 1_000_000)
