"""What a job says of a recording: which fields a format can use, and which of them correct what the recording says.

A field that the format cannot use is refused before anything is opened, never dropped. Where job and recording differ
the job is right, as a person wrote it, and a warning says so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.parameters import InputFormat, Raw, RecordingSelection
from spectrogram_worker.errors import WorkerError, invalid_spec
from spectrogram_worker.sources.file_names import NamedParameters

_RATE_AND_CENTRE = frozenset({"raw.sample_rate", "raw.center_frequency"})
_USABLE = {
    InputFormat.DIGITAL_RF: _RATE_AND_CENTRE | {"channel", "subchannel"},
    InputFormat.SIGMF: _RATE_AND_CENTRE | {"channel", "capture", "raw.datatype"},
    InputFormat.AUDIO: _RATE_AND_CENTRE | {"channel", "iq_channels", "audio"},
    InputFormat.NUMPY: _RATE_AND_CENTRE | {"channel", "iq_channels", "raw.datatype"},
    InputFormat.RAW: _RATE_AND_CENTRE | {"channel", "iq_channels", "raw.datatype", "raw.channels"},
}
"""Fields of `input` by format; path, format and range are for all of them. A NumPy file's datatype is compared."""
_FOR_ALL = {"path", "format", "range"}
_Value = TypeVar("_Value", float, str)


def require_usable(name: str, format_: InputFormat, selection: RecordingSelection) -> None:
    """Raise WorkerError 64 where the job has a field that recordings of this format cannot use."""
    said = _written(selection) - _FOR_ALL
    if selection.raw is not None:
        said = said - {"raw"} | {f"raw.{field}" for field in _written(selection.raw)}
    for field in sorted(said - _USABLE[format_]):
        raise invalid_spec(
            f"input.{_as_written(field)}: a recording of the format {format_}, as {name} is, has no use for it:"
            " remove it, or set input.format to what the recording is"
        )


def _written(model: Model) -> set[str]:
    """The fields that the job has; one that it has not is None, but for `format`."""
    return {field for field, value in model if value is not None}


def _as_written(field: str) -> str:
    parent, _, child = field.partition(".")
    alias = (Raw.model_fields[child] if child else RecordingSelection.model_fields[parent]).alias
    return f"{parent}.{alias}" if child else str(alias)


class Corrections:
    """Takes the job's values before those of the recording `name`, and notes where they differ."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._notes: list[str] = []

    def take(self, field: str, said: _Value | None, stated: _Value | None) -> _Value | None:
        """The job's `said` if it is there, else what the recording has `stated`."""
        if said is None:
            return stated
        if stated is not None and said != stated:
            self._notes.append(f"input.{field} corrects {self._name}: {_shown(said)} instead of {_shown(stated)}")
        return said

    @contextmanager
    def where_said(self, what: str, said: float | None) -> Iterator[None]:
        """To look within for `what` the recording states: where the job has `said` it, what the recording makes
        impossible (65) is noted and no more."""
        try:
            yield
        except WorkerError as error:
            if said is None or error.code is not ExitCode.INPUT_INVALID:
                raise
            self._notes.append(f"The {what} is the job's alone: {error}")

    def center(
        self, said: float | None, stated: float | None, *, is_complex: bool, field: str = "raw.centerFrequency"
    ) -> float:
        """The centre frequency in Hz: 0, and noted for complex samples, where nobody says it: real ones begin at 0."""
        found = self.take(field, said, stated)
        if found is None and is_complex:
            self._notes.append(
                f"{self._name} does not say its centre frequency, nor does the job:"
                " frequencies are relative to the centre"
            )
        return found or 0.0

    def time(self, named: NamedParameters) -> datetime | None:
        """The start time that a file's name says; a note where it may be of another time zone than UTC."""
        if not named.is_utc:
            self._notes.append(f"the start time in the name of {self._name} does not say its zone: taken to be UTC")
        return named.start_time

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted, as warnings."""
        return tuple(self._notes)


def _shown(value: Any) -> str:
    return f"{value:.12g} Hz" if isinstance(value, float) else str(value)
