"""Which recording, what it is, and which part of it: `input`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from spectrogram_worker.contract.base import (
    RELATIVE_PATH,
    Model,
    Rule,
    at_least_rule,
    pattern_rule,
    unique_rule,
)
from spectrogram_worker.contract.parameters.quantities import Duration, Frequency, duration_seconds


class InputFormat(StrEnum):
    """Formats of recordings."""

    AUTO = "Auto"
    DIGITAL_RF = "DigitalRF"
    SIGMF = "SigMF"
    AUDIO = "Audio"
    RAW = "Raw"
    NUMPY = "NumPy"


class Raw(Model):
    """What a recording does not say of its samples, as a raw file that has no header, or says wrongly: the job is right."""

    datatype: (
        Annotated[
            str,
            StringConstraints(max_length=32),
            pattern_rule(
                "[rc]((f32|f64|i16|i32|u16|u32)_(le|be)|[iu]8)",
                "is no SigMF type: write r or c, then f32 f64 i16 i32 u16 u32 with _le or _be, or i8 or u8, as in cf32_le",
            ),
        ]
        | None
    ) = None
    """Raw and SigMF: the sample type by its SigMF name: r or c (real, complex), f32 f64 i8 i16 i32 u8 u16 u32, _le or _be. Example: cf32_le."""
    sample_rate: Annotated[float, Field(le=1e15), at_least_rule(1e-6, "Hz")] | None = None
    """Samples per second, in Hz. Default: what the recording says."""
    center_frequency: Frequency | None = None
    """Frequency at the centre of the band, in Hz. Default: what the recording or its name says, else 0, with a warning."""
    channels: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Raw files: how many channels of this type are interleaved; input.channel or input.iqChannels choose. Refused for other formats. Default: 1."""


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
            field="centerFrequency",
        ),
    )


class Range(Model):
    """The part of the recording to process, in one system of units. Default: all of it."""

    start: Duration | None = None
    """Where to start, from the recording's first sample, as a duration: 250ms, 10s, 1.5m, 2h. Default: 0s."""
    duration: (
        Annotated[
            Duration,
            Rule(
                cel="self.matches('[1-9]')",
                message="must be more than 0: remove it to process to the end",
                holds=lambda duration: duration_seconds(duration) > 0,
            ),
        ]
        | None
    ) = None
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
    )


ChannelName = Annotated[
    str,
    StringConstraints(max_length=128),
    pattern_rule(
        "[A-Za-z0-9_][A-Za-z0-9_. +-]*", "is no channel: write letters, digits, _ . + - and spaces, as in ch0 or '1'"
    ),
]
ChannelIndex = Annotated[int, Field(ge=0, le=65_535)]
RecordingPath = Annotated[str, StringConstraints(min_length=1, max_length=512), RELATIVE_PATH]


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
            field="channel",
        ),
        Rule(
            cel="!has(self.channel) || !has(self.iqChannels)",
            message="channel names one signal, and the two iqChannels are one: remove channel or iqChannels",
            holds=lambda s: s.channel is None or s.iq_channels is None,
            field="channel",
        ),
    )


class RecordingSelection(RecordingOptions):
    """Which recording, which channel and which part of it."""

    path: RecordingPath
    """Where the recording is, relative to the claim or store; for a web address, the file's name."""
