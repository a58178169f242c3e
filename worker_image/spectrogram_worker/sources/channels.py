"""Which of a recording's interleaved channels a job asks for: one, or two that are I and Q."""

from dataclasses import replace

from spectrogram_worker.errors import invalid_spec
from spectrogram_worker.sources.samples.sample_type import SampleType


def channel_index(name: str, wanted: str | None, channels: int) -> int:
    """The index of the channel that the job names, or 0. Raises WorkerError 64 where it is not there."""
    if wanted is not None and (not wanted.isdecimal() or int(wanted) >= channels):
        has = f"0 to {channels - 1}" if channels > 1 else "one channel, which is 0"
        raise invalid_spec(f"input.channel: {name} has no channel {wanted}, but {has}")
    return int(wanted or 0)


def iq_pair(name: str, wanted: tuple[int, ...], channels: int) -> tuple[int, int]:
    """The two channels that the job calls I and Q. Raises WorkerError 64 where one is not there."""
    i, q = wanted
    if max(i, q) >= channels:
        has = f"0 to {channels - 1}" if channels > 1 else "one channel, which is 0"
        raise invalid_spec(f"input.iqChannels: {name} has no channel {max(i, q)}, but {has}")
    return i, q


def with_iq_channels(name: str, found: SampleType, wanted: tuple[int, ...] | None, mend: str) -> SampleType:
    """`found`, or these two of its channels as I and Q. Raises WorkerError 64 where they are not real, or not there.

    mend: what a person can do to choose among the halves of complex samples, beside leaving it.
    """
    if wanted is None:
        return found
    if found.is_complex and found.iq_channels is None:
        raise invalid_spec(
            f"input.iqChannels: {name} holds complex samples ({found.name}), not real channels: remove it, or {mend} to"
            " choose among their halves"
        )
    return replace(found, is_complex=True, channel=0, iq_channels=iq_pair(name, wanted, found.channels))
