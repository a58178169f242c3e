"""The chart's README.md, made of the comments in values.yaml: `make chart`.

A comment that begins with -- says what the value below it means. A value without one means what that of the same name
further up means. What is commented out with a default, as `settings` are, is shown too.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parents[3] / "helm" / "spectrogram-operator"
DOCS = "../../docs"
"""Their folder, from the chart's."""
KEY = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?: +(?P<value>.*))?$")
COMMENTED = re.compile(r"^  # (?P<name>\w+): (?P<value>\S+) +# (?P<text>.*)$")
HEAD = """# {name}

{description}.

Version {version}, Kubernetes {kubernetes}. This page is written by `make chart` from the comments in values.yaml.

```
helm install spectrogram helm/spectrogram-operator --namespace radio --create-namespace
```

A value that cannot be used is refused by `helm install` and `helm template`, with its name and what to write instead,
before anything is changed. How to operate what is installed stands in
[docs/operating/]({docs}/operating/install.md).

## Values

| value | default | meaning |
|---|---|---|
"""


class Row(NamedTuple):
    """A value by its whole name, its default as JSON, and what it means."""

    name: str
    default: str
    meaning: str


def rows() -> Iterator[Row]:
    """The values in the order of values.yaml."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    path: list[str] = []
    meanings: dict[str, str] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if found := COMMENTED.match(line):
            yield Row(".".join([*path, found["name"]]), found["value"], found["text"])
        elif line.lstrip().startswith("#"):
            words = line.lstrip().removeprefix("#").strip()
            if words.startswith("-- "):
                comment = [words.removeprefix("-- ")]
            elif comment and not line.lstrip().startswith("#   "):
                comment.append(words)
        elif found := KEY.match(line):
            path = [*path[: len(found["indent"]) // 2], found["name"]]
            meaning = " ".join(comment) or meanings.get(found["name"], "")
            value = at(values, path)
            if isinstance(value, dict) and value and not found["value"]:
                if meaning:
                    yield Row(".".join(path), "", meaning)
            else:
                meanings.setdefault(found["name"], meaning)
                yield Row(".".join(path), "" if value is None else json.dumps(value, ensure_ascii=False), meaning)
            comment = []
        else:
            comment = []


def at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values


def readme() -> str:
    """The page."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    head = HEAD.format(
        name=chart["name"],
        description=chart["description"],
        version=chart["version"],
        docs=DOCS,
        kubernetes=chart["kubeVersion"].removesuffix("-0"),
    )
    lines = (
        f"| `{row.name}` | {f'`{row.default}`' if row.default else ''} | {row.meaning.replace('|', chr(92) + '|')} |"
        for row in rows()
    )
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(readme())
