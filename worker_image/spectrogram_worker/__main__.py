"""`python -m spectrogram_worker`: one attempt of one job, from the document in SPECTROGRAM_JOB to an exit code."""

import os
import signal
import sys
import time


def main() -> int:
    """Run the job; returns the exit code of the contract."""
    started = time.monotonic()
    # Held back until the handler stands, so that a SIGTERM during the imports is neither lost nor deadly.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here multiplies matrices: threads would only cost
    from spectrogram_worker.guards.stop import StopRequest, stop_on_terminate

    stop = StopRequest()
    stop_on_terminate(stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    from spectrogram_worker import environment
    from spectrogram_worker.ending import ending_of
    from spectrogram_worker.errors import WorkerError
    from spectrogram_worker.logs import configure_logging, log_ending

    configure_logging()
    try:
        document = environment.read_document(os.environ)
    except WorkerError as error:
        report, folders = environment.report_without_document(os.environ, error)
        log_ending(None, error.code.reason, str(error), failed=True)
        environment.write_termination_message(folders.termination_message, report)
        return error.code
    configure_logging(document.job.title, document.job.attempt)

    try:
        from spectrogram_worker.run import run

        return run(document, stop, started=started)
    except Exception as error:
        ending = ending_of(error)
        log_ending(document.job.title, ending.code.reason, ending.message, failed=True)
        return ending.code


if __name__ == "__main__":
    sys.exit(main())
