"""What a job says of an audio file, and what the file says of itself, put together."""

from fractions import Fraction
from pathlib import PurePosixPath

from spectrogram_worker.contract.parameters import Audio, InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import input_invalid, invalid_spec
from spectrogram_worker.sources.audio.auxi import Tuning
from spectrogram_worker.sources.channels import channel_index, iq_pair
from spectrogram_worker.sources.file_names import parameters_in_name
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.said import Corrections

_MAXIMUM_RATE = 2**31 - 1


def described(
    name: str, selection: RecordingSelection, rate: int, chosen: tuple[int, ...], stated: Tuning
) -> Description:
    """What is known before the samples are: the job says the centre, or the header, or the file's name."""
    named, is_iq = parameters_in_name(PurePosixPath(selection.path).name), len(chosen) == 2
    said, corrections = selection.raw or Raw(), Corrections(name)
    if said.sample_rate is None and not 0 < rate <= _MAXIMUM_RATE:
        raise input_invalid(
            f"{name} says that its sample rate is {rate} Hz: write the right one as input.raw.sampleRate"
        )
    field, center = "raw.centerFrequency", said.center_frequency
    if selection.audio is not None and selection.audio.center_frequency is not None:
        if center is not None:
            raise invalid_spec(
                "input.raw.centerFrequency, input.audio.centerFrequency say the same: remove one of them"
            )
        field, center = "audio.centerFrequency", selection.audio.center_frequency
    known = stated.center_frequency
    if known is None and center is None:
        known = named.center_frequency
    return Description(
        format=InputFormat.AUDIO,
        name=name,
        sample_rate=Fraction(corrections.take("raw.sampleRate", said.sample_rate, float(rate)) or rate),
        center_frequency=corrections.center(center, known if is_iq else None, is_complex=is_iq, field=field),
        start_time=stated.start_time or corrections.time(named),
        is_complex=is_iq,
        length=0,
        bytes_per_sample=0,
        sample_type="",
        warnings=corrections.notes,
    )


def chosen_channels(name: str, selection: RecordingSelection, channels: int) -> tuple[int, ...]:
    """The index of the channel to read, or of the two that are I and Q.

    Raises WorkerError 64 where the job names none, or one that is not there.
    """
    wanted, is_iq = selection.channel, (selection.audio or Audio()).iq
    if selection.iq_channels is not None:
        return iq_pair(name, selection.iq_channels, channels)
    if is_iq:
        if channels != 2:
            also = ", or say which two with input.iqChannels" if channels > 2 else ""
            raise invalid_spec(f"input.audio.iq: {name} has {channels} channels, but I and Q are two: remove iq{also}")
        return (0, 1)
    if wanted is None and channels > 1:
        also = ", or write audio: {iq: true} if they are I and Q" if channels == 2 else ""
        raise invalid_spec(
            f"input.channel is missing: {name} has channels 0 to {channels - 1}: name one, from 0 on{also}"
        )
    return (channel_index(name, wanted, channels),)
