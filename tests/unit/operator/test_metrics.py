"""Metrics: what each transition counts, which labels there are, and that Prometheus' own linter accepts them."""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, disable_created_metrics, enable_created_metrics, generate_latest

from harness.pages import metrics
from spectrogram_operator.api.status import (
    Condition,
    ConditionType,
    JobMemory,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.telemetry.metrics import FORGOTTEN_AFTER, Metrics
from spectrogram_operator.telemetry.metrics_server import MetricsServer
from spectrogram_operator.telemetry.scraped import JobPlace, Standing
from spectrogram_worker.contract.report import Dataset
from unit.operator.statuses import NOW, attempt, ended, memory_warning, status

DESIGNED = {
    "spectrogram_jobs_finished_total",
    "spectrogram_job_duration_seconds",
    "spectrogram_job_memory_peak_bytes",
    "spectrogram_job_memory_estimate_ratio",
    "spectrogram_job_retries_total",
    "spectrogram_worker_pod_failures_total",
    "spectrogram_jobs",
    "spectrogram_queue_wait_seconds",
    "spectrogram_memory_warnings_total",
    "spectrogram_memory_safeguard_triggers_total",
    "spectrogram_transforms_total",
    "spectrogram_zombie_jobs_total",
    "spectrogram_stale_jobs_total",
    "spectrogram_sweep_last_success_timestamp_seconds",
    "spectrogram_operator_build_info",
    "spectrogram_operator_reconcile_duration_seconds",
    "spectrogram_operator_workqueue_depth",
    "spectrogram_operator_kube_api_requests_total",
    "spectrogram_operator_leader",
    "spectrogram_operator_seconds_since_last_watch_event",
    "spectrogram_clock_skew_seconds",
}
WORKERS = {
    f"spectrogram_worker_{name}"
    for name in (
        "progress_ratio",
        "columns",
        "columns_done",
        "samples_per_second",
        "memory_limit_bytes",
        "memory_bytes",
        "memory_peak_bytes",
    )
}
EMPTY = SpectrogramJobStatus()
RUNNING = status(attempt())


class Rig:
    """Metrics in a registry of their own, over counts of jobs that the test changes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs: dict[JobPlace, int] = {}
        self.overdue: dict[tuple[str, str], int] = {}
        self.metrics = Metrics(
            self.registry,
            lambda: Standing(
                places=self.jobs,
                overdue=self.overdue,
                demand={"default": (3, 3 * 2**30), "kueue": (9, 9)},
                limits={"default": 4, "large_jobs": 2, "kueue": 9},
                waiting=7,
                silent_seconds=3.5,
                clock_seconds_ahead=-7200.0,
            ),
            version="1.2.3",
            started=NOW,
            namespaces=["lab"],
        )

    def record(
        self,
        old: SpectrogramJobStatus,
        new: SpectrogramJobStatus,
        namespace: str = "lab",
        created: datetime = NOW,
    ) -> None:
        self.metrics.record(old, new, namespace, created)

    def histograms(self) -> dict[str, float]:
        return {s.name: s.value for f in self.registry.collect() for s in f.samples if s.name.endswith("_count")}

    def series(self) -> set[tuple[str, tuple[str, ...]]]:
        return {(s.name, tuple(s.labels.values())) for family in self.registry.collect() for s in family.samples}

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def moved(self) -> dict[str, float]:
        """Every counter above zero, by its name and labels in order."""
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name.startswith("spectrogram_") and sample.name.endswith("_total") and sample.value
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
            {
                "spectrogram_jobs_finished_total lab default failed InputNotFound": 1,
                "spectrogram_worker_pod_failures_total InputNotFound": 1,
            },
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
                "spectrogram_worker_pod_failures_total OOMKilled": 1,
            },
        ),
        (
            RUNNING,
            status(attempt(1, "PodMissing", RetryClass.ZOMBIE), phase=Phase.RETRYING),
            {
                "spectrogram_zombie_jobs_total lab PodMissing": 1,
                "spectrogram_job_retries_total lab PodMissing": 1,
                "spectrogram_worker_pod_failures_total PodMissing": 1,
            },
        ),
        (
            RUNNING,
            status(attempt(1, "IOError", RetryClass.USER), phase=Phase.RETRYING),
            {"spectrogram_job_retries_total lab IOError": 1, "spectrogram_worker_pod_failures_total IOError": 1},
        ),
        (RUNNING, status(attempt(1, "RerouteLarge", RetryClass.HOLD)), {}),
        (
            RUNNING,
            status(attempt(1, "JobSuspended", RetryClass.HOLD).model_copy(update={"kernel": "scipy.fft"})),
            {"spectrogram_transforms_total scipy.fft": 1},
        ),
        (RUNNING, status(attempt(1, "JobSuspended", RetryClass.HOLD)), {}),
        (
            status(attempt(1, "IOError", RetryClass.USER), attempt(2)),
            status(attempt(1, "IOError", RetryClass.USER), attempt(2, "MemoryError", RetryClass.MEMORY)),
            {
                "spectrogram_job_retries_total lab MemoryError": 1,
                "spectrogram_worker_pod_failures_total MemoryError": 1,
            },
        ),
        (
            RUNNING,
            ended(Phase.FAILED, "Stale", attempt(1, "Stale", RetryClass.FATAL)),
            {
                "spectrogram_jobs_finished_total lab default failed Stale": 1,
                "spectrogram_worker_pod_failures_total Stale": 1,
                "spectrogram_stale_jobs_total lab": 1,
            },
        ),
        (
            RUNNING,
            ended(Phase.FAILED, "MemorySafeguardExceeded", attempt(1, "MemorySafeguardExceeded", RetryClass.FATAL)),
            {
                "spectrogram_jobs_finished_total lab default failed MemorySafeguardExceeded": 1,
                "spectrogram_worker_pod_failures_total MemorySafeguardExceeded": 1,
                "spectrogram_memory_safeguard_triggers_total lab": 1,
            },
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
    rig.record(old, new)
    assert rig.moved() == counted
    rig.record(new, new)
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


def test_what_stands_in_line_is_told_of_each_queue(rig: Rig) -> None:
    for queue, count, memory, limit in (("default", 3, 3 * 2**30, 4), ("large_jobs", 0, 0, 2)):
        assert rig.value("spectrogram_queue_limit", queue=queue) == limit
        assert rig.value("spectrogram_queue_depth", queue=queue) == count
        assert rig.value("spectrogram_queue_wanted_memory_bytes", queue=queue) == memory
    assert rig.value("spectrogram_queue_depth", queue="kueue") is None


def test_the_operator_itself(rig: Rig) -> None:
    assert rig.value("spectrogram_sweep_last_success_timestamp_seconds") == NOW.timestamp()
    rig.metrics.sweep_succeeded(NOW + timedelta(seconds=120))
    assert rig.value("spectrogram_sweep_last_success_timestamp_seconds") == NOW.timestamp() + 120
    name = "spectrogram_operator_reconcile_duration_seconds"
    for seconds, failed in ((0.02, False), (0.2, True), (0.4, True)):
        rig.metrics.reconciled(seconds, failed)
    counts = {result: rig.value(f"{name}_count", result=result) for result in ("success", "error")}
    assert counts == {"success": 1, "error": 2}
    assert rig.value(f"{name}_sum", result="error") == pytest.approx(0.6)
    assert rig.value("spectrogram_operator_workqueue_depth") == 7
    assert rig.value("spectrogram_operator_seconds_since_last_watch_event") == 3.5
    assert rig.value("spectrogram_clock_skew_seconds") == -7200
    for verb, code in (("GET", 200), ("GET", 200), ("PUT", 409), ("PUT", 0)):
        rig.metrics.answered(verb, code)
    assert rig.value("spectrogram_operator_kube_api_requests_total", verb="GET", code="200") == 2
    assert rig.value("spectrogram_operator_kube_api_requests_total", verb="PUT", code="409") == 1
    assert rig.value("spectrogram_operator_kube_api_requests_total", verb="PUT", code="0") == 1
    (build,) = (s for f in rig.registry.collect() for s in f.samples if s.name == "spectrogram_operator_build_info")
    assert (build.labels["version"], build.value) == ("1.2.3", 1)
    assert (rig.value("process_resident_memory_bytes") or 0) > 1e6
    assert rig.value("process_cpu_seconds_total") is not None


def test_who_holds_a_lease_leads(rig: Rig) -> None:
    assert rig.value("spectrogram_operator_leader", namespace="lab") == 0
    rig.metrics.leads("lab", True)
    assert rig.value("spectrogram_operator_leader", namespace="lab") == 1
    rig.metrics.leads("lab", False)
    assert rig.value("spectrogram_operator_leader", namespace="lab") == 0
    rig.metrics.leads(None, True)
    assert rig.value("spectrogram_operator_leader", namespace="*") == 1


def resumed(seconds: float) -> Condition:
    moment = NOW + timedelta(seconds=seconds)
    return Condition(type=ConditionType.SUSPENDED, status="False", reason="JobResumed", last_transition_time=moment)


@pytest.mark.parametrize(
    ("started", "conditions", "waited"),
    [(90, (), 90), (90, (resumed(60),), 30), (-5, (), 0)],
)
def test_a_wait_in_the_queue_is_measured_once(
    rig: Rig, started: float, conditions: tuple[Condition, ...], waited: float
) -> None:
    new = status(attempt(), start_time=NOW + timedelta(seconds=started), conditions=conditions)
    rig.record(status(phase=Phase.QUEUED), new)
    rig.record(new, status(attempt(), start_time=new.start_time, phase=Phase.RETRYING))
    assert rig.value("spectrogram_queue_wait_seconds_count", queue="default") == 1
    assert rig.value("spectrogram_queue_wait_seconds_sum", queue="default") == waited


@pytest.mark.parametrize(
    ("size", "size_class"),
    [
        (None, "unknown"),
        (0, "lt100MB"),
        (10**8 - 1, "lt100MB"),
        (10**8, "lt500MB"),
        (10**9 - 1, "lt1GB"),
        (10**9, "ge1GB"),
    ],
)
def test_a_job_that_ends_is_measured_by_the_size_of_its_recording(rig: Rig, size: int | None, size_class: str) -> None:
    over = ended(
        Phase.SUCCEEDED,
        "Completed",
        attempt(1, "Completed", RetryClass.SUCCESS),
        start_time=NOW - timedelta(seconds=200),
        memory=JobMemory(peak_bytes=300 * 2**20, estimate_bytes=200 * 2**20),
        dataset=Dataset(bytes=size),
    )
    rig.record(RUNNING, over)
    labels = {"queue": "default", "result": "succeeded", "size_class": size_class}
    assert rig.value("spectrogram_job_duration_seconds_sum", **labels) == 200
    assert rig.value("spectrogram_job_memory_peak_bytes_sum", size_class=size_class) == 300 * 2**20
    assert rig.value("spectrogram_job_memory_estimate_ratio_sum") == 1.5


def test_a_job_that_never_started_has_no_duration_and_no_peak(rig: Rig) -> None:
    rig.record(EMPTY, ended(Phase.FAILED, "InvalidSpec", queue=None))
    assert not [name for name, value in rig.histograms().items() if value]


def test_jobs_that_outlive_their_limit_are_counted(rig: Rig) -> None:
    assert rig.value("spectrogram_jobs_overdue", namespace="lab", queue="default") == 0
    rig.overdue = {("lab", "default"): 2}
    assert rig.value("spectrogram_jobs_overdue", namespace="lab", queue="default") == 2


def test_series_do_not_grow_with_jobs(rig: Rig) -> None:
    """5,000 jobs over ten namespaces have the series that one job in each has."""

    def end_jobs(number: int) -> None:
        for job in range(number):
            namespace = f"team-{job % 10}"
            queue = "large_jobs" if job % 3 else "default"
            reason, klass = (("InputNotFound", RetryClass.FATAL), ("OOMKilled", RetryClass.ZOMBIE))[job % 2]
            begun = status(attempt(), start_time=NOW - timedelta(seconds=job), queue=queue)
            rig.jobs[namespace, queue, "Failed"] = rig.jobs.get((namespace, queue, "Failed"), 0) + 1
            rig.record(EMPTY, begun, namespace)
            over = ended(
                Phase.FAILED,
                reason,
                attempt(1, reason, klass).model_copy(update={"pod_name": f"job-{job}-a1"}),
                queue=queue,
                start_time=begun.start_time,
                memory=JobMemory(peak_bytes=job * 10**6 + 1, estimate_bytes=10**8),
                dataset=Dataset(bytes=job * 10**6),
            )
            rig.record(begun, over, namespace)

    end_jobs(10)
    few = rig.series()
    end_jobs(5000)
    assert rig.series() == few
    assert rig.moved()["spectrogram_worker_pod_failures_total OOMKilled"] == 2505


def test_namespaces_that_are_gone_are_forgotten(rig: Rig) -> None:
    before = rig.series()
    rig.jobs = {("gone", "default", "Running"): 1}
    generate_latest(rig.registry)
    rig.record(RUNNING, ended(Phase.FAILED, "OOMKilled", attempt(1, "OOMKilled", RetryClass.ZOMBIE)), "gone")
    assert rig.value("spectrogram_zombie_jobs_total", namespace="gone", reason="OOMKilled") == 1
    rig.metrics.forget_namespaces(NOW + timedelta(days=1))
    rig.jobs = {}
    still = NOW + timedelta(days=1) + FORGOTTEN_AFTER - timedelta(seconds=1)
    rig.metrics.forget_namespaces(still)
    assert rig.value("spectrogram_zombie_jobs_total", namespace="gone", reason="OOMKilled") == 1
    rig.metrics.forget_namespaces(still + timedelta(seconds=1))
    assert rig.series() == before
    assert rig.value("spectrogram_zombie_jobs_total", namespace="lab", reason="OOMKilled") == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_metrics_are_served_without_creation_times(rig: Rig, host: str) -> None:
    server = MetricsServer(rig.registry, 0)
    try:
        with urllib.request.urlopen(f"http://{host}:{server.port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.close()
    assert 'spectrogram_operator_reconcile_duration_seconds_count{result="error"} 0.0' in text
    assert "_created" not in text


def test_promtool_accepts_the_metrics(rig: Rig, promtool: Path) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    rig.jobs = {("lab", "default", "Running"): 1}
    rig.metrics.answered("GET", 200)
    linted = subprocess.run([promtool, "check", "metrics"], input=generate_latest(rig.registry), capture_output=True)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, b"", b"")


def test_the_page_of_metrics_is_made_of_the_metrics() -> None:
    assert metrics.PAGE.read_text() == metrics.page(), "make metrics"


def test_every_metric_of_the_design_is_there() -> None:
    names = set(re.findall(r"^\| `(spectrogram_\w+)", metrics.page(), re.MULTILINE))
    beside = {"spectrogram_jobs_overdue", "spectrogram_queue_depth", "spectrogram_queue_limit"}
    beside |= {"spectrogram_queue_wanted_memory_bytes"}
    assert names == DESIGNED | beside | WORKERS
