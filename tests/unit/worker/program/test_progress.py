"""Progress: rates and times left, what GET /progress and /metrics answer, from any number of askers."""

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.ports import free_port
from spectrogram_worker.contract import parse_report
from spectrogram_worker.contract.report import Dataset, Memory
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.progress_server import ProgressServer
from unit.worker.jobs import job


@dataclass
class Clock:
    """Seconds that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> ProgressState:
    return ProgressState(job(attempt=3), MemoryGauge(2**40), clock)


@pytest.fixture
def server(state: ProgressState) -> Iterator[ProgressServer]:
    with ProgressServer(state, 0) as running:
        yield running


def get(server: ProgressServer, path: str, host: str = "127.0.0.1") -> tuple[int, str, bytes]:
    """Status, media type and body of one answer."""
    assert server.port is not None
    connection = http.client.HTTPConnection(host, server.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_a_worker_that_starts_has_done_nothing(state: ProgressState) -> None:
    report = state.report()
    assert (report.job_uid, report.attempt, report.reason) == ("uid-1", 3, "")
    assert report.progress.stage == "starting"
    assert report.progress.percent == 0
    assert report.progress.eta_seconds is None
    assert report.memory.limit_bytes == 2**40
    assert (report.memory.peak_bytes or 0) > 0


def test_rate_and_time_left_count_from_the_first_sample(state: ProgressState, clock: Clock) -> None:
    clock.now += 50  # opening a recording takes its time
    state.enter("spectrogram")
    assert state.report().progress.kernel is None
    state.begin_transform(columns=100, samples=1_000_000, kernel="compiled")
    clock.now += 10
    state.advance(columns=25)
    progress = state.report().progress
    assert progress.percent == 25
    assert progress.samples_per_second == pytest.approx(25_000)
    assert progress.eta_seconds == pytest.approx(30)
    assert (progress.columns_done, progress.columns_total, progress.kernel) == (25, 100, "compiled")


def test_progress_that_stands_still_shows_in_the_time_it_last_advanced(state: ProgressState) -> None:
    state.begin_transform(columns=10, samples=10)
    state.advance(columns=1)
    advanced = state.report().last_advance_time
    assert advanced is not None
    assert state.report().last_advance_time == advanced
    state.advance(columns=2)
    later = state.report().last_advance_time
    assert later is not None
    assert later > advanced
    state.enter("writing")
    assert (state.report().last_advance_time or advanced) > later


def test_progress_moves_within_a_column_that_takes_hours(state: ProgressState, clock: Clock) -> None:
    state.begin_transform(columns=1, samples=1_000_000)
    began = state.report().last_advance_time
    clock.now += 10
    state.advance(samples=250_000)
    report = state.report()
    assert (report.progress.columns_done, report.progress.percent) == (0, 25)
    assert report.progress.samples_per_second == pytest.approx(25_000)
    assert report.progress.eta_seconds == pytest.approx(30)
    assert began is not None
    assert (report.last_advance_time or began) > began
    state.advance(columns=1)
    assert state.report().progress.percent == 100


def test_stages_are_timed(state: ProgressState, clock: Clock) -> None:
    clock.now += 1
    state.enter("reading")
    clock.now += 2
    assert state.stage_seconds == {"starting": 1.0, "reading": 2.0}


def test_the_report_carries_what_the_worker_found(state: ProgressState) -> None:
    state.describe(Dataset(bytes=8000, samples=1000, gaps=2))
    state.expect_memory(Memory(estimate_bytes=123, level="high"))
    report = state.report("Completed", "done")
    assert report.dataset.samples == 1000
    assert (report.memory.estimate_bytes, report.memory.level) == (123, "high")
    assert parse_report(report.to_json()) == report


def test_a_warning_is_logged_and_kept_once(state: ProgressState, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        state.warn("the times\ncontradict each other")
        state.warn("another")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Job team/fm-band: the times contradict each other"),
        ("WARNING", "Job team/fm-band: another"),
    ]
    assert state.warnings == state.report().warnings == ("the times contradict each other", "another")
    assert state.warning_count == 2


def test_no_number_of_warnings_fills_the_memory(state: ProgressState) -> None:
    for number in range(5000):
        state.warn(f"sample {number} is late")
    assert state.warning_count == 1000
    assert state.warnings[-1] == "… and 993 more"


def test_get_progress_is_the_report(state: ProgressState, server: ProgressServer) -> None:
    state.begin_transform(columns=4, samples=4)
    state.advance(columns=3)
    status, media_type, body = get(server, "/progress")
    assert (status, media_type) == (200, "application/json")
    report = parse_report(body)
    assert report is not None
    assert report.progress.percent == 75
    assert json.loads(body)["jobUID"] == "uid-1"


def test_get_metrics_is_prometheus_text(state: ProgressState, server: ProgressServer) -> None:
    state.begin_transform(columns=4, samples=4)
    state.advance(columns=3)
    status, media_type, body = get(server, "/metrics")
    assert status == 200
    assert media_type.startswith("text/plain; version=")
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if family.documentation and family.type == "gauge"
    }
    assert samples["spectrogram_worker_progress_ratio"] == 0.75
    assert samples["spectrogram_worker_columns"] == 4
    assert samples["spectrogram_worker_memory_limit_bytes"] == 2**40
    assert samples["spectrogram_worker_memory_bytes"] > 0
    assert samples["spectrogram_worker_memory_peak_bytes"] > 0


def test_anything_else_is_not_found(server: ProgressServer) -> None:
    assert get(server, "/etc/passwd")[0] == 404
    assert get(server, "/progress?verbose=1")[0] == 200


def test_progress_can_be_asked_for_while_it_advances(state: ProgressState, server: ProgressServer) -> None:
    state.begin_transform(columns=2**40, samples=1)  # more than the loop below gets through
    finished = threading.Event()

    def work() -> None:
        columns = 0
        while not finished.is_set():
            columns += 1
            state.advance(columns=columns)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        seen = []
        for _ in range(20):
            report = parse_report(get(server, "/progress")[2])
            assert report is not None
            seen.append(report.progress.columns_done)
        assert seen == sorted(seen)
    finally:
        finished.set()
        worker.join()


def test_a_client_that_breaks_off_harms_nobody(server: ProgressServer) -> None:
    assert server.port is not None
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /prog")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
    assert get(server, "/progress")[0] == 200


def test_a_port_that_is_taken_costs_only_the_view(
    state: ProgressState, server: ProgressServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert server.port is not None
    with ProgressServer(state, server.port) as second:
        assert second.port is None
    assert "Progress is not served" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_given_port_is_served_beyond_this_machine(state: ProgressState, host: str) -> None:
    port = free_port()
    with ProgressServer(state, port) as given:
        assert given.port == port
        assert get(given, "/progress", host)[0] == 200


def test_the_port_is_logged(state: ProgressState, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ProgressServer(state, 0) as running:
        assert f"Serving progress on port {running.port}" in caplog.text
