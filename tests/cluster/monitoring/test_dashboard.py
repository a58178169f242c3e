"""The dashboard: a real Prometheus scrapes the real operator, and every panel has something to show."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.actors.worker import Worker, serving
from cluster.workspace import CHART, Workspace
from harness.prometheus import ON_DEBIAN, Prometheus, Target
from harness.waiting import HarnessError, wait_until
from pods.reports import report_of
from pods.statuses import failed, oom_killed, succeeded
from spectrogram_operator.api.status import Phase
from spectrogram_operator.core.status import holds
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import PROGRESS_PORT
from spectrogram_worker.progress_server import metrics_text

DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
VARIABLES = {"__rate_interval": "10m", "__range": "6h", "queue": ".*"}
RUNS_SHORT = 2**30 * 9 // 10
"""Bytes in use that are worth a warning."""


def filled(expression: str, **variables: str) -> str:
    """As Grafana sends it."""
    known = VARIABLES | variables
    return re.sub(r"\$(\w+)", lambda found: known[found[1]], expression)


def shown(prometheus: Prometheus, expression: str) -> list[float]:
    """The numbers that a panel would show now."""
    values = [float(sample["value"][1]) for sample in prometheus.query(expression)]
    return [value for value in values if not math.isnan(value)]


def play_all_that_is_counted(workspace: Workspace, worker: Worker) -> None:
    """A success, a kill, a retry, a job that waits for its claim, and one that runs and has little memory left."""
    workspace.submit("good")
    pod = workspace.start("good")
    workspace.play(pod, succeeded(pod))
    workspace.submit("killed")
    workspace.play(workspace.start("killed"), oom_killed())
    workspace.submit("retried")
    pod = workspace.start("retried")
    workspace.play(pod, failed(pod, ExitCode.IO_ERROR))
    workspace.submit("waiting", input={"claimName": "nowhere", "path": "a.drf"})
    workspace.submit("busy")
    own = report_of(workspace.start("busy", ip=worker.address), percent=43)
    memory = own.memory.model_copy(update={"current_bytes": RUNS_SHORT, "peak_bytes": RUNS_SHORT})
    own = own.model_copy(update={"memory": memory})
    worker.answer, worker.metrics = own.to_json().encode(), metrics_text(own)[0]
    assert workspace.wait_for_end("good").phase is Phase.SUCCEEDED
    assert workspace.wait_for_end("killed").reason == "OOMKilled"
    workspace.wait_for_status("waiting", phase=Phase.PENDING, reason="PVCNotFound")
    wait_until(lambda: workspace.status("retried").attempt == 2, what="another attempt")
    wait_until(lambda: holds(workspace.status("busy"), "MemoryWarning"), what="the warning")


@pytest.fixture
def prometheus(workspace: Workspace, tmp_path: Path) -> Iterator[Prometheus]:
    """It has seen the operators before anything happened, and has scraped them since everything has.

    Two, as the chart installs them: the panels show the same as with the one that acts alone.
    """
    operators: list[Operator] = []
    for _ in range(2):
        operators.append(workspace.operator(SPECTROGRAM_SWEEP_INTERVAL="1").start())
        operators[-1].wait_until_ready()
    with ExitStack() as stack:
        worker = stack.enter_context(serving())
        targets = [
            *(
                Target(f"127.0.0.1:{operator.metrics_port}", {"pod": f"operator-{number}", "namespace": "system"})
                for number, operator in enumerate(operators)
            ),
            Target(f"{worker.address}:{PROGRESS_PORT}", {"pod": "busy-a1", "namespace": workspace.namespace}),
        ]
        prometheus = stack.enter_context(Prometheus(tmp_path / "prometheus", targets))
        wait_until(lambda: len(shown(prometheus, "spectrogram_operator_build_info")) == 2, what="the first scrapes")
        play_all_that_is_counted(workspace, worker)
        wait_until(lambda: shown(prometheus, "spectrogram_worker_memory_bytes > 0"), what="a scrape of the worker")
        yield prometheus


@ON_DEBIAN
def test_every_panel_shows_data_of_a_real_operator(workspace: Workspace, prometheus: Prometheus) -> None:
    variables = {entry["name"]: entry for entry in DASHBOARD["templating"]["list"]}
    offered = {}
    for name in ("namespace", "queue"):
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables[name]["query"])
        assert found is not None
        offered[name] = prometheus.label_values(found[2], found[1])
    assert offered["namespace"] == [workspace.namespace]
    assert "default" in offered["queue"]

    for everything in (True, False):
        chosen = {name: ".*" if everything else "|".join(values) for name, values in offered.items()}
        for panel in DASHBOARD["panels"]:
            for target in panel["targets"]:
                expression = filled(target["expr"], **chosen)
                wait_until(partial(shown, prometheus, expression), what=f"{panel['title']}: {expression}")

    def value(title: str) -> float:
        (panel,) = (panel for panel in DASHBOARD["panels"] if panel["title"] == title)
        (number,) = shown(prometheus, filled(panel["targets"][0]["expr"], namespace=workspace.namespace))
        return number

    assert value("Running") == 1
    assert value("Waiting") == 1
    assert value("Killed for memory") >= 1
    assert value("Success") == pytest.approx(0.5, abs=0.01)
    assert value("Memory of workers against their limit") == pytest.approx(0.9, abs=0.01)
    assert value("Namespaces that are served") == 1
    assert value("Operators") == 2
    assert shown(prometheus, 'sum(spectrogram_jobs{phase="Running"})') == [1], "nor need others take the max first"
    nobody = [
        filled(target["expr"], namespace="nobody") for panel in DASHBOARD["panels"] for target in panel["targets"]
    ]
    assert [number for asked in nobody if "nobody" in asked for number in shown(prometheus, asked)] == []
    # What would show nothing is noticed.
    assert shown(prometheus, "spectrogram_no_such_metric") == []
    with pytest.raises(HarnessError, match="parse error"):
        shown(prometheus, "sum(spectrogram_jobs")
