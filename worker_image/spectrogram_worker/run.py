"""One attempt from the document to the exit code: guards around it, every way to end mapped to the contract."""

from contextlib import closing

from spectrogram_worker.attempt import Attempt
from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.environment import write_termination_message
from spectrogram_worker.errors import Ending, ending_of
from spectrogram_worker.guards.memory import MemoryGauge, find_cgroup
from spectrogram_worker.guards.safeguard import Safeguard
from spectrogram_worker.guards.stop import Stop, StopRequest
from spectrogram_worker.logs import log_ending
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.progress_server import ProgressServer


def run(document: WorkerDocument, stop: StopRequest, *, started: float) -> ExitCode:
    """Run one attempt; `started` is when the process began, as `time.monotonic` gives it."""
    job, folders = document.job.title, document.folders
    limits = document.limits
    if limits.grace_seconds is not None:
        stop.grace_seconds = limits.grace_seconds
    gauge = MemoryGauge(limits.memory_bytes, find_cgroup(), limits.safeguard_percent)
    state = ProgressState(document.job, gauge)
    attempts: list[Attempt] = []

    def last_words(ending: Ending) -> ExitCode:
        message = ending.message
        if ending.outputs and (count := state.warning_count):
            message += f"; {count} warning{'s' if count > 1 else ''}"
        report = state.report(ending.code.reason, message, ending.outputs)
        write_termination_message(folders.termination_message, report)
        log_ending(job, ending.code.reason, message, failed=ending.code is not ExitCode.DONE)
        return ending.code

    def force(ignored: Stop) -> ExitCode:
        ending = attempts[0].rescue() if attempts else None
        if ending is None:
            ending = Ending(ignored.code, f"{ignored.message}; the computation did not react, nothing is kept")
        code = last_words(ending)
        for attempt in attempts:
            attempt.discard()
        return code

    safeguard = Safeguard(job, stop, gauge, soft_deadline=started + document.limits.soft_seconds, force=force)
    with ProgressServer(state, document.port):
        with safeguard:
            try:
                attempts.append(Attempt(document, stop, gauge, state))
                with closing(attempts[0]):
                    ending = attempts[0].run()
            except Exception as error:
                ending = ending_of(error)
            stop.heed(*ExitCode)
            if ending.code is ExitCode.DONE:
                state.enter("done")
        return last_words(ending)  # before anything that a client of the server could hold up
