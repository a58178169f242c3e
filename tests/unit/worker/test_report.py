"""What a worker says, as the operator reads it: bounded, printable, and understood across versions."""

import json
from typing import Any

import pytest

from spectrogram_worker.contract import parse_report

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
