"""What workers took corrects the memory of later jobs, through a ConfigMap of their namespace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.conftest import opened
from cluster.workspace import Workspace, chart_rules
from harness.kubernetes.control_plane import ApiServer
from harness.waiting import wait_until
from pods.shapes import Body
from pods.statuses import succeeded
from spectrogram_operator.control.reconciling.corrections import CONFIG_MAP

LEARNING = {"SPECTROGRAM_MEMORY_CORRECTION": "true", "SPECTROGRAM_SWEEP_INTERVAL": "1"}
AUTO = {"resources": {"memory": "auto"}}


@pytest.fixture
def learning(control_plane: ApiServer, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose operator has the rights that come with the setting."""
    rules = chart_rules(control_plane.client(), "--set=settings.memoryCorrection=true")
    with opened(Workspace(control_plane, tmp_path, rules)) as workspace:
        yield workspace


def limit(pod: Body) -> str:
    memory: str = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return memory


def test_what_workers_took_is_kept_and_corrects_the_next_ones(learning: Workspace) -> None:
    operator = learning.operator(**LEARNING).start()
    learning.submit("first", **AUTO)
    pod = learning.start("first")
    learning.play(pod, succeeded(pod))
    learning.wait_for_end("first")
    kept = wait_until(lambda: learning.api.find("configmaps", CONFIG_MAP), what="what the worker took")
    assert (limit(pod), kept["data"]) == ("128Mi", {"Auto.small": "126"})  # it claimed more than its limit
    operator.stop()

    learning.api.patch("configmaps", CONFIG_MAP, {"data": {"Auto.small": "150 " * 8, "Raw.large": "rubbish"}})
    learning.operator(**LEARNING).start()
    learning.submit("second", **AUTO)
    pod = learning.start("second")
    assert limit(pod) == "192Mi"
    learning.play(pod, succeeded(pod))
    learning.wait_for_end("second")
    words = "150 " * 8 + "189"
    wait_until(lambda: learning.api.get("configmaps", CONFIG_MAP)["data"] == {"Auto.small": words}, what="one more")
