"""`python -m spectrogram_worker`: one attempt of one job, from the document in SPECTROGRAM_JOB to an exit code."""

import atexit
import gc
import os
import signal
import sys
import threading
import time


def main() -> int:
    """Run the job; returns the exit code of the contract."""
    started = time.monotonic()
    # Held back until the handler stands, so that a signal during the imports is neither lost nor deadly.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    # Modules stay to the end: to look through them for garbage while they load, and once more at the end, costs more
    # than a tenth of a second.
    gc.disable()
    atexit.register(gc.freeze)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here multiplies matrices: threads would only cost
    from spectrogram_worker.guards.stop import StopRequest, stop_on_signals

    stop = StopRequest()
    stop_on_signals(stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    from spectrogram_worker import environment
    from spectrogram_worker.errors import WorkerError, ending_of
    from spectrogram_worker.logs import configure_logging

    configure_logging()
    try:
        document = environment.read_document(os.environ)
    except WorkerError as error:
        return environment.end_without_a_run(os.environ, error.code, str(error))
    configure_logging(document.job.title, document.job.attempt)

    try:
        from spectrogram_worker.run import run

        gc.freeze()
        gc.enable()
        return _left(run(document, stop, started=started))
    except Exception as error:
        ending = ending_of(error)
        return environment.end_without_a_run(os.environ, ending.code, ending.message)


def _left(code: int) -> int:
    """The code, unless a thread still waits for a store or a file system, which nothing can interrupt: then the end."""
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if any(not thread.daemon for thread in others):
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
