"""How a job ended, for the one who started it: an exit code, and one line that says what to do."""

from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.core.planning.ending import ZOMBIE_PREFIX
from spectrogram_worker.contract import ExitCode

FAILED_WITHOUT_CODE = 1
"""Exit code of an end that the worker did not choose: OOMKilled, DeadlineExceeded, WorkerError …"""

_MORE_MEMORY = "give it more memory than {memory} in spec.resources.memory"
_LESS_WORK = "or process less of the recording with spec.input.range"
_SEE_LOG = "--verbose shows the end of the worker's log"
_ADVICE = {
    "OOMKilled": _MORE_MEMORY,
    "ChildOOMKilled": _MORE_MEMORY,
    "SuspectedOOM": _MORE_MEMORY,
    "MemoryError": _MORE_MEMORY,
    "MemorySafeguardExceeded": _MORE_MEMORY,
    "SoftTimeLimitExceeded": f"raise spec.timeLimits.softSeconds, {_LESS_WORK}",
    "DeadlineExceeded": f"raise spec.timeLimits.hardSeconds, {_LESS_WORK}",
    "InternalError": _SEE_LOG,
    "WorkerError": _SEE_LOG,
    "ContainerStartFailed": _SEE_LOG,
    "OutputMissing": _SEE_LOG,
    "Stale": _SEE_LOG,
    "Killed": "something on this machine killed the worker: look for what, or for want of memory",
    "IOError": "check the disk or the network behind the recording and the results",
    "TransientError": "try again later",
}
"""What to do, for reasons whose message does not say it already."""


def exit_code(status: SpectrogramJobStatus) -> int:
    """The worker's code that stands for the job's reason, 85 for a cancelled job, else 1."""
    if status.phase is Phase.CANCELLED:
        return ExitCode.INTERRUPTED
    codes = {code.reason: code for code in ExitCode}
    return codes.get(status.reason or "", FAILED_WITHOUT_CODE)


def ending(name: str, status: SpectrogramJobStatus) -> str:
    """The end of a job that did not succeed, in one line: reason, message, what to do."""
    if status.phase is Phase.CANCELLED:
        return f"{name} was interrupted: {'what was complete is kept' if status.outputs else 'nothing is kept'}"
    last = status.attempts[-1] if status.attempts else None
    message = last.message if last is not None and last.reason == status.reason else status.message
    tries = f" after {status.attempt} attempts" if status.attempt > 1 else ""
    advice = _ADVICE.get(status.reason or "", "")
    if advice:
        advice = ": " + advice.format(memory=format_bytes(last.memory_bytes) if last else "")
    return f"{name} failed{tries}, {status.reason}: {plain(message or '')}{advice}"


def plain(message: str) -> str:
    """A message without the words that only an operator's log needs."""
    return message.replace(f"{ZOMBIE_PREFIX}: ", "")
