"""Quantities that several parameters are written in."""

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from spectrogram_worker.contract.base import pattern_rule

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
Duration = Annotated[
    str,
    StringConstraints(max_length=32),
    pattern_rule(
        r"[0-9]+(\.[0-9]+)?(ms|s|m|h)", "is no duration: write a number and ms, s, m or h, as in 250ms or 10s"
    ),
]
Frequency = Annotated[float, Field(ge=-1e15, le=1e15)]


def duration_seconds(text: Duration) -> float:
    """Seconds of a duration such as `250ms`, `10s`, `1.5m` or `2h`."""
    match = re.match(r"([0-9.]+)([a-z]+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and ms, s, m or h, as in 10s")
    return float(match[1]) * _SECONDS[match[2]]
