"""A worker's termination message: two lines, whole or cut, of an older or a newer worker, or of somebody hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract import Report, last_words, parse_last_words
from spectrogram_worker.contract.last_words import MAXIMUM_FIRST_LINE_BYTES
from spectrogram_worker.contract.report import (
    MAXIMUM_OUTPUTS,
    MAXIMUM_REPORT_BYTES,
    Dataset,
    Memory,
    OutputFile,
    Progress,
    clean_text,
)
from unit.worker.contract.first_report import FirstReport
from unit.worker.contract.test_report import STORED

lines = st.text(max_size=300).map(lambda text: clean_text(text, 256)).filter(bool)
paths = lines.map(lambda text: text.replace("/", "-"))
counts = st.none() | st.integers(0, 2**62)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Last words as a worker may have them, with a manifest or without."""
    folder = draw(paths)
    names = [*draw(st.lists(paths, max_size=3)), *draw(st.sampled_from([["manifest.json"], []]))]
    return Report(
        job_uid=draw(st.uuids()).hex,
        attempt=draw(st.integers(1, 99)),
        reason=draw(st.sampled_from(["Completed", "InternalError", ""])),
        progress=Progress(percent=draw(st.floats(0, 100)), stage="done"),
        memory=Memory(peak_bytes=draw(counts), current_bytes=draw(counts), limit_bytes=draw(counts)),
        dataset=Dataset(samples=draw(counts)),
        outputs=tuple(
            OutputFile(path=f"{folder[:200]}/{name}"[-512:], media_type="image/png", bytes=9, sha256="0" * 64)
            for name in names
        ),
        warnings=tuple(draw(st.lists(lines, max_size=8, unique=True))),
        message=draw(lines),
    )


@given(reports())
def test_last_words_are_read_as_they_were_meant(report: Report) -> None:
    message = last_words(report)
    assert len(message.encode()) <= MAXIMUM_REPORT_BYTES
    first, second = message.split("\n")
    assert len(first.encode()) <= MAXIMUM_FIRST_LINE_BYTES
    json.loads(first), json.loads(second)
    read = parse_last_words(message)
    assert read is not None
    details = {"warnings", "message", "outputs"}  # what gives way where not everything has room
    assert read.model_dump(exclude=details) == report.model_dump(exclude=details)
    assert read.has_manifest == report.has_manifest
    if len(report.to_json().encode()) < MAXIMUM_REPORT_BYTES - MAXIMUM_FIRST_LINE_BYTES:
        assert read == report


@given(reports(), st.data())
def test_row_9_a_cut_second_line_costs_details_only(report: Report, data: st.DataObject) -> None:
    message = last_words(report).encode()
    length = data.draw(st.integers(message.index(b"\n"), len(message) - 1))
    read = parse_last_words(message[:length].decode(errors="replace"))
    assert read is not None
    assert (read.job_uid, read.attempt, read.reason) == (report.job_uid, report.attempt, report.reason)
    assert (read.has_manifest, read.memory.peak_bytes) == (report.has_manifest, report.memory.peak_bytes)
    assert not read.model_fields_set & {"progress", "dataset", "warnings", "message"}


@pytest.mark.parametrize("letter", ["x", "é", "📡", '"'])
def test_however_much_there_is_to_say_the_first_line_is_not_cut_off(letter: str) -> None:
    """The kubelet reads the last 4096 bytes of a file that is longer (pkg/util/tail, ReadAtMost)."""
    outputs = [f"{letter * 200}/{name}" for name in ("a.png", "b.npz", "c.h5", "manifest.json")]
    report = Report(
        job_uid="uid-1",
        attempt=1,
        reason="Completed",
        outputs=tuple(OutputFile(path=path, media_type="image/png", bytes=9, sha256="0" * 64) for path in outputs),
        warnings=tuple(f"{number} {letter * 250}" for number in range(8)),
        message=letter * 500,
    )
    message = last_words(report)
    assert MAXIMUM_REPORT_BYTES // 2 < len(message.encode()) <= MAXIMUM_REPORT_BYTES
    read = parse_last_words(message)
    assert read is not None
    assert read.outputs[-1] == report.outputs[-1]


def test_a_manifest_with_a_long_name_fits_the_first_line_and_the_second_says_it() -> None:
    manifest = OutputFile(path=f"{'📡' * 256}/manifest.json", media_type="application/json", bytes=9, sha256="0" * 64)
    message = last_words(Report(job_uid="uid-1", attempt=1, reason="Completed", outputs=(manifest,)))
    first, _ = message.split("\n")
    assert len(first.encode()) <= MAXIMUM_FIRST_LINE_BYTES
    cut, whole = parse_last_words(first), parse_last_words(message)
    assert cut is not None
    assert whole is not None
    assert [output.path for output in cut.outputs] == ["manifest.json"]
    assert whole.outputs == (manifest,)


def test_an_older_worker_says_it_in_one_line() -> None:
    older = FirstReport.model_validate(STORED).model_dump_json(by_alias=True, exclude_none=True)
    report = parse_last_words(older)
    assert report is not None
    assert report.to_document() == STORED | {"warnings": []}


@pytest.mark.parametrize("line", [0, 1])
def test_a_field_of_a_newer_worker_in_either_line_costs_nothing(line: int) -> None:
    message = last_words(Report.model_validate(STORED))
    said = [json.loads(each) for each in message.split("\n")]
    for part in (said[line], said[line]["memory"], said[line]["outputs"][0] if said[line]["outputs"] else {}):
        part["colour"] = {"of": "later"}
    newer = "\n".join(json.dumps(each) for each in said)
    assert parse_last_words(newer) == parse_last_words(message) == Report.model_validate(STORED)


def test_a_third_line_of_a_newer_worker_costs_nothing() -> None:
    stored = Report.model_validate(STORED)
    assert parse_last_words(last_words(stored) + '\n{"colour": "r') == stored


def first_line(**changes: Any) -> str:
    """A first line as a worker writes it."""
    return json.dumps({"version": 1, "jobUID": "uid-1", "attempt": 1, "reason": "Completed"} | changes)


@pytest.mark.parametrize(
    "second",
    [
        '{"version": 2}',
        '{"jobUID": "somebody-else", "attempt": 7, "reason": "MemoryError"}',
        '{"memory": {"peakBytes": 5}}',
        '{"memory": {"peakBytes": -1}}',
        '{"memory": "much"}',
        '{"outputs": "all"}',
        '{"progress": {"percent": 1e999}}',
        '{"progress": {"percent": NaN}}',
        "[" * 3000,
        '{"a":' * 700,
        "1" * 3000,
        "[]",
        "null",
        '"' + "\ud800" + '"',
        "\0",
        "",
    ],
    ids=lambda text: text[:40].encode(errors="replace").decode(),
)
def test_no_second_line_takes_back_what_the_first_has_said(second: str) -> None:
    line = first_line(memory={"peakBytes": 2**20})
    report = parse_last_words(f"{line}\n{second}")
    assert report is not None
    assert (report.version, report.job_uid, report.attempt, report.reason) == (1, "uid-1", 1, "Completed")
    assert report.memory.peak_bytes == 2**20


def test_the_outputs_of_both_lines_have_one_bound() -> None:
    outputs = [{"path": f"file-{n}", "mediaType": "image/png", "bytes": 1, "sha256": "0" * 64} for n in range(16)]
    lines = first_line(outputs=outputs[:2]), json.dumps({"outputs": outputs})
    report = parse_last_words("\n".join(lines))
    assert report is not None
    assert len(report.outputs) == MAXIMUM_OUTPUTS


@pytest.mark.parametrize("text", [None, "", "\n", "{}", first_line()[:-1], "x" * 5000, f"{first_line()}\n{'x' * 4096}"])
def test_what_has_no_first_line_or_is_too_long_says_nothing(text: str | None) -> None:
    assert parse_last_words(text) is None
