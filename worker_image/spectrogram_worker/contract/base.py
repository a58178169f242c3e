"""The base of every model that crosses a process border: camelCase names, closed field lists, rules stated once.

A `Rule` is written once and enforced three times: by the API server (its CEL goes into the CRD), by the planner and by
the worker (its Python form runs as a validator). Tests hold the forms against each other.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Rule(NamedTuple):
    """One condition over several fields: `cel` for the API server, `holds` for Python, `message` says what to write."""

    cel: str
    message: str
    holds: Callable[[Any], bool]


class Model(BaseModel):
    """Immutable; JSON names in lowerCamelCase; an unknown field is an error; `rules` are checked after the types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        if cls.rules:
            target = handler.resolve_ref_schema(result)
            target["x-kubernetes-validations"] = [{"rule": r.cel, "message": r.message} for r in cls.rules]
        return result

    def to_document(self) -> dict[str, Any]:
        """The JSON form with the API's field names; fields that are not set are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def is_relative_path(path: str) -> bool:
    """True for a path that stays below the folder it is joined to: no leading '/', no '..', no NUL."""
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def relative_path_rule(field: str) -> Rule:
    """The rule that `field`, a path, stays inside the claim or store."""
    return Rule(
        cel=f"!has(self.{field}) || (!self.{field}.startsWith('/') && !self.{field}.split('/').exists(p, p == '..'))",
        message=f"{field} must be relative to the claim: write it without a leading '/' and without '..'",
        holds=lambda model: getattr(model, field) is None or is_relative_path(getattr(model, field)),
    )
