"""Jobs as a table and as documents."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from pods.jobs import CREATED, job_body, stored
from spectrogram_operator.api.crd import COLUMNS
from spectrogram_operator.cli.commands.listing import listing
from spectrogram_operator.cli.printing.formats import Format
from spectrogram_operator.cli.printing.units import age

NOW = datetime.fromisoformat(CREATED) + timedelta(seconds=90)
RUNNING: dict[str, Any] = {
    "phase": "Running",
    "reason": "PodRunning",
    "queue": "default",
    "progress": {"percent": 43, "stage": "spectrogram", "text": "43%"},
    "attemptText": "1/3",
    "memory": {"text": "103Mi/512Mi", "peakText": "128Mi"},
    "podName": "fm-band-a1",
    "message": "a \x1b[31mred\x1b[0m\nword",
}


def test_a_table_as_kubectl_prints_it() -> None:
    bodies = [stored(job_body("weather-b")), stored(job_body(), status=RUNNING)]
    assert listing(bodies, None, NOW, with_namespace=True).splitlines() == [
        "NAMESPACE   NAME        PHASE     REASON       QUEUE     PROGRESS   ATTEMPT   MEMORY        AGE",
        "radio       fm-band     Running   PodRunning   default   43%        1/3       103Mi/512Mi   90s",
        "radio       weather-b                                                                       90s",
    ]


def test_wide_has_every_column_and_no_escapes() -> None:
    header, row = listing([stored(job_body(), status=RUNNING)], Format.WIDE, NOW, with_namespace=False).splitlines()
    assert header.split() == ["NAME", *(name.upper() for name, *_ in COLUMNS)]
    assert "128Mi" in row
    assert row.endswith("a red word")


def test_documents_leave_out_what_only_the_api_server_reads() -> None:
    body = stored(job_body())
    body["metadata"]["managedFields"] = [{"manager": "spectrogram"}]
    text = listing([body], Format.JSON, NOW, with_namespace=False)
    assert json.loads(text) == yaml.safe_load(listing([body], Format.YAML, NOW, with_namespace=False))
    assert "managedFields" not in json.loads(text)["items"][0]["metadata"]
    assert listing([body], Format.NAME, NOW, with_namespace=False) == "spectrogramjob.spectrogram.dev/fm-band"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (3600, "60m"),
        (4 * 3600 + 60, "4h1m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (49 * 3600, "2d1h"),
        (30 * 86400, "30d"),
    ],
)
def test_ages_are_kubectl_s(seconds: float, text: str) -> None:
    assert age(seconds) == text
