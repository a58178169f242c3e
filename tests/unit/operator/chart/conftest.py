"""The chart, for tests that take it."""

import pytest

from unit.operator.chart.rendering import Chart


@pytest.fixture
def chart() -> Chart:
    return Chart()
