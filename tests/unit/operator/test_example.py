"""The example job is what the README and the chart's notes send newcomers to: it must be valid."""

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import yaml

from spectrogram_operator.api.job import read_job

ROOT = Path(__file__).parents[3]
JOB = yaml.safe_load((ROOT / "examples" / "spectrogramjob.yaml").read_text())


def test_the_planner_reads_it() -> None:
    server = {"namespace": "lab", "uid": "u", "creationTimestamp": "2026-11-02T12:00:00Z"}
    job = read_job(JOB | {"metadata": JOB["metadata"] | server})
    assert job.invalid == ""
    assert job.spec is not None
    assert (job.spec.input.claim_name, job.spec.input.path) == ("recordings", "demo.drf")
    assert (job.spec.output.claim_name, job.spec.output.path) == ("results", "fm-band")


def test_it_fits_the_crd_without_a_field_that_would_be_dropped() -> None:
    (version,) = yaml.safe_load((ROOT / "crds" / "spectrogramjobs.yaml").read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.Draft7Validator(_closed(schema)).validate(JOB)


def _closed(schema: object) -> object:
    """The schema with every object closed: what a server drops or refuses as unknown is an error here."""
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if schema.get("properties") and "type" in schema else closed
