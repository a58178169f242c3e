"""What hypothesis chooses a life from: the life's number alone, so that each can be played by itself.

Hypothesis' own backend makes four of five lives of copies of the one before, with something of it twice, and of
constants that it finds in whatever modules are loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any, ClassVar

from hypothesis.internal.conjecture.providers import PrimitiveProvider, with_register_backend

BACKEND = "numbered-lives"


class Chance(PrimitiveProvider):
    """Chooses evenly. Only what lives are made of: integers from a range, and booleans."""

    first: ClassVar[int]
    """The number of the first life."""
    number: ClassVar[int] = 0
    """Of the life that is played, until the next begins. Life 0 is the simplest: hypothesis begins with it."""

    def __init__(self, data: Any, /) -> None:
        super().__init__(data)
        self._numbers = count(self.first)
        self._random: Random

    @contextmanager
    def per_test_case_context_manager(self) -> Iterator[None]:
        """A life begins."""
        type(self).number = next(self._numbers)
        self._random = Random(self.number)
        yield

    def draw_boolean(self, p: float = 0.5) -> bool:
        """True as often as `p` says."""
        return self._random.random() < p

    def draw_integer(self, min_value: int | None = None, max_value: int | None = None, **_: Any) -> int:
        """One of a range."""
        assert min_value is not None
        assert max_value is not None
        return self._random.randint(min_value, max_value)

    def draw_float(self, **_: Any) -> float:
        """No life is made of floats."""
        raise NotImplementedError

    def draw_string(self, *_: Any, **__: Any) -> str:
        """Nor of strings."""
        raise NotImplementedError

    def draw_bytes(self, *_: Any, **__: Any) -> bytes:
        """Nor of bytes."""
        raise NotImplementedError


@contextmanager
def chosen_by_number(first: int) -> Iterator[type[Chance]]:
    """While this lasts, BACKEND makes lives of numbers from `first` on."""
    chance = type("ChanceFromFirst", (Chance,), {"first": first})
    with with_register_backend(BACKEND, chance):
        yield chance
