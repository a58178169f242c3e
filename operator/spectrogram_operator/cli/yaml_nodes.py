"""YAML as kubectl reads it, with the line of every field.

PyYAML follows YAML 1.1 where Kubernetes' own reader does not: dates stay text here, and 2.4e6 is a number.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

_TIMESTAMP, _FLOAT = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)$")


class _Loader(yaml.SafeLoader):
    """A loader of its own: the rules for plain scalars below are not for everybody."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != _TIMESTAMP]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_FLOAT, _NUMBER, list("-+0123456789."))


def compose(text: str) -> list[yaml.Node]:
    """The documents in `text`. Raises yaml.YAMLError."""
    return list(yaml.compose_all(text, Loader=_Loader))


def construct(node: yaml.MappingNode) -> dict[str, Any]:
    """The content of a document. Raises yaml.YAMLError."""
    content: dict[str, Any] = _Loader("").construct_document(node)
    return content


def repeated_keys(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Keys that stand twice in one mapping: YAML forbids them, and PyYAML silently takes the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from repeated_keys(entry)


def line_of(node: yaml.Node, place: Sequence[int | str]) -> int:
    """The line, from 1, of the field at `place`, or of the innermost object around it that exists."""
    line = node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in node.value if key.value == part), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
