"""The base of every model that crosses a process border: camelCase names, closed field lists, rules stated once.

A `Rule` is written once and enforced three times: by the API server (its CEL goes into the CRD), by the planner and by
the worker (its Python form runs as a validator). Tests hold the forms against each other, on a real API server. Rules
stand where a schema's own message would be a regular expression, and where the API server's schema does not hold: it
takes the integer 0 for a number of at least 0.1.
"""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

REFUSED_VALUE = "refused_value"
"""Type of pydantic's error where a value breaks a rule of its own; the message goes on after the value."""


class Rule(NamedTuple):
    """One condition: `cel` for the API server, `holds` for Python, `message` says what to write instead.

    Over several fields of a model it stands in the model's `rules`; `field` is that of them which is to be changed, where
    it is one: the API server names it then. On one value it is an annotation of the value's type; what it says then is
    read after the value: "'soon' is no duration: write …". That is cheaper, too: for each field that a rule looks up,
    the API server copies the schemas of all its neighbours, in each write of a job's status.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""

    def as_validation(self) -> dict[str, str]:
        """An entry of x-kubernetes-validations."""
        place = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message, **place}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        inner = handler(schema)
        others = inner.get("x-kubernetes-validations", ())
        return {**inner, "x-kubernetes-validations": [*others, self.as_validation()]}

    def _checked(self, value: Any) -> Any:
        if not self.holds(value):
            raise PydanticCustomError(REFUSED_VALUE, "{rule}", {"rule": self.message})
        return value


def pattern_rule(pattern: str, message: str) -> Rule:
    """The rule that a text matches `pattern` as a whole: a regular expression that RE2 and Python read alike."""
    cel = f"self.matches('^({pattern})$')".replace("\\", "\\\\")
    return Rule(cel=cel, message=message, holds=lambda text: re.fullmatch(pattern, text) is not None)


def unique_rule() -> Rule:
    """The rule that no entry of a list stands twice."""
    return Rule(
        cel="self.all(x, self.exists_one(y, y == x))",
        message="names an entry twice: remove one of them",
        holds=lambda entries: len(set(entries)) == len(entries),
    )


def at_least_rule(least: float, unit: str) -> Rule:
    """The rule of a lower bound that is no whole number; the API server's own check rounds it down."""
    return Rule(
        cel=f"self >= {least:f}".rstrip("0"),
        message=f"is too small: write at least {least:g} {unit}",
        holds=lambda value: bool(value >= least),
    )


class Model(BaseModel):
    """Immutable; JSON names in lowerCamelCase; an unknown field is an error; `rules` are checked after the types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
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
        target = handler.resolve_ref_schema(result)
        for name, text in _field_docstrings(cls).items():
            target["properties"][cls.model_fields[name].alias or name]["description"] = text
        if cls.rules:
            target["x-kubernetes-validations"] = [rule.as_validation() for rule in cls.rules]
        return result

    def to_document(self) -> dict[str, Any]:
        """The JSON form with the API's field names; fields that are not set are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _field_docstrings(model: type[Model]) -> dict[str, str]:
    """The string below each field, inherited fields too.

    They are read when a schema is written. pydantic's use_attribute_docstrings reads them, from the source, whenever a
    program starts.
    """
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__[: model.__mro__.index(Model)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(parent))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def is_relative_path(path: str) -> bool:
    """True for a path that stays below the folder it is joined to: no leading '/', no '..', no NUL."""
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


RELATIVE_PATH = Rule(
    cel="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",
    message="must be relative to the claim or store: write it without a leading '/' and without '..'",
    holds=is_relative_path,
)
"""The rule that a path stays inside the claim or store."""
