"""What Dockerfile.faulty makes of the worker: it ends as the path of its output says, else it is the worker itself."""

import json
import os
import signal
import time
from collections.abc import Callable


def lose_a_child() -> None:
    """A child takes more than the container may have, and is killed for it; its parent sees nothing wrong."""
    child = os.fork()
    if child == 0:
        hog = [b"x" * 16_000_000 for _ in range(1000)]
        time.sleep(len(hog))
    os.waitpid(child, 0)
    time.sleep(2)  # the runtime hears of the kill by another way than of the end


def fill_the_disk() -> None:
    """More than the scratch space may hold; it waits to be evicted."""
    with open("/scratch/junk", "wb") as file:
        for _ in range(64):
            file.write(os.urandom(1_000_000))
            file.flush()
    time.sleep(3600)


def crash() -> None:
    """As a program with a wild pointer does. Signals that a container's first process sends itself would be ignored."""
    import ctypes

    ctypes.CDLL(None).strlen(None)


def raise_an_error() -> None:
    raise RuntimeError("a bug of the site's own")


def hang() -> None:
    """Deaf to everything but a kill."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)


FAULTS: dict[str, Callable[[], None]] = {
    "lost-child": lose_a_child,
    "full-disk": fill_the_disk,
    "crash": crash,
    "error": raise_an_error,
    "hang": hang,
    "nothing": lambda: None,
}

if __name__ == "__main__":
    fault = json.loads(os.environ["SPECTROGRAM_JOB"])["output"].get("path", "")
    if fault in FAULTS:
        FAULTS[fault]()
    else:
        os.execvp("spectrogram-worker", ["spectrogram-worker"])
