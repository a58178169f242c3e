"""From the text of an environment variable to a value. Each parser raises ValueError with what to write instead."""

import math
import re
from collections.abc import Callable

from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.api.spec import AUTO

MEGABYTE = 10**6

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def text(value: str) -> str:
    """Any text."""
    return value


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    """A parser of whole numbers from `minimum` to `maximum`."""

    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,18}", value) is None or not minimum <= int(value) <= maximum:
            raise ValueError(f"write a whole number from {minimum} to {maximum}")
        return int(value)

    return parse


def whole_or_never(minimum: int, maximum: int) -> Callable[[str], int | None]:
    """The same, and None for the word never."""

    def parse(value: str) -> int | None:
        if value == "never":
            return None
        try:
            return whole(minimum, maximum)(value)
        except ValueError as error:
            raise ValueError(f"{error}, or never") from None

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A parser of decimal numbers from `minimum` to `maximum`."""

    def parse(value: str) -> float:
        try:
            result = float(value)
        except ValueError:
            result = math.nan
        if not minimum <= result <= maximum:
            raise ValueError(f"write a number from {minimum:.12g} to {maximum:.12g}")
        return result

    return parse


def choice(*options: str) -> Callable[[str], str]:
    """A parser of one word out of `options`."""

    def parse(value: str) -> str:
        if value not in options:
            raise ValueError(f"write one of {', '.join(options)}")
        return value

    return parse


def yes_or_no(value: str) -> bool:
    """Whether it is the word true, and not false."""
    return choice("true", "false")(value) == "true"


def megabytes(value: str) -> int:
    """Bytes of a whole number of MB, 10⁶ bytes each."""
    return whole(1, 10**9)(value) * MEGABYTE


def quantity(minimum: str) -> Callable[[str], int]:
    """A parser of sizes of at least `minimum`, as quantities such as 1Gi or as plain bytes. Gives bytes."""

    def parse(value: str) -> int:
        try:
            result = parse_bytes(value)
        except ValueError:
            result = 0
        if result < parse_bytes(minimum):
            raise ValueError(f"write at least {minimum}, as a quantity such as 1Gi, or in bytes")
        return result

    return parse


def quantity_or_auto(minimum: str) -> Callable[[str], int | None]:
    """The same, and None for the word auto."""

    def parse(value: str) -> int | None:
        if value == AUTO:
            return None
        try:
            return quantity(minimum)(value)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from None

    return parse


def namespaces(value: str) -> tuple[str, ...]:
    """Names separated by commas, each once, in the order given."""
    return _names(value, _NAMESPACE, "namespaces")


def secrets(value: str) -> tuple[str, ...]:
    """As `namespaces`."""
    return _names(value, rf"{_LABEL}(\.{_LABEL})*", "Secrets")


def _names(value: str, pattern: str, kind: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in re.split(r"[,\s]+", value) if name))
    for name in names:
        if re.fullmatch(pattern, name) is None:
            raise ValueError(f"write names of {kind}, separated by commas; {name!r} is none")
    return names
