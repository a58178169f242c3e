"""Jobs as a table, or as documents for programs. The columns are those of `kubectl get sgj`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from spectrogram_operator.api.crd import COLUMNS
from spectrogram_operator.api.names import GROUP, SINGULAR
from spectrogram_operator.cli.printing.formats import Format
from spectrogram_operator.cli.printing.texts import document, table
from spectrogram_operator.cli.printing.units import age
from spectrogram_worker.contract.report import clean_text

Body = Mapping[str, Any]
_LONGEST_CELL = 1024


def listing(bodies: Sequence[Body], output: Format | None, now: datetime, *, with_namespace: bool) -> str:
    """The jobs as --output wants them: by namespace and name."""
    ordered = sorted(bodies, key=lambda body: (body["metadata"].get("namespace", ""), body["metadata"]["name"]))
    match output:
        case Format.JSON | Format.YAML:
            content = {"apiVersion": "v1", "kind": "List", "items": [without_bookkeeping(body) for body in ordered]}
            return document(content, output)
        case Format.NAME:
            return "\n".join(title(body) for body in ordered)
    columns = [column for column in COLUMNS if not column[3] or output is Format.WIDE]
    names = ["NAME", *(name.upper() for name, *_ in columns)]
    rows = [
        [body["metadata"]["name"], *(_cell(body, kind, path, now) for _, kind, path, _ in columns)] for body in ordered
    ]
    if with_namespace:
        names = ["NAMESPACE", *names]
        rows = [[body["metadata"]["namespace"], *row] for body, row in zip(ordered, rows, strict=True)]
    return table(names, rows)


def title(body: Body) -> str:
    """spectrogramjob.spectrogram.dev/NAME, as kubectl takes and prints it."""
    return f"{SINGULAR}.{GROUP}/{body['metadata']['name']}"


def without_bookkeeping(body: Body) -> dict[str, Any]:
    """The object without what only the API server reads."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}


def _cell(body: Body, kind: str, path: str, now: datetime) -> str:
    value: Any = body
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return "<unknown>" if kind == "date" and path.startswith(".metadata") else ""
    if kind == "date":
        try:
            return age((now - datetime.fromisoformat(str(value))).total_seconds())
        except ValueError:
            return "<invalid>"
    return clean_text(str(value), _LONGEST_CELL)
