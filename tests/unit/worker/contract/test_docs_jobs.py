"""docs/jobs.md: whoever writes a job finds there what can be written."""

import inspect
import re
from pathlib import Path

import pytest

from spectrogram_worker.contract import parameters
from spectrogram_worker.contract.base import Model

PAGE = Path(__file__).parents[4] / "docs/jobs.md"
FIELDS = sorted(
    {
        f"{name}.{field.alias or own}"
        for name, model in inspect.getmembers(parameters, inspect.isclass)
        if issubclass(model, Model) and model.__module__.startswith(f"{parameters.__name__}.")
        for own, field in model.model_fields.items()
    }
)


@pytest.mark.parametrize("field", FIELDS)
def test_every_parameter_is_explained(field: str) -> None:
    """In code, whole: `min` is not named by `minimum`."""
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", PAGE.read_text(), re.DOTALL))
    name = field.partition(".")[2]
    assert re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", code), f"{name} is not in docs/jobs.md"
