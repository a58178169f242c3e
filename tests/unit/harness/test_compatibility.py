"""What `make compatibility` runs on which Kubernetes."""

import re

import pytest
import yaml

from harness.kubernetes import compatibility
from harness.programs import binaries
from unit.operator.chart.rendering import CHART


def test_the_chosen_tests_exist() -> None:
    assert [name for name in compatibility.CHOSEN if not (compatibility.TESTS / "cluster" / name).exists()] == []


@pytest.mark.parametrize("minor", compatibility.versions())
def test_a_module_file_names_one_version_throughout(minor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binaries.ANOTHER_VERSION, minor)
    version = binaries.kubernetes_version()
    text = (binaries.MODULE / f"v{minor}.mod").read_text()
    assert version.startswith(f"v{minor}.")
    replaced = re.findall(r"^\s+(\S+) => \1 (\S+)$", text, re.MULTILINE)
    assert len(replaced) > 20
    assert {found for _, found in replaced} == {version.replace("v1.", "v0.")}


def test_the_chart_allows_what_is_tried() -> None:
    least = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    (minor,) = re.findall(r"^>=1\.(\d+)\.0-0$", least)
    assert int(minor) <= min(int(version.removeprefix("1.")) for version in compatibility.versions())
