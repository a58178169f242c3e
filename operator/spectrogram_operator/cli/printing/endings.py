"""How a job ended, for the one who started it: an exit code, and one line that says what to do."""

from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.core.planning.ending import ZOMBIE_PREFIX
from spectrogram_worker.contract import ExitCode

FAILED_WITHOUT_CODE = 1
"""Exit code of an end that the worker did not choose: OOMKilled, DeadlineExceeded, WorkerError …"""


def exit_code(status: SpectrogramJobStatus) -> int:
    """The worker's code that stands for the job's reason, 85 for a cancelled job, else 1."""
    if status.phase is Phase.CANCELLED:
        return ExitCode.INTERRUPTED
    codes = {code.reason: code for code in ExitCode}
    return codes.get(status.reason or "", FAILED_WITHOUT_CODE)


def ending(name: str, status: SpectrogramJobStatus, what_to_do: str, *, cancelled: str = "was cancelled") -> str:
    """The end of a job that did not succeed, in one line: reason, message, what to do."""
    if status.phase is Phase.CANCELLED:
        return f"{name} {cancelled}: {'what was complete is kept' if status.outputs else 'nothing is kept'}"
    last = status.attempts[-1] if status.attempts else None
    message = last.message if last is not None and last.reason == status.reason else status.message
    tries = f" after {status.attempt} attempts" if status.attempt > 1 else ""
    return f"{name} failed{tries}, {status.reason}: {plain(message or '')}{': ' if what_to_do else ''}{what_to_do}"


def advice(status: SpectrogramJobStatus, log: str) -> str:
    """What to do about the job's reason, as the table of reasons has it; `log` is the command that shows a log."""
    known = REASONS.get(status.reason or "")
    memory = format_bytes(status.attempts[-1].memory_bytes) if status.attempts else "now"
    return known.advice.format(memory=memory, log=log) if known is not None else ""


def plain(message: str) -> str:
    """A message without the words that only an operator's log needs."""
    return message.replace(f"{ZOMBIE_PREFIX}: ", "")
