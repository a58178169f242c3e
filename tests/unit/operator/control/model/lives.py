"""Plays lives of life.py: the same number is always the same life, whatever runs beside it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from unit.operator.control.model.chance import BACKEND, chosen_by_number
from unit.operator.control.model.life import Life

STEPS = 16


def play(first: int, lives: int, life: type[Life] = Life) -> None:
    """So many lives. Raises ViolationError for one that breaks a rule, shortened, with the text that plays it again."""
    with chosen_by_number(first) as chance:
        try:
            _run(life, lives, (Phase.generate, Phase.shrink))
        except Exception as error:
            error.add_note(f"This is life {chance.number}, shortened.")
            raise


def play_again(text: str) -> None:
    """The one life that this text stands for."""
    version, _, blob = text.rpartition(" ")
    again = hypothesis.reproduce_failure(version or hypothesis.__version__, blob.encode())
    _run(again(_another(Life)), 1, (Phase.generate,), backend="hypothesis")


def first_caught(first: int, lives: int) -> int | None:
    """The number of the first of so many lives that breaks a rule; None where none does."""
    with chosen_by_number(first) as chance:
        try:
            _run(Life, lives, (Phase.generate,))
        except Exception:
            return chance.number
    return None


def _another(life: type[Life]) -> type[Life]:
    """Hypothesis keeps in the class what it was told to play again."""
    return type("Life", (life,), {})


def _run(life: type[Life], lives: int, phases: tuple[Phase, ...], backend: str = BACKEND) -> None:
    wanted = settings(
        max_examples=lives + 1,  # the simplest comes first
        backend=backend,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=phases,
        report_multiple_bugs=False,
        print_blob=True,
    )
    with _seldom_collecting():
        run_state_machine_as_test(life, settings=wanted)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A fifth of a life would be the collection of garbage of which there is little."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
