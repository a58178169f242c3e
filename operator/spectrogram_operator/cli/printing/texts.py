"""Text for people and for programs: tables, titled lines, JSON and YAML."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from spectrogram_operator.cli.printing.formats import Format, ProgramFormat

_GAP = "   "
_TITLE_WIDTH = 12


def titled(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each value beside its title, its further lines below; nothing where there is no value."""
    for title, value in rows:
        for number, line in enumerate(value.splitlines()):
            yield f"{'' if number else title:<{_TITLE_WIDTH}} {line}".rstrip()


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; nothing is cut, and no line ends in blanks."""
    lines = [names, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(names))]
    return "\n".join(
        _GAP.join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def document(content: Any, output: Format | ProgramFormat) -> str:
    """JSON or YAML, for programs."""
    if output == Format.JSON:
        return json.dumps(content, indent=4, ensure_ascii=False)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")
