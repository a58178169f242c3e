"""`spectrogram view` on a real API server without a kubelet: what it asks for, what it may, and what is left behind."""

from pathlib import Path

import pytest

from cluster.actors.person import Person
from cluster.workspace import CHART, Workspace
from harness.installation import RESTRICTED
from pods.statuses import succeeded
from spectrogram_operator.cli.view import fetch


@pytest.fixture
def person(workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who does not wait long for a pod."""
    monkeypatch.setattr(fetch, "_LOOKS", 1)
    monkeypatch.setattr(fetch, "_LOOK_SECONDS", 0)
    return Person(workspace, capsys, monkeypatch)


RULES_OF_A_READER = [
    {"apiGroups": ["spectrogram.dev"], "resources": ["spectrogramjobs"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
]
"""In the job's namespace alone: what another test publishes for all is not seen."""


def finish(workspace: Workspace) -> None:
    workspace.operator().start()
    workspace.submit()
    pod = workspace.start()
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end()


def publish(workspace: Workspace, *values: str) -> None:
    """What the chart tells of the workers."""
    shown = ("--show-only=templates/worker-configmaps.yaml", *values)
    manifest = workspace.client.helm("template", "release", str(CHART), *shown)
    workspace.client.kubectl("apply", "--filename=-", input=manifest)


def test_the_pod_that_reads_meets_restricted_and_is_gone_afterwards(workspace: Workspace, person: Person) -> None:
    finish(workspace)
    workspace.api.patch("namespaces", workspace.namespace, {"metadata": {"labels": RESTRICTED}})
    publish(workspace, "--set=worker.serviceAccount.create=false")
    done = person.types("view", "fm-band")
    assert (done.code, done.output) == (75, "")
    assert "which would have read the results, does not start: " in done.errors
    assert workspace.api.list("pods", labelSelector="app.kubernetes.io/name=spectrogram-view") == []


def test_what_is_missing_is_said(workspace: Workspace, person: Person, tmp_path: Path) -> None:
    unknown = person.types("view", "fm-band")
    assert (unknown.code, unknown.errors) == (
        66,
        f"spectrogram: there is no job fm-band in the namespace {workspace.namespace}\n",
    )
    finish(workspace)
    everywhere, person.kubeconfig = person.kubeconfig, workspace.kubeconfig_with("reader", RULES_OF_A_READER)
    unpublished = person.types("view", "fm-band")
    assert (unpublished.code, unpublished.errors.count("\n")) == (69, 1)
    assert "says which image the workers have: write --image IMAGE" in unpublished.errors
    person.kubeconfig = everywhere

    (tmp_path / "spectrogram.npz").touch()
    there = person.types("view", "fm-band", "--save", str(tmp_path))
    assert (there.code, there.output) == (73, "")
    assert f"{tmp_path}/spectrogram.npz is there already: name another folder" in there.errors

    workspace.submit("waiting", suspend=True)
    workspace.wait_for_status("waiting", phase="Suspended")
    without = person.types("view", "waiting")
    assert (without.code, without.output) == (66, "")
    assert "waiting has no results: it is Suspended; `spectrogram status waiting` says more" in without.errors


def test_who_may_only_look_may_not_view(workspace: Workspace, person: Person) -> None:
    finish(workspace)
    rules = [{"apiGroups": ["spectrogram.dev"], "resources": ["spectrogramjobs"], "verbs": ["get"]}]
    person.kubeconfig = workspace.kubeconfig_with("guest", rules)
    done = person.types("view", "fm-band")
    assert (done.code, done.output, done.errors.count("\n")) == (77, "", 1)
    assert "you may not run commands in pods of the namespace" in done.errors
