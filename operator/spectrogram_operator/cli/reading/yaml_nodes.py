"""YAML as kubectl reads it, with the line of every field.

PyYAML follows YAML 1.1 where Kubernetes' own reader does not: dates stay text here, and 2.4e6 is a number.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

_TIMESTAMP, _FLOAT = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)$")


_MOST_DEPTH = 64
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """A loader of its own: the rules for plain scalars below are not for everybody."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """PyYAML calls itself here for each level, and Python's stack has an end."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _too_deep(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _too_deep(mark: yaml.Mark) -> yaml.MarkedYAMLError:
    problem = f"fields and lists lie more than {_MOST_DEPTH} deep in each other here"
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _require_little(document: yaml.Node) -> None:
    """Raise yaml.YAMLError where aliases make a small text endless, or enormous: a list of an alias of a list of …"""
    count, left = 0, [(document, 1)]
    while left:
        node, depth = left.pop()
        count += 1
        if depth > _MOST_DEPTH:
            raise _too_deep(node.start_mark)
        if count > _MOST_VALUES:
            problem = f"with its aliases written out the document has more than {_MOST_VALUES} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=document.start_mark)
        if isinstance(node, yaml.MappingNode):
            left += [(entry, depth + 1) for pair in node.value for entry in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += [(entry, depth + 1) for entry in node.value]


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != _TIMESTAMP]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_FLOAT, _NUMBER, list("-+0123456789."))


def compose(text: str) -> list[yaml.Node]:
    """The documents in `text`. Raises yaml.YAMLError, also for what is nested absurdly or refers to itself."""
    documents = list(yaml.compose_all(text, Loader=_Loader))
    for document in documents:
        _require_little(document)
    return documents


def construct(node: yaml.Node) -> Any:
    """The content of a document. Raises yaml.YAMLError."""
    return _Loader("").construct_document(node)


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
