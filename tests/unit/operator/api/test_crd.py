"""crds/spectrogramjobs.yaml: generated, documented, bounded; and its rules in CEL say what Python enforces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spectrogram_operator.api.crd import as_yaml, definition
from spectrogram_operator.api.status import ConditionType, Phase
from unit.operator.core.schema import CRD, SCHEMA

FILE = Path(__file__).parents[4] / "crds" / "spectrogramjobs.yaml"


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below this schema, with its path."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    if "items" in node:
        yield f"{path}[]", node["items"]
        yield from fields(node["items"], f"{path}[]")


FIELDS = dict(fields(SCHEMA))
OWN = {path: node for path, node in FIELDS.items() if path.startswith((".spec", ".status"))}


def test_the_file_is_as_it_is_generated() -> None:
    assert FILE.read_text() == as_yaml(), "run make crds"
    assert definition() == CRD


@pytest.mark.parametrize("path", [path for path in OWN if not path.endswith("[]")])
def test_every_field_says_what_it_is(path: str) -> None:
    description = OWN[path].get("description", "")
    assert description.endswith((".", "]")), f"kubectl explain sgj{path} says {description!r}"


@pytest.mark.parametrize("path", [path for path, node in OWN.items() if node.get("type") == "string"])
def test_every_string_has_an_end(path: str) -> None:
    node = OWN[path]
    assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"


@pytest.mark.parametrize("path", [path for path, node in OWN.items() if node.get("type") == "array"])
def test_every_list_has_an_end(path: str) -> None:
    assert OWN[path]["maxItems"] <= 16


def test_the_schema_is_structural() -> None:
    for path, node in OWN.items():
        assert "$ref" not in node, path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert node.get("type") != "null", path


@pytest.mark.parametrize("path", [path for path in OWN if path.startswith(".status")])
def test_the_api_server_fills_nothing_into_a_status(path: str) -> None:
    assert "default" not in OWN[path]


@pytest.mark.parametrize(
    "name",
    [
        "image",
        "serviceAccount",
        "serviceAccountName",
        "secret",
        "nodeSelector",
        "nodeName",
        "volumes",
        "podTemplate",
        "env",
    ],
)
def test_no_field_belongs_to_the_platform_team(name: str) -> None:
    inside = [path for path in OWN if path.rsplit(".", 1)[-1] == name and path.startswith(".spec")]
    assert inside in ([], [".spec.output.image"]), "the picture is the one image there is"


def test_only_input_and_output_are_required() -> None:
    assert SCHEMA["properties"]["spec"]["required"] == ["input", "output"]


def test_phases_and_conditions_are_the_documented_ones() -> None:
    assert set(OWN[".status.phase"]["enum"]) == set(Phase)
    assert {kind.value for kind in ConditionType} <= set(
        OWN[".status.conditions"]["description"].replace(".", "").replace(",", "").split()
    )
    assert OWN[".status.conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_a_job_can_be_found_by_phase_and_by_queue() -> None:
    (version,) = CRD["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert [entry["jsonPath"] for entry in version["selectableFields"]] == [".status.phase", ".status.queue"]


def test_every_column_shows_a_field_that_exists() -> None:
    (version,) = CRD["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        assert column["jsonPath"] in FIELDS or column["jsonPath"] == ".metadata.creationTimestamp"


def rules(node: dict[str, Any]) -> list[dict[str, str]]:
    """The CEL rules of this schema and of all below it."""
    below = [child for _, child in fields(node)]
    return [rule for part in [node, *below] for rule in part.get("x-kubernetes-validations", ())]


def test_every_rule_says_what_is_wrong() -> None:
    assert len(rules(SCHEMA)) >= 20
    for rule in rules(SCHEMA):
        assert len(rule["message"]) > 15, rule
        assert "messageExpression" not in rule, "it breaks the cost budget"


def test_all_of_the_spec_but_four_fields_is_frozen() -> None:
    may_change = {"spec.suspend", "spec.cancelled", "spec.priority", "spec.ttlSecondsAfterFinished"}
    assert set(loose(SCHEMA["properties"]["spec"], "spec")) == may_change


def loose(node: dict[str, Any], path: str) -> Iterator[str]:
    """The fields below an object that may change, come or go."""
    rules = own_rules(node)
    for name, child in node["properties"].items():
        always_there = name in node.get("required", ()) or "default" in child
        if not always_there and f"has(self.{name}) == has(oldSelf.{name})" not in rules:
            yield f"{path}.{name}"
        elif "self == oldSelf" in own_rules(child):
            continue
        elif "properties" in child:
            yield from loose(child, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def own_rules(node: dict[str, Any]) -> list[str]:
    return [rule["rule"] for rule in node.get("x-kubernetes-validations", ())]
