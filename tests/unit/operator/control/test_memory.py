"""What a list says of pods beside what the watch shows: the newer of the two holds."""

from dataclasses import replace

from spectrogram_operator.control.memory import Recollection
from spectrogram_operator.core.judging.pod import Pod

RUNNING = Pod(namespace="radio", name="fm-band-1", uid="pod-1", phase="Running")
ENDED = replace(RUNNING, phase="Succeeded")


def recollection(*, shown: tuple[Pod, ...], listed: tuple[Pod, ...]) -> Recollection:
    """After a sweep: the watch showed these pods, and a list made after it these."""
    found = Recollection()
    found.compare(shown, listed)
    return found


def test_a_pod_that_the_list_lacks_is_gone() -> None:
    assert recollection(shown=(RUNNING,), listed=()).current(RUNNING) == replace(RUNNING, gone=True)


def test_what_the_list_says_holds_while_the_watch_says_nothing() -> None:
    swept = recollection(shown=(RUNNING,), listed=(ENDED,))
    assert swept.current(RUNNING) == ENDED


def test_what_the_watch_says_later_holds() -> None:
    swept = recollection(shown=(RUNNING,), listed=())
    later = replace(RUNNING, pod_ip="10.0.0.7")
    assert swept.current(later) == later


def test_a_pod_that_came_after_the_list_is_there() -> None:
    assert recollection(shown=(), listed=()).current(RUNNING) == RUNNING


def test_another_sweep_begins_anew() -> None:
    swept = recollection(shown=(RUNNING,), listed=())
    swept.compare((RUNNING,), (RUNNING,))
    assert swept.current(RUNNING) == RUNNING
