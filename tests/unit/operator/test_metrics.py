"""Metrics: what each transition counts, which labels there are, and that Prometheus' own linter accepts them."""

import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, disable_created_metrics, enable_created_metrics, generate_latest

from harness import debian
from harness.waiting import HarnessError
from spectrogram_operator.api.status import Phase, RetryClass, SpectrogramJobStatus
from spectrogram_operator.telemetry.metrics import (
    JobPlace,
    Metrics,
    MetricsServer,
)
from unit.operator.statuses import NOW, attempt, ended, memory_warning, status

EMPTY = SpectrogramJobStatus()
RUNNING = status(attempt())


class Rig:
    """Metrics in a registry of their own, over counts of jobs that the test changes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs: dict[JobPlace, int] = {}
        self.metrics = Metrics(self.registry, lambda: self.jobs, version="1.2.3", started=NOW, namespaces=["lab"])

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def moved(self) -> dict[str, float]:
        """Every counter above zero, by its name and labels in order."""
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name.endswith("_total") and sample.value
        }


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture(autouse=True)
def restore_created() -> Iterator[None]:
    yield
    enable_created_metrics()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("old", "new", "counted"),
    [
        (EMPTY, RUNNING, {}),
        (
            RUNNING,
            ended(Phase.SUCCEEDED, "Completed", attempt(1, "Completed", RetryClass.SUCCESS)),
            {"spectrogram_jobs_finished_total lab default succeeded Completed": 1},
        ),
        (
            RUNNING,
            ended(Phase.FAILED, "InputNotFound", attempt(1, "InputNotFound", RetryClass.FATAL)),
            {"spectrogram_jobs_finished_total lab default failed InputNotFound": 1},
        ),
        (
            EMPTY,
            ended(Phase.FAILED, "InvalidSpec", queue=None),
            {"spectrogram_jobs_finished_total lab none failed InvalidSpec": 1},
        ),
        (
            RUNNING,
            ended(Phase.CANCELLED, "Cancelled", attempt(1, "Cancelled", RetryClass.HOLD)),
            {"spectrogram_jobs_finished_total lab default cancelled Cancelled": 1},
        ),
        (
            status(attempt(), queue="large_jobs"),
            ended(Phase.FAILED, "OOMKilled", attempt(1, "OOMKilled", RetryClass.ZOMBIE), queue="large_jobs"),
            {
                "spectrogram_jobs_finished_total lab large_jobs failed OOMKilled": 1,
                "spectrogram_zombie_jobs_total lab OOMKilled": 1,
            },
        ),
        (
            RUNNING,
            status(attempt(1, "PodMissing", RetryClass.ZOMBIE), phase=Phase.RETRYING),
            {"spectrogram_zombie_jobs_total lab PodMissing": 1, "spectrogram_job_retries_total lab PodMissing": 1},
        ),
        (
            RUNNING,
            status(attempt(1, "IOError", RetryClass.USER), phase=Phase.RETRYING),
            {"spectrogram_job_retries_total lab IOError": 1},
        ),
        (RUNNING, status(attempt(1, "RerouteLarge", RetryClass.HOLD)), {}),
        (RUNNING, status(attempt(1, "JobSuspended", RetryClass.HOLD)), {}),
        (
            status(attempt(1, "IOError", RetryClass.USER), attempt(2)),
            status(attempt(1, "IOError", RetryClass.USER), attempt(2, "MemoryError", RetryClass.MEMORY)),
            {"spectrogram_job_retries_total lab MemoryError": 1},
        ),
        (
            RUNNING,
            status(attempt(), conditions=(memory_warning("HighMemoryUsage"),)),
            {"spectrogram_memory_warnings_total lab": 1},
        ),
        (
            status(attempt(), conditions=(memory_warning("HighMemoryUsage", held=False),)),
            status(attempt(), conditions=(memory_warning("HighMemoryExpected"),)),
            {"spectrogram_memory_warnings_total lab": 1},
        ),
        (
            status(attempt(), conditions=(memory_warning("HighMemoryExpected"),)),
            status(attempt(), conditions=(memory_warning("HighMemoryUsage"),)),
            {},
        ),
        (RUNNING, ended(Phase.FAILED, "ANewReason"), {"spectrogram_jobs_finished_total lab default failed Other": 1}),
    ],
)
def test_a_transition_is_counted_once(
    rig: Rig, old: SpectrogramJobStatus, new: SpectrogramJobStatus, counted: dict[str, float]
) -> None:
    rig.metrics.record(old, new, "lab")
    assert rig.moved() == counted
    rig.metrics.record(new, new, "lab")
    assert rig.moved() == counted


def test_jobs_are_counted_at_the_scrape(rig: Rig) -> None:
    rig.jobs = {("lab", "default", "Running"): 2, ("lab", "", ""): 1}
    assert rig.value("spectrogram_jobs", namespace="lab", queue="default", phase="Running") == 2
    assert rig.value("spectrogram_jobs", namespace="lab", queue="none", phase="Pending") == 1
    rig.jobs = dict.fromkeys(rig.jobs, 0)
    assert rig.value("spectrogram_jobs", namespace="lab", queue="default", phase="Running") == 0
    assert rig.value("spectrogram_jobs", namespace="lab", queue="none", phase="Pending") is None


def test_counters_are_there_before_the_first_failure(rig: Rig) -> None:
    rig.jobs = {("met-at-the-scrape", "default", "Running"): 1}
    first_scrape = generate_latest(rig.registry).decode()
    for namespace in ("lab", "met-at-the-scrape"):
        labels = f'namespace="{namespace}",queue="large_jobs",reason="OOMKilled",result="failed"'
        assert f"spectrogram_jobs_finished_total{{{labels}}} 0.0" in first_scrape
        assert f'spectrogram_zombie_jobs_total{{namespace="{namespace}",reason="PodMissing"}} 0.0' in first_scrape
        assert f'spectrogram_job_retries_total{{namespace="{namespace}",reason="Drained"}} 0.0' in first_scrape
        assert f'spectrogram_memory_warnings_total{{namespace="{namespace}"}} 0.0' in first_scrape


def test_the_operator_itself(rig: Rig) -> None:
    assert rig.value("spectrogram_sweep_last_success_timestamp_seconds") == NOW.timestamp()
    rig.metrics.sweep_succeeded(NOW + timedelta(seconds=120))
    assert rig.value("spectrogram_sweep_last_success_timestamp_seconds") == NOW.timestamp() + 120
    assert rig.value("spectrogram_reconcile_errors_total") == 0
    rig.metrics.reconcile_failed()
    assert rig.value("spectrogram_reconcile_errors_total") == 1
    (build,) = (s for f in rig.registry.collect() for s in f.samples if s.name == "spectrogram_operator_build_info")
    assert (build.labels["version"], build.value) == ("1.2.3", 1)


def test_metrics_are_served_without_creation_times(rig: Rig) -> None:
    server = MetricsServer(rig.registry, 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.close()
    assert "spectrogram_reconcile_errors_total 0.0" in text
    assert "_created" not in text


@pytest.fixture
def promtool() -> Path:
    try:
        return debian.promtool()
    except HarnessError as error:
        pytest.skip(f"no promtool: {error}")


def test_promtool_accepts_the_metrics(rig: Rig, promtool: Path) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    rig.jobs = {("lab", "default", "Running"): 1}
    linted = subprocess.run([promtool, "check", "metrics"], input=generate_latest(rig.registry), capture_output=True)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, b"", b"")
