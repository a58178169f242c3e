"""The example jobs are what the README and the chart's notes send newcomers to: they must be valid."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from spectrogram_operator.api.job import Job, ValidJob, read_job
from spectrogram_operator.settings.stores import parse_stores

ROOT = Path(__file__).parents[3]
KIND = "kind: SpectrogramJob"
EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.yaml")) if KIND in path.read_text()]


def read(path: Path) -> Job:
    document = yaml.safe_load(path.read_text())
    server = {"namespace": "lab", "uid": "u", "creationTimestamp": "2026-11-02T12:00:00Z"}
    return read_job(document | {"metadata": document["metadata"] | server})


def test_the_planner_reads_the_first() -> None:
    job = read(ROOT / "examples" / "spectrogramjob.yaml")
    assert isinstance(job, ValidJob)
    assert (job.spec.input.claim_name, job.spec.input.path) == ("recordings", "demo.drf")
    assert (job.spec.output.claim_name, job.spec.output.path) == ("results", "fm-band")


def test_the_planner_reads_the_one_of_stores_and_its_comment_names_them() -> None:
    path = ROOT / "examples" / "from-a-store.yaml"
    job = read(path)
    assert isinstance(job, ValidJob)
    comment = path.read_text().partition("#   stores:\n")[2].partition("apiVersion")[0]
    stores: Any = yaml.safe_load("\n".join(line.removeprefix("#") for line in comment.splitlines()))
    assert {job.spec.input.store, job.spec.output.store} == set(parse_stores(json.dumps(stores)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_it_fits_the_crd_without_a_field_that_would_be_dropped(path: Path) -> None:
    (version,) = yaml.safe_load((ROOT / "crds" / "spectrogramjobs.yaml").read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.Draft7Validator(_closed(schema)).validate(yaml.safe_load(path.read_text()))


def test_the_demo_runs_again_whatever_an_earlier_run_left(tmp_path: Path) -> None:
    """A recording that is half there, then the results of a whole run."""
    half = tmp_path / "recordings" / "demo.drf" / "ch0"
    half.mkdir(parents=True)
    manifests = []
    for _ in range(2):
        # The environment is there: it must not be made anew by a test.
        options = ["--old-file=.venv/installed", f"BIN={Path(sys.executable).parent}", f"DEMO={tmp_path}"]
        done = subprocess.run(["make", "demo", *options, "DEMO_SECONDS=0.1"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "100000 samples" in done.stdout
        manifests.append((tmp_path / "results/fm-band/manifest.json").read_text())
    assert manifests[0] != manifests[1]
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["demo.drf"]


def _closed(schema: object) -> object:
    """The schema with every object closed: what a server drops or refuses as unknown is an error here."""
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if schema.get("properties") and "type" in schema else closed
