"""Plays lives of model.py, in parts: the same number of a part is always the same lives, whatever runs beside it."""

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from unit.operator.control.model.life import Life

STEPS = 30


def play(part: int, lives: int) -> None:
    """So many lives. Raises ViolationError for one that breaks a rule, shortened, with the text that plays it again."""
    _run(hypothesis.seed(part)(_another(Life)), lives, (Phase.generate, Phase.shrink))


def play_again(text: str) -> None:
    """The one life that this text stands for."""
    version, _, blob = text.rpartition(" ")
    again = hypothesis.reproduce_failure(version or hypothesis.__version__, blob.encode())
    _run(again(_another(Life)), 1, (Phase.generate,))


def lives_until_caught(part: int, lives: int) -> int:
    """Which of so many lives was the first to break a rule, from 1; 0 where none did."""
    played, caught = 0, 0

    class Counted(Life):
        def teardown(self) -> None:
            nonlocal played, caught
            played += 1
            try:
                super().teardown()
            except BaseException:
                caught = caught or played
                raise

    try:
        _run(hypothesis.seed(part)(_another(Counted)), lives, (Phase.generate,))
    except Exception:
        assert caught, "whatever fails, fails in a life"
    return caught


def _another(life: type[Life]) -> type[Life]:
    """Hypothesis keeps the number of a part in the class."""
    return type("Life", (life,), {})


def _run(life: type[Life], lives: int, phases: tuple[Phase, ...]) -> None:
    wanted = settings(
        max_examples=lives,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=phases,
        report_multiple_bugs=False,
        print_blob=True,
    )
    run_state_machine_as_test(life, settings=wanted)
