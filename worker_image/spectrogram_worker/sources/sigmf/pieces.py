"""JSON taken apart without building all of it: the members of an object, the entries of a list, each as its text.

Python's own parser can take 30 times the memory of a text (`[[],[],…`), and this one is somebody else's. Most of SigMF
metadata are annotations, which nobody asks for: they are passed over, and the rest is parsed a small piece at a time.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any

MAXIMUM_PIECE_BYTES = 256 * 1024
_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'  # possessive: no way back to remember, however long it is
_MARKS = re.compile(rb"[\[{]|[\]}]|" + _STRING + rb'|"', re.DOTALL)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\n\r,\]}]+")


def members(text: bytearray) -> Iterator[tuple[str, tuple[int, int]]]:
    """The names of the members of the object that `text` is, and where their values are. Raises ValueError."""
    start = _after_space(text, len(BOM_UTF8) if text.startswith(BOM_UTF8) else 0)
    end = start + 1
    for name, value in _entries(text, start, b"{}"):
        end = value[1]
        yield str(parse(text, name)), value
    if _after_space(text, _after_space(text, end) + 1) != len(text):
        raise ValueError("it goes on after its end")


def elements(text: bytearray, place: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Where the entries of the list at `place` are. Raises ValueError, also where it is no list."""
    for _, value in _entries(text, place[0], b"[]"):
        yield value


def parse(text: bytearray, place: tuple[int, int]) -> Any:
    """The value at `place`. Raises ValueError where it is no JSON, or longer than 256 KiB."""
    if place[1] - place[0] > MAXIMUM_PIECE_BYTES:
        raise ValueError("an entry of it is longer than 256 KiB")
    try:
        return json.loads(text[slice(*place)].decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _entries(text: bytearray, start: int, brackets: bytes) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where names (of an object) and values are, of the object or list that begins at `start`."""
    if text[start : start + 1] != brackets[:1]:
        raise ValueError(f"it does not begin with {brackets[:1].decode()}")
    position = _after_space(text, start + 1)
    if text[position : position + 1] == brackets[1:]:
        return
    while True:
        name = (position, position)
        if brackets == b"{}":
            if text[position : position + 1] != b'"':
                raise ValueError(f"byte {position} should begin a name")
            name = (position, _end_of_string(text, position))
            position = _after_space(text, name[1])
            if text[position : position + 1] != b":":
                raise ValueError(f"byte {position} should be a colon")
            position = _after_space(text, position + 1)
        value = (position, _end_of_value(text, position))
        yield name, value
        position = _after_space(text, value[1])
        mark = text[position : position + 1]
        if mark == brackets[1:]:
            return
        if mark != b",":
            raise ValueError(f"byte {position} should be a comma, or the end")
        position = _after_space(text, position + 1)


def _after_space(text: bytearray, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _end_of_value(text: bytearray, start: int) -> int:
    """One past the last byte of the value at `start`; whether its inside is JSON is not looked at."""
    first = text[start : start + 1]
    if first == b'"':
        return _end_of_string(text, start)
    if first != b"{" and first != b"[":
        if (found := _SCALAR.match(text, start)) is None:
            raise ValueError(f"byte {start} should begin a value")
        return found.end()
    depth = 0
    for found in _MARKS.finditer(text, start):
        mark = text[found.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                return found.end()
        elif found.end() == found.start() + 1:
            break  # a quotation mark that begins a string without end
    raise ValueError("it is cut off")


def _end_of_string(text: bytearray, start: int) -> int:
    """One past the quotation mark that ends the string at `start`."""
    if (found := _WHOLE_STRING.match(text, start)) is None:
        raise ValueError("it is cut off in a string")
    return found.end()
