"""Metadata of SigMF taken apart: the same as the json module reads, in little memory whatever it holds."""

import json
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.sigmf.metadata import MAXIMUM_METADATA_BYTES, parse_metadata
from spectrogram_worker.sources.sigmf.pieces import elements, members, parse
from unit.worker.recordings import open_path, says, write_sigmf

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


DOCUMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


@given(document=DOCUMENTS, is_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_a_document_comes_apart_as_it_was_put_together(
    document: dict[str, Any], is_ascii: bool, indent: int | None
) -> None:
    text = bytearray(json.dumps(document, ensure_ascii=is_ascii, indent=indent).encode())
    assert {name: parse(text, place) for name, place in members(text)} == document
    for name, place in members(text):
        if isinstance(document[name], list):
            assert [parse(text, entry) for entry in elements(text, place)] == document[name]


@given(
    document=DOCUMENTS,
    place=st.integers(0, 200),
    other=st.binary(max_size=3),
    cut=st.integers(0, 3),
)
def test_what_is_broken_is_an_error_or_json(document: dict[str, Any], place: int, other: bytes, cut: int) -> None:
    """No other exception, whatever lies there; and what the json module takes is taken."""
    text = json.dumps(document).encode()
    broken = bytearray(text[:place] + other + text[place + cut :])
    try:
        found = {name: parse(broken, where) for name, where in members(broken)}
    except ValueError:
        with pytest.raises((ValueError, AssertionError)):
            assert isinstance(json.loads(broken.decode()), dict)
    else:
        assert found == json.loads(broken)


HOSTILE = {
    "lists": b"[],",
    "objects": b"{},",
    "nested": b"[",
    "strings": b'"",',
    "escapes": b'"\\"",',
    "names": b'{"a":0},',
    "one string": b"a",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("member", ["annotations", "captures", "global"])
def test_metadata_takes_little_more_than_its_size(kind: str, member: str) -> None:
    """The json module alone made 507 MB of 16 MiB."""
    size = 300_000
    inside = HOSTILE[kind] * (size // 10 if kind == "nested" else size // len(HOSTILE[kind]))
    if kind == "nested":
        inside += b"]" * len(inside)
    value = b'"' + inside + b'"' if kind == "one string" else inside if kind == "nested" else b"[" + inside + b"0]"
    rest = {"annotations": b'"global":{"core:datatype":"ci8"}', "captures": b'"global":{}', "global": b'"captures":[]'}
    content = bytearray(b'{"' + member.encode() + b'":' + value + b"," + rest[member] + b"}")
    expected = nullcontext() if member == "annotations" else pytest.raises(WorkerError)
    tracemalloc.start()
    with expected:
        parse_metadata("a.sigmf-meta", "a.sigmf-meta", content).captures()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size


def test_captures_are_read_one_at_a_time(tmp_path: Path) -> None:
    captures = [{"core:sample_start": number * 10, "x:junk": "j" * 1000} for number in range(1000)]
    write_sigmf(tmp_path, bytes(40_000), captures=captures, datatype="ci16_le")
    assert open_path(tmp_path, "signal.sigmf-meta").description.length == 10_000
    content = bytearray((tmp_path / "signal.sigmf-meta").read_bytes())
    tracemalloc.start()
    found = parse_metadata("a", "a", content).captures()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1000
    assert peak < len(content) / 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"global": {}, "captures": [{"core:sample_start": 0}, 7]}', "captures is not a list of objects"),
        (b'{"global": {}, "captures": {}}', "captures is not a list of objects"),
        (b'{"global": {}, "captures": [{"core:sample_start": 0} {}]}', "not JSON"),
        (b'{"global": {}, "captures": [{"a": [}]}', "not JSON"),
        (b'{"global": {}} {}', "not JSON"),
        (b'{"global": {}', "not JSON"),
        (b'{"global": {"a": "\xff"}}', "not JSON"),
        (b'{"global": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON"),
        (b'{"global": [], "captures": []}', "no object named global"),
        (b"[]", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_what_is_no_metadata_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(WorkerError) as caught:
        parse_metadata("a.sigmf-meta", "a.sigmf-meta", bytearray(content)).captures()
    assert says(caught.value, ExitCode.INPUT_INVALID, words)


def test_a_mark_of_byte_order_and_escaped_names_are_read() -> None:
    content = bytearray(b'\xef\xbb\xbf {"\\u0067lobal": {"core:trailing_bytes": 5}}\n')
    assert len(content) < MAXIMUM_METADATA_BYTES
    assert parse_metadata("a", "a", content).trailing_bytes == 5
