"""The notes after an installation."""

import subprocess
from pathlib import Path

import yaml

from spectrogram_operator.api.spec import SpectrogramJobSpec
from unit.operator.chart.rendering import STORES, Chart


def test_the_notes_tell_where_to_put_the_first_job(chart: Chart) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", watchNamespaces=["lab", "b"])
    notes = done.stdout.partition("NOTES:")[2]
    assert "runs the SpectrogramJobs of lab, b." in notes
    assert "kubectl --namespace lab apply" in notes
    assert "store" not in notes


KUBECTL = """#!/bin/bash
printf '%s\\n' "$*" >> "$0.calls"
case "$*" in *"--filename -"*) cat > "$0.input";; esac
"""


def test_the_notes_can_be_copied_as_printed(chart: Chart, tmp_path: Path) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", watchNamespaces=["lab"])
    notes = done.stdout.partition("NOTES:")[2]
    commands, here_document = [], False
    for line in notes.splitlines():
        if here_document or line.startswith(("kubectl ", "helm --")):
            commands.append(line)
            here_document = line.endswith("<<END") or (here_document and line != "END")
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text(KUBECTL)
        (tmp_path / name).chmod(0o755)
    shell = subprocess.run(
        ["bash", "-eu"],
        input="\n".join(commands),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stderr == ""
    job = yaml.safe_load((tmp_path / "kubectl.input").read_text())
    assert SpectrogramJobSpec.model_validate(job["spec"]).output.claim_name == "results"
    calls = (tmp_path / "kubectl.calls").read_text().splitlines()
    assert [call.split()[2] for call in calls] == ["rollout", "apply", "get", "exec"]
    assert (tmp_path / "helm.calls").read_text() == "--namespace system test radio\n"


def test_the_notes_name_the_stores(chart: Chart) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", stores=STORES)
    assert (
        "Jobs may also name a store, in input.store and output.store: archive, own, shelf.\n\nSettings" in done.stdout
    )
