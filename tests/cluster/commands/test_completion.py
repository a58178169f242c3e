"""What a shell offers after `kubectl spectrogram`: by the real kubectl, of a real cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.conftest import opened
from cluster.workspace import Workspace
from harness.kubernetes.control_plane import ApiServer
from pods.jobs import job_body


@pytest.fixture(scope="module")
def place(control_plane: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with opened(Workspace(control_plane, tmp_path_factory.mktemp("completion"), [])) as workspace:
        for name in ("fm-band", "fm-night", "survey"):
            workspace.api.create("spectrogramjobs", job_body(name))
        yield workspace


def kubectl_offers(place: Workspace, *words: str) -> list[str]:
    """The words that kubectl's own completion shows for `kubectl spectrogram WORDS`, and its directive."""
    environment = {**os.environ, **place.client.environment}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = ["kubectl", "__complete", "spectrogram", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_commands(place: Workspace) -> None:
    assert kubectl_offers(place, "w") == ["wait", "workers", ":4"]


def test_jobs_of_the_namespace(place: Workspace) -> None:
    namespace = f"--namespace={place.namespace}"
    assert kubectl_offers(place, "status", namespace, "") == ["fm-band", "fm-night", "survey", ":4"]
    assert kubectl_offers(place, "status", "-n", place.namespace, "fm-") == ["fm-band", "fm-night", ":4"]
    assert kubectl_offers(place, "cancel", namespace, "fm-band", "fm") == ["fm-night", ":4"]
    assert kubectl_offers(place, "wait", namespace, "s") == ["survey", ":4"]


def test_namespaces(place: Workspace) -> None:
    assert kubectl_offers(place, "list", "--namespace", place.namespace[:-1]) == [place.namespace, ":4"]


def test_shells_complete_the_command_itself_too(place: Workspace) -> None:
    environment = {**os.environ, **place.client.environment, "_SPECTROGRAM_COMPLETE": "complete_bash"}
    words = f"spectrogram status --namespace {place.namespace} fm-"
    environment |= {"COMP_WORDS": words, "COMP_CWORD": "4"}
    command = Path(sys.executable).parent / "spectrogram"
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["fm-band", "fm-night"]
