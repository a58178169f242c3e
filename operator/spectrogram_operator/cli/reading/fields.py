"""The fields of a model, by the names that people write, and the one that a misspelt name probably meant."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

Place = Sequence[int | str]


def known_fields(model: type[BaseModel], place: Place) -> list[str]:
    """The fields of the object at `place` below `model`; none where that is no object."""
    here = _model_at(model, place)
    return [] if here is None else [_name(here, field) for field in here.model_fields]


def likely_field(model: type[BaseModel], place: Sequence[str]) -> tuple[str, str]:
    """What the unknown field at `place` was probably meant to be.

    A field of the same object that is written alike: its name, twice. Else a field of exactly this name elsewhere: its
    path, and an empty string. Else two empty strings.
    """
    *above, wrong = place
    known = {name.lower(): name for name in known_fields(model, above)}
    for close in difflib.get_close_matches(wrong.lower().replace("_", ""), known, n=1):
        return known[close], known[close]
    elsewhere = next((path for path in _paths(model, "") if path.lower().endswith(f".{wrong.lower()}")), "")
    return elsewhere, ""


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for field, information in model.model_fields.items():
        path = f"{prefix}{_name(model, field)}"
        yield path
        child = _model_in(information.annotation)
        if child is not None:
            yield from _paths(child, f"{path}.")


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    for part in place:
        names = {_name(here, field): field for field in here.model_fields} if here else {}
        here = _model_in(here.model_fields[names[str(part)]].annotation) if here and str(part) in names else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a field: itself, or the one in `Model | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((entry for entry in candidates if isinstance(entry, type) and issubclass(entry, BaseModel)), None)


def _name(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].alias or field
