"""How the worker says that it cannot go on, by an exception that carries the exit code, and every way in which an
attempt can end, as the contract names it."""

import errno
import logging
import os
from dataclasses import dataclass

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.extras import what_is_missing
from spectrogram_worker.contract.report import OutputFile, clean_text

_MAXIMUM_LENGTH = 1024

log = logging.getLogger(__name__)


class WorkerError(Exception):
    """Ends the worker with `code`; the text is one line that says what to change.

    Names in a recording are somebody else's: what cannot be printed, or not be written as UTF-8, is replaced.
    """

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(clean_text(message, _MAXIMUM_LENGTH))
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


def unreadable(name: str, error: Exception) -> WorkerError:
    """The error for a file that the system does not let us read: 65 where the user can mend it, else 74."""
    number = error.errno if isinstance(error, OSError) else errno.ELOOP
    if number in (errno.EACCES, errno.EPERM):
        return input_invalid(f"{name} cannot be read: give user {os.getuid()} read permission")
    if number == errno.ELOOP or isinstance(error, RuntimeError):
        return input_invalid(f"{name} is a symbolic link that leads in a circle: copy the data into the claim")
    return WorkerError(ExitCode.IO_ERROR, f"{name} cannot be read: {os.strerror(number or errno.EIO)}")


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: the code, one line for people, and the files that it published."""

    code: ExitCode
    message: str
    outputs: tuple[OutputFile, ...] = ()


def ending_of(error: Exception) -> Ending:
    """The ending that `error` means. What nobody foresaw is a bug: its traceback goes to the log, and only there."""
    match error:
        case WorkerError():
            return Ending(error.code, str(error))
        case MemoryError():
            return Ending(ExitCode.MEMORY_ERROR, f"out of memory: {error}" if str(error) else "out of memory")
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Ending(ExitCode.OUTPUT_NO_SPACE, f"no space left: {error}")
        case OSError():
            return Ending(ExitCode.IO_ERROR, str(error))
        case ModuleNotFoundError(name=str(name)):
            return Ending(ExitCode.WORKER_CONFIG_ERROR, what_is_missing(name, "worker"))
        case _:
            log.error("Unexpected error", exc_info=error)
            return Ending(ExitCode.INTERNAL_ERROR, f"internal error: {type(error).__name__}: {error}")
