"""What tests of the operator share."""

import shutil
from pathlib import Path

import pytest

from harness.programs import debian


@pytest.fixture(scope="session")
def promtool() -> Path:
    """On Debian it is always there, for CI demands that nothing is skipped that a machine can be made to run."""
    if shutil.which("promtool") is None and not debian.HERE:
        pytest.skip("no promtool, and no Debian to take it from")
    return debian.promtool()
