"""`spectrogram cleanup` on a real API server where no operator runs, with the rights of the role admin alone."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.actors.person import Person
from cluster.actors.worker import serving
from cluster.conftest import opened
from cluster.workspace import CHART, Workspace
from harness.kubernetes.control_plane import ApiServer
from harness.ports import free_port
from pods.reports import report_of
from pods.statuses import ended, oom_killed, succeeded


@pytest.fixture
def place(control_plane: ApiServer, operator_rules: list[dict[str, Any]], tmp_path: Path) -> Iterator[Workspace]:
    with opened(Workspace(control_plane, tmp_path, operator_rules)) as workspace:
        yield workspace


def a_cleaner(place: Workspace, person: Person, *, without: str = "") -> Person:
    """The person, with the chart's role admin in this namespace and no other right."""
    template = place.client.helm("template", "release", str(CHART), "--show-only=templates/user-roles.yaml")
    (role,) = [one for one in yaml.safe_load_all(template) if one["metadata"]["name"].endswith("-admin")]
    rules = [rule for rule in role["rules"] if rule["resources"] != [without]]
    person.kubeconfig = place.kubeconfig_with("cleaner", rules)
    return person


def own_address() -> str:
    """An address of this machine that the API server lets its proxy go to: not a loopback one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


def test_zombies_are_cleaned_up_while_no_operator_runs(
    control_plane: ApiServer,
    operator_rules: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPECTROGRAM_MISSING_GRACE", "1")
    with opened(Workspace(control_plane, tmp_path, operator_rules)) as workspace:
        operator = workspace.operator().start()
        for name in ("killed", "gone", "alive"):
            workspace.submit(name)
        pods = {name: workspace.start(name) for name in ("killed", "gone", "alive")}
        operator.kill()
        workspace.play(pods["killed"], oom_killed())
        workspace.bury(pods["gone"])
        person = a_cleaner(workspace, Person(workspace, capsys, monkeypatch))

        young = person.types("cleanup", "zombies", "--min-age-minutes", "60")
        assert (young.code, young.output) == (0, "0 zombies among 0 workers, 0 written down\n")
        dry = person.types("cleanup", "zombies", "--dry-run")
        killed, gone, summary = dry.output.splitlines()
        assert killed.startswith(f"{workspace.namespace}/killed: OOMKilled: ")
        assert gone.startswith(f"{workspace.namespace}/gone: PodMissing: ")
        assert summary == "2 zombies among 3 workers, 0 written down"
        assert {workspace.status(name).phase for name in pods} == {"Running"}

        assert person.types("cleanup", "zombies").output.endswith("2 zombies among 3 workers, 2 written down\n")
        assert [(workspace.status(name).phase, workspace.status(name).reason) for name in pods] == [
            ("Failed", "OOMKilled"),
            ("Failed", "PodMissing"),
            ("Running", "PodRunning"),
        ]
        operator.start()  # and is content with what it finds
        workspace.play(pods["alive"], succeeded(pods["alive"]))
        assert workspace.wait_for_end("alive").phase == "Succeeded"


def test_a_stale_worker_is_ended_and_one_that_does_not_answer_is_left_alone(
    place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = own_address()
    port = free_port(address)
    monkeypatch.setattr("spectrogram_operator.cli.cluster.http_pods.PROGRESS_PORT", port)
    monkeypatch.setattr("spectrogram_operator.cli.cleanup.stale.APART_SECONDS", 0.0)
    operator = place.operator().start()
    for name in ("hung", "silent"):
        place.submit(name)
    with serving(address, port) as worker:
        hung = place.start("hung", ip=address)
        place.start("silent")
        operator.kill()
        stood_still = datetime.now(UTC) - timedelta(hours=2)
        worker.answer = report_of(hung, percent=43, advanced=stood_still).to_json().encode()
        person = a_cleaner(place, Person(place, capsys, monkeypatch))

        assert person.types("cleanup", "stale", "--timeout-hours", "3").output == "0 stale among 2 workers, 0 ended\n"
        dry, summary = person.types("cleanup", "stale", "--dry-run").output.splitlines()
        assert dry.startswith(f"{place.namespace}/hung: Stale: the worker answers, and its progress has not advanced")
        assert dry.endswith(" (dry run: nothing is written)")
        assert summary == "1 stale among 2 workers, 0 ended"
        assert place.status("hung").progress is None

        kubelet = threading.Thread(target=place.end_deleted, args=(hung, ended(85)))
        kubelet.start()
        done = person.types("cleanup", "stale")
        kubelet.join()
    assert (done.code, done.output.splitlines()[-1]) == (0, "1 stale among 2 workers, 1 ended")
    status = place.status("hung")
    assert (status.phase, status.reason) == ("Failed", "Stale")
    assert status.progress is not None
    assert status.progress.percent == 43
    assert place.status("silent").phase == "Running"


def test_who_may_not_ask_workers_is_told(
    place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = place.operator().start()
    place.submit()
    place.start(ip=own_address())
    operator.kill()
    person = a_cleaner(place, Person(place, capsys, monkeypatch), without="pods/proxy")
    done = person.types("cleanup", "stale")
    assert (done.code, done.output, done.errors.count("\n")) == (77, "", 1)
    assert 'cannot get resource "pods/proxy"' in done.errors
