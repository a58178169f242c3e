"""The chart passes helm lint, and brings the CRD as it is."""

import json
from typing import Any

import pytest
import yaml

from unit.operator.chart.rendering import CHART, ROOT, Chart, of_kind, the

CRD = ROOT / "crds" / "spectrogramjobs.yaml"


def test_lint(chart: Chart) -> None:
    done = chart.helm("lint", "--strict")
    assert done.returncode == 0, done.stdout


def test_the_chart_s_copy_of_the_crd_is_the_crd() -> None:
    copy = CHART / "files" / "spectrogramjobs.yaml"
    assert copy.read_bytes() == CRD.read_bytes(), f"copy {CRD} to {copy}"


@pytest.mark.parametrize("keep", [True, False])
def test_the_crd_is_rendered_as_it_is(chart: Chart, keep: bool) -> None:
    rendered = the(chart.render(crds={"install": True, "keep": keep}), "CustomResourceDefinition")
    assert rendered["metadata"].pop("labels")["app.kubernetes.io/instance"] == "radio"
    annotations = rendered["metadata"].pop("annotations", {})
    assert annotations == ({"helm.sh/resource-policy": "keep"} if keep else {})
    assert rendered == yaml.safe_load(CRD.read_text())


def test_the_crd_can_be_left_out(chart: Chart) -> None:
    assert not of_kind(chart.render(crds={"install": False}), "CustomResourceDefinition")


def test_the_schema_is_closed_and_of_the_draft_that_helm_3_reads() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    named = {"$ref": "#/definitions/store"}

    def check(name: str, node: Any) -> None:
        if isinstance(node, dict):
            # Other charts' globals are none of this one's business.
            if "object" in node.get("type", ()) and name not in ("global", "asInAPod", "anyObject"):
                assert node.get("additionalProperties") in (False, {"type": "string"}, named), name
            for key, value in node.items():
                check(key, value)

    check("", schema)
