"""Turns the pydantic models into the CustomResourceDefinition: `make crds` writes it, a test fails on a difference.

Run as `python -m spectrogram_operator.api.crd`, it prints the YAML.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from spectrogram_operator.api.names import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from spectrogram_operator.api.spec import IMMUTABLE_FIELDS, TRANSITION_RULES, UNCHANGED, SpectrogramJobSpec
from spectrogram_operator.api.status import ROOT_RULES, STATUS_RULES, SpectrogramJobStatus

COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Reason", "string", ".status.reason", 0),
    ("Queue", "string", ".status.queue", 0),
    ("Progress", "string", ".status.progress.text", 0),
    ("Attempt", "string", ".status.attemptText", 0),
    ("Memory", "string", ".status.memory.text", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Pod", "string", ".status.podName", 1),
    ("Node", "string", ".status.nodeName", 1),
    ("Peak", "string", ".status.memory.peakText", 1),
    ("Started", "date", ".status.startTime", 1),
    ("Finished", "date", ".status.completionTime", 1),
    ("Message", "string", ".status.message", 1),
)
_KEPT = {
    "type", "description", "default", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "required",
}  # fmt: skip


def openapi_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The structural OpenAPI v3 schema of `model`: references inlined, optional fields without null, no titles.

    A default is written out whole: the API server evaluates rules on it.
    """
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _structural({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        (alternative,) = [entry for entry in node["anyOf"] if entry.get("type") != "null"]
        rest = {
            key: value for key, value in node.items() if key != "anyOf" and not (key == "default" and value is None)
        }
        return _structural({**alternative, **rest}, definitions)
    result = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if "default" in result:
        result["default"] = _without_null(result["default"])
    if "x-kubernetes-int-or-string" in node:
        result["anyOf"] = node["anyOf"]
    if "const" in node:
        result["enum"] = [node["const"]]
    if "properties" in node:
        result["properties"] = {name: _structural(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    elif "prefixItems" in node:
        result["items"] = _structural(node["prefixItems"][0], definitions)
    if result.get("type") == "string" and "enum" not in result and "format" not in result:
        result.setdefault("maxLength", 1024)  # without a bound the cost budget of the CEL rules is exceeded
    if isinstance(result.get("description"), str):
        result["description"] = " ".join(result["description"].split())
    return result


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(entry) for key, entry in value.items() if entry is not None}
    return value


def _without_defaults(node: Any) -> Any:
    """Status says what the operator wrote: the API server must not fill anything in."""
    if isinstance(node, dict):
        return {key: _without_defaults(entry) for key, entry in node.items() if key != "default"}
    return [_without_defaults(entry) for entry in node] if isinstance(node, list) else node


def _add_rules(schema: dict[str, Any], rules: Mapping[str, list[dict[str, str]]]) -> None:
    for name, added in rules.items():
        target = schema["properties"][name] if name else schema
        target["x-kubernetes-validations"] = [*target.get("x-kubernetes-validations", ()), *added]


def _forbid_changes(schema: dict[str, Any], names: Iterable[str]) -> None:
    """These properties of `schema` stay as they are.

    Rules stand as deep as it pays: the API server names the field then, and to compare two objects, in each write of a
    job's status too, costs it more than to compare their fields. Where most of these may be absent it is the other way
    round, as a rule of a field is silent when it comes or goes: that takes a rule of the object.
    """
    for name in names:
        child = schema["properties"][name]
        if name in _optional(schema):
            same = {"rule": f"has(self.{name}) == has(oldSelf.{name})", "message": UNCHANGED, "fieldPath": f".{name}"}
            _add_rules(schema, {"": [same]})
        fields = child.get("properties", {})
        if fields and 3 * len(_optional(child)) <= 2 * len(fields):
            _forbid_changes(child, fields)
        else:
            _add_rules(child, {"": [{"rule": "self == oldSelf", "message": UNCHANGED}]})


def _optional(schema: Mapping[str, Any]) -> list[str]:
    """The properties of an object that may be absent: without them it is complete, and nothing fills them in."""
    required = schema.get("required", ())
    return [name for name, child in schema["properties"].items() if name not in required and "default" not in child]


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    spec = openapi_schema(SpectrogramJobSpec)
    _forbid_changes(spec, IMMUTABLE_FIELDS)
    _add_rules(spec, TRANSITION_RULES)
    status = _without_defaults(openapi_schema(SpectrogramJobStatus))
    _add_rules(status, STATUS_RULES)
    schema = {
        "type": "object",
        "description": "A spectrogram of one recording, computed by one pod at a time.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": list(ROOT_RULES),
    }
    columns = [
        {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
        for name, kind, path, priority in COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["batch"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "selectableFields": [{"jsonPath": ".status.phase"}, {"jsonPath": ".status.queue"}],
                }
            ],
        },
    }


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: kubectl reads them, people should not have to."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml() -> str:
    """The content of crds/spectrogramjobs.yaml."""
    header = "# Generated by `make crds` from operator/spectrogram_operator/api: change it there.\n"
    return header + yaml.dump(definition(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    print(as_yaml(), end="")
