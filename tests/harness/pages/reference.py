"""What docs/ has from the sources: docs/reference.md, and the table of reasons in docs/troubleshooting.md.

Run as `python -m harness.pages.reference`, it writes both: `make reference`.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spectrogram_operator.api.crd import definition
from spectrogram_operator.api.reasons import REASONS, Reason

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE, TROUBLESHOOTING = DOCS / "reference.md", DOCS / "troubleshooting.md"
HEAD = """# Every field of a SpectrogramJob

Made by `make reference` of the models in `operator/spectrogram_operator/api`. What the fields are for is told in
[jobs.md](jobs.md), what a status means in [status.md](status.md); `kubectl explain sgj.spec` says the same as this
page.

A field in bold is required where what it belongs to is there. Below a table stands what the API server refuses besides,
in its own words.

"""
FIELDS_HEAD = "| field | type | default | what |\n|---|---|---|---|\n"
REASONS_HEAD = "| reason | class | means | what to do |\n|---|---|---|---|\n"


def reference() -> str:
    """The page docs/reference.md."""
    (version,) = definition()["spec"]["versions"]
    parts = version["schema"]["openAPIV3Schema"]["properties"]
    return HEAD + "\n".join(_section(name, parts[name]) for name in ("spec", "status"))


def with_reasons(page: str) -> str:
    """The page with the table of reasons as api/reasons.py has it."""
    before, _, rest = page.partition(REASONS_HEAD)
    after = itertools.dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True))
    return before + REASONS_HEAD + "".join((*map(_reason, REASONS.values()), *after))


def _reason(reason: Reason) -> str:
    what_to_do = (reason.advice or reason.remedy).format(memory="it had", log="`spectrogram logs NAME`")
    return f"| `{reason.name}` | {reason.retry_class.lower()} | {reason.meaning} | {what_to_do or '–'} |\n"


def _section(name: str, schema: dict[str, Any]) -> str:
    """All fields of a part of the job, one table for each object in it."""
    text = [f"## {name}\n\n{schema.get('description', '')}\n"]
    for path, group in _objects(name, schema):
        title = f"### {path}\n\n{group.get('description', '')}\n\n" if path != name else "\n"
        text.append(title + FIELDS_HEAD + "".join(_rows(group)) + _rules(group, of_changes=path == name))
    return "\n".join(text)


def _objects(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The object and those below it, by their path; [] for each entry of a list."""
    yield path, schema
    for name, field in schema["properties"].items():
        below, suffix = (field["items"], "[]") if field.get("type") == "array" else (field, "")
        if "properties" in below:
            described = {"description": field.get("description", ""), **below}
            yield from _objects(f"{path}.{name}{suffix}", described)


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        title = f"**`{name}`**" if name in required else f"`{name}`"
        default = f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""
        if isinstance(field.get("default"), dict):
            default = "see below"
        yield f"| {title} | {_cell(_type(field))} | {_cell(default)} | {_cell(field.get('description', ''))} |\n"


def _type(field: dict[str, Any]) -> str:
    """The type and its bounds, in words."""
    if "x-kubernetes-int-or-string" in field:
        return "quantity"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}{_range(field, 'minItems', 'maxItems', ' entries')}"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    length = _range(field, "minLength", "maxLength", " characters")
    return f"{field.get('format', field.get('type', 'object'))}{_range(field, 'minimum', 'maximum', '')}{length}"


def _range(field: dict[str, Any], least: str, most: str, unit: str) -> str:
    if least not in field and most not in field:
        return ""
    if least not in field:
        return f", at most {_number(field[most])}{unit}"
    if most not in field:
        return f", at least {_number(field[least])}{unit}"
    low, high = _number(field[least]), _number(field[most])
    return f", {low}{unit}" if low == high else f", {low} to {high}{unit}"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"


def _rules(schema: dict[str, Any], *, of_changes: bool) -> str:
    """What the rules of the object and of its fields say; those between an old and a new state where it is wanted."""
    fields = [
        (name, one)
        for name, field in schema["properties"].items()
        for one in (field, field.get("items", {}))
        if "properties" not in one
    ]
    messages = [message for message, change in _messages(schema) if not change]
    messages += [f"`{name}` {text}" for name, field in fields for text, change in _messages(field) if not change]
    if of_changes:
        messages += [
            text for one in (schema, *(field for _, field in fields)) for text, change in _messages(one) if change
        ]
    return "\n" + "".join(f"- {message}\n" for message in dict.fromkeys(messages)) if messages else ""


def _messages(schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """What each rule says, and whether it is about a change."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"], "oldSelf" in rule["rule"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write both pages."""
    REFERENCE.write_text(reference())
    TROUBLESHOOTING.write_text(with_reasons(TROUBLESHOOTING.read_text()))


if __name__ == "__main__":
    main()
