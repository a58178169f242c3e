"""A real API server answers as the fake one does, on which the api tier stands."""

from cluster.workspace import Workspace
from harness.api.answers import EXPECTED, ask_everything


def test_what_the_operator_asks_is_answered_as_the_table_says(workspace: Workspace) -> None:
    assert ask_everything(workspace.api) == EXPECTED
