"""The definition on a real API server: what it takes of a spec, what it refuses in which words, what it fills in."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import yaml

from cluster.api import Api, ApiError, Body
from cluster.crd.specs import (
    ACCEPTED,
    CRD_SPEC,
    IMMUTABLE,
    NAMED,
    ONE_WAY,
    REFUSED,
    SIX_LINES,
    document,
    named,
    rule_messages,
)
from harness.kubernetes.client import Client
from spectrogram_operator.api.job import InvalidJob, ValidJob, read_job


def test_a_number_may_be_written_as_in_2_4e6(namespace: Client) -> None:
    text = SIX_LINES.replace("fm.drf}", "fm.raw, raw: {datatype: cf32_le, sampleRate: 2.4e6, centerFrequency: 100e6}}")
    stored = namespace.kubectl_json("create", "--filename=-", input=text)
    raw = stored["spec"]["input"]["raw"]
    assert (raw["sampleRate"], raw["centerFrequency"]) == (2.4e6, 1e8)


def complaint_of_the_server(api: Api, body: Body) -> str:
    """What it says of a document that kubectl would send, or an empty string."""
    path = f"/apis/spectrogram.dev/v1beta1/namespaces/{api.namespace}/spectrogramjobs"
    try:
        api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body)
    except ApiError as error:
        return error.message
    return ""


def complaint_of_python(body: Body) -> str:
    metadata = {"name": "x", "namespace": "x", "uid": "x", "creationTimestamp": datetime.now(UTC).isoformat()}
    job = read_job({**body, "metadata": metadata})
    return job.why if isinstance(job, InvalidJob) else ""


def test_accepted(api: Api) -> None:
    for snippet in ACCEPTED.strip().splitlines():
        body = document(snippet)
        assert (complaint_of_the_server(api, body), complaint_of_python(body)) == ("", ""), snippet


def test_refused_with_words_that_say_what_to_write(api: Api) -> None:
    """Python refuses the same documents; where a rule is ours, in the same words. The API server names the field."""
    rules = set(rule_messages(CRD_SPEC))
    fields_of: dict[str, set[str]] = {}
    for snippet, words in REFUSED.items():
        body = document(snippet)
        complaint = complaint_of_the_server(api, body)
        assert words in complaint, snippet
        assert complaint_of_python(body), snippet
        if words in rules:
            assert words in complaint_of_python(body), snippet
            fields = re.findall(named(r"spec\.(\S+)", words), complaint)
            assert len(fields) == 1, complaint
            fields_of.setdefault(words, set()).update(fields)
    assert fields_of == NAMED


def test_every_rule_is_in_the_table() -> None:
    """A rule that nothing breaks here is a rule that nobody has seen work."""
    assert set(rule_messages(CRD_SPEC)) - set(REFUSED.values()) == {IMMUTABLE, ONE_WAY}


def test_six_lines_make_a_job_and_the_rest_is_filled_in(api: Api) -> None:
    stored = api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    assert stored["spec"] == {
        "input": {"claimName": "recordings", "path": "2026-11/fm.drf", "format": "Auto"},
        "output": {
            "claimName": "results",
            "formats": ["png", "npz"],
            "image": {"colormap": "magma", "width": 1600, "height": 900, "cells": "auto"},
        },
        "transform": {
            "fftSize": 1024,
            "hopSize": 500,
            "window": {"name": "gaussian", "stdDev": 100, "beta": 8.6, "alpha": 0.5},
            "scaling": "density",
            "detrend": "none",
            "precision": "single",
        },
        "reduce": {"time": ["max", "mean"], "columns": 4096},
        "chunking": {"mode": "auto", "thresholdMegabytes": 500},
        "queue": "auto",
        "priority": 0,
        "retry": {"limit": 2, "zombies": "Fail"},
        "suspend": False,
        "cancelled": False,
    }
    assert "status" not in stored


def test_what_is_filled_in_is_what_python_fills_in(api: Api) -> None:
    body = yaml.safe_load(SIX_LINES)
    stored = api.create("spectrogramjobs", body)
    as_stored, as_written = read_job(stored), read_job({**stored, "spec": body["spec"]})
    assert isinstance(as_stored, ValidJob)
    assert isinstance(as_written, ValidJob)
    assert as_stored.spec == as_written.spec


def test_nothing_in_a_job_belongs_to_the_platform_team() -> None:
    """Rule 30: no image, account, secret, endpoint, volume source or node in the custom resource."""
    taboo = {"image", "serviceAccountName", "secretName", "secret", "endpoint", "volume", "nodeName", "nodeSelector"}
    taboo |= {"command", "args", "env", "template", "podTemplate", "tolerations", "annotations"}
    allowed = {"spec.output.image"}  # the picture
    assert {path for path, name in paths(CRD_SPEC, "spec") if name in taboo} == allowed


def paths(node: Body, path: str) -> Iterator[tuple[str, str]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", name
        yield from paths(child, f"{path}.{name}")
