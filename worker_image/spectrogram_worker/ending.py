"""Every way in which an attempt can end, as the contract names it."""

import errno
import logging
from dataclasses import dataclass

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import WorkerError

log = logging.getLogger(__name__)


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
        case _:
            log.error("Unexpected error", exc_info=error)
            return Ending(ExitCode.INTERNAL_ERROR, f"internal error: {type(error).__name__}: {error}")
