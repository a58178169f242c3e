"""What a worker says, as the operator reads it: bounded, printable, and understood across versions."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract import Report, parse_report
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES, OutputFile, clean_text, first_warnings
from unit.worker.contract.first_report import FirstReport

STORED: dict[str, Any] = {
    "version": 1,
    "jobUID": "uid-1",
    "attempt": 2,
    "reason": "Completed",
    "progress": {
        "percent": 100.0,
        "stage": "done",
        "columnsDone": 50,
        "columnsTotal": 50,
        "samplesPerSecond": 1e6,
        "etaSeconds": 0.0,
    },
    "memory": {"estimateBytes": 1, "limitBytes": 2, "currentBytes": 3, "peakBytes": 4, "level": "low"},
    "dataset": {
        "bytes": 8000,
        "samples": 1000,
        "sampleRate": 1e6,
        "centerFrequency": 1e8,
        "startTime": "2026-11-02T12:00:00Z",
        "gaps": 1,
        "missingSamples": 10,
    },
    "lastAdvanceTime": "2026-11-02T12:00:01.500000Z",
    "outputs": [
        {"path": "fm-band/manifest.json", "mediaType": "application/json", "bytes": 9, "sha256": "0" * 64},
    ],
    "message": "50 of 50 columns are in fm-band",
}
"""A termination message as the first version of the worker writes it."""


@pytest.mark.parametrize("place", ["", "progress", "memory", "dataset", "outputs"])
def test_a_field_of_a_newer_worker_costs_nothing(place: str) -> None:
    newer = json.loads(json.dumps(STORED))
    part = newer[place] if place else newer
    (part[0] if isinstance(part, list) else part)["colour"] = {"of": "later"}
    report = parse_report(json.dumps(newer))
    assert report is not None
    assert report == parse_report(json.dumps(STORED))
    assert report.has_manifest


@pytest.mark.parametrize(
    ("said", "known"),
    [("compiled", "compiled"), ("scipy.fft", "scipy.fft"), ("quantum", None), ("x" * 3000, None), ({"a": 1}, None)],
)
def test_a_kernel_that_nobody_knows_says_nothing_and_the_rest_stands(said: object, known: str | None) -> None:
    newer = json.loads(json.dumps(STORED))
    newer["progress"]["kernel"] = said
    report = parse_report(json.dumps(newer))
    assert report is not None
    assert (report.progress.kernel, report.progress.columns_done) == (known, 50)
    assert report.has_manifest


def finished(warnings: tuple[str, ...], *, outputs: int = 3, message: str = "done") -> Report:
    """The last words of a job that published so many files."""
    names = [f"file-{number}.npz" for number in range(outputs - 1)] + ["manifest.json"]
    files = [
        OutputFile(path=f"{'folder' * 10}/{name}", media_type="image/png", bytes=9, sha256="0" * 64) for name in names
    ]
    return Report(
        job_uid="uid-1", attempt=1, reason="Completed", outputs=tuple(files), warnings=warnings, message=message
    )


def test_an_older_operator_understands_a_newer_worker() -> None:
    older = FirstReport.model_validate_json(finished(("the times contradict each other",)).to_json())
    assert (older.reason, older.message) == ("Completed", "done")
    assert older.outputs[-1].path.endswith("manifest.json")


def test_a_newer_operator_understands_an_older_worker() -> None:
    older = FirstReport.model_validate(STORED).model_dump_json(by_alias=True, exclude_none=True)
    report = parse_report(older)
    assert report is not None
    assert report.to_document() == STORED | {"warnings": []}


@pytest.mark.parametrize(
    ("category", "letters"),
    [
        ("Cc", "\0\t\n\r\x1b\x7f\x85\x9b"),
        ("Cf", "\xad\u061c\u200b\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\U000e0041"),
        ("Cn", "\uffff\U000e0000"),
        ("Co", "\ue000\uf8ff\U000f0000\U0010fffd"),
        ("Zl", "\u2028"),
        ("Zp", "\u2029"),
        ("Zs", " \xa0\u2003\u3000"),
        ("Lo", "\u115f\u1160\u3164\uffa0"),
        ("Mn", "\u034f\u17b4\u180b\ufe0f\U000e0100"),
        ("So", "\u2800"),
    ],
)
def test_what_cannot_be_seen_becomes_a_space(category: str, letters: str) -> None:
    for letter in letters:
        assert unicodedata.category(letter) == category, hex(ord(letter))
        assert clean_text(f"a{letter}b{letter}") == "a b", hex(ord(letter))


def test_what_is_no_unicode_is_written_out() -> None:
    assert clean_text(b"ch\xff0".decode(errors="surrogateescape")) == "ch\\udcff0"
    assert clean_text("\ud800") == "\\ud800"


@pytest.mark.parametrize("text", ["Größe in dB", "10⁶ · Δf = ½ Hz", "周波数 10 MHz", "תדר", "نسبة", "é", "📡"])
def test_what_people_write_stays(text: str) -> None:
    assert clean_text(text) == text


@given(st.text())
def test_clean_text_is_one_line_of_what_can_be_seen(text: str) -> None:
    line = clean_text(text, 16)
    assert len(line) <= 16
    assert line.isprintable()
    assert line == line.strip()
    assert clean_text(line, 16) == line


def test_warnings_are_bounded_and_say_each_thing_once() -> None:
    assert first_warnings(["a", "b", "a\u202e", "", "a"]) == ("a", "b")
    assert first_warnings(map(str, range(8))) == tuple("01234567")
    many = first_warnings(map(str, range(20)))
    assert many == (*"0123456", "… and 13 more")
    assert first_warnings(many) == many
    (long,) = first_warnings(["x" * 1000])
    assert (len(long), long[-1]) == (256, "…")


def test_an_operator_bounds_what_a_worker_says() -> None:
    said = STORED | {"warnings": ["sample 5\u202e: late", *("x" * 300 for _ in range(3)), *map(str, range(30))]}
    report = parse_report(json.dumps(said))
    assert report is not None
    assert report.has_manifest
    assert (len(report.warnings), report.warnings[0]) == (8, "sample 5 : late")
    assert max(map(len, report.warnings)) == 256
    assert report.warnings[-1] == "… and 25 more"


@pytest.mark.parametrize("letter", ["x", "é", "中", "📡", '"', "\\"])
@pytest.mark.parametrize("outputs", [3, 5, 16])
def test_a_report_fits_its_bound_and_warnings_give_way_first(letter: str, outputs: int) -> None:
    whole = finished(tuple(f"{number} {letter * 254}" for number in range(8)), outputs=outputs, message="what counts")
    text = whole.to_json()
    assert len(text.encode()) <= MAXIMUM_REPORT_BYTES
    report = parse_report(text)
    assert report is not None
    assert (report.reason, report.message) == ("Completed", "what counts")
    assert report.outputs == whole.outputs
    if outputs == 3:
        assert [warning[:2] for warning in report.warnings] == [f"{number} " for number in range(8)]


def test_outputs_that_do_not_fit_leave_the_manifest() -> None:
    files = tuple(
        OutputFile(path=f"{'x' * 480}/{name}", media_type="image/png", bytes=9, sha256="0" * 64)
        for name in (*map(str, range(15)), "manifest.json")
    )
    whole = finished(("a warning",), message="m" * 500).model_copy(update={"outputs": files})
    report = parse_report(whole.to_json())
    assert report is not None
    assert report.has_manifest
    assert (report.warnings, report.message) == ((), "")
