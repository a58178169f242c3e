"""How the worker says that it cannot go on: an exception that carries the exit code."""

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import clean_text

_MAXIMUM_LENGTH = 1024


class WorkerError(Exception):
    """Ends the worker with `code`; the text is one line that says what to change.

    Names in a recording are somebody else's: what cannot be printed, or not be written as UTF-8, is replaced.
    """

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(clean_text(message.encode("utf-8", "backslashreplace").decode(), _MAXIMUM_LENGTH))
        self.code = code


def input_invalid(message: str) -> WorkerError:
    """The recording cannot be used as it is (65)."""
    return WorkerError(ExitCode.INPUT_INVALID, message)


def input_not_found(message: str) -> WorkerError:
    """There is no recording where the job says (66)."""
    return WorkerError(ExitCode.INPUT_NOT_FOUND, message)


def invalid_spec(message: str) -> WorkerError:
    """The job asks for something that cannot be (64)."""
    return WorkerError(ExitCode.INVALID_SPEC, message)
