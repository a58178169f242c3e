"""Kubernetes quantities: `1Gi`, `500m`, `2e9` (k8s.io/apimachinery/pkg/api/resource)."""

import re
from decimal import Decimal

QUANTITY_PATTERN = r"^[0-9]{1,32}(\.[0-9]{1,32})?([eE][0-9]{1,2}|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

_SUFFIXES = {"": Decimal(1), "m": Decimal("0.001")}
_SUFFIXES |= {suffix: Decimal(1000) ** (power + 1) for power, suffix in enumerate(["k", "M", "G", "T", "P", "E"])}
_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_SUFFIXES |= {suffix: Decimal(1024) ** power for power, suffix in enumerate(_BINARY)}


def is_quantity(text: int | str) -> bool:
    """True for what `parse_quantity` can read."""
    return re.fullmatch(QUANTITY_PATTERN, str(text)) is not None


def parse_quantity(text: int | str) -> Decimal:
    """The value of a quantity in its base unit (bytes, cores). Raises ValueError for anything else."""
    if not is_quantity(text):
        raise ValueError(f"{text!r} is not a quantity: write a number with an optional unit, as in 512Mi or 2Gi")
    match = re.fullmatch(r"([0-9.]+)(?:[eE]([0-9]+)|([A-Za-z]*))", str(text))
    assert match is not None
    number, exponent, suffix = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""])


def parse_bytes(text: int | str) -> int:
    """Whole bytes of a quantity, rounded up."""
    value = parse_quantity(text)
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def bytes_quantity(count: int) -> str:
    """Bytes as a quantity of the same value, in the largest binary unit that it is a whole number of: 1Gi, 1536Mi."""
    exponent = min(6, ((count & -count).bit_length() - 1) // 10) if count else 0
    return f"{count >> 10 * exponent}{_BINARY[exponent]}"


def format_bytes(count: int) -> str:
    """Bytes as people read them: 412Mi, 1Gi, 1.5Gi (binary units, at most one decimal)."""
    for suffix, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if count >= size:
            value = count / size
            return f"{value:.0f}{suffix}" if value >= 100 else f"{value:.1f}".removesuffix(".0") + suffix
    return str(count)
