"""What `pip install` brings, with each extra and with none: every program works, or says which extra it needs."""

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from spectrogram_worker.contract import ExitCode
from unit.worker import jobs

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("operator/spectrogram_operator", "worker_image/spectrogram_worker")


def needed(requirement: Requirement, found: dict[str, set[str]]) -> None:
    """Adds to `found` what pip installs for it: the names of distributions, and the extras of each."""
    name = canonicalize_name(requirement.name)
    extras = requirement.extras or {""}
    if extras <= found.setdefault(name, set()):
        return
    found[name] |= extras
    required = metadata.requires(name) or []
    if name == PROJECT["name"]:
        required = [*PROJECT["dependencies"], *(one for extra in extras for one in extra_of_ours(extra))]
    for one in map(Requirement, required):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            needed(one, found)


def extra_of_ours(name: str) -> list[str]:
    return list(PROJECT["optional-dependencies"][name]) if name else []


class Installation:
    """An environment that has the package with these extras, and nothing else."""

    def __init__(self, folder: Path, extras: str) -> None:
        self._folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        found: dict[str, set[str]] = {}
        needed(Requirement(f"{PROJECT['name']}[{extras}]" if extras else PROJECT["name"]), found)
        for package in PACKAGES:
            (packages / Path(package).name).symlink_to(ROOT / package)
        for name in found:
            self._link(metadata.distribution(name), packages)

    @staticmethod
    def _link(distribution: metadata.Distribution, packages: Path) -> None:
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not top.endswith(".pth") and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution.locate_file(top))))

    def run(self, program: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """As the script that pip makes of the entry point."""
        module, _, function = PROJECT["scripts"][program].partition(":")
        code = f"import sys; sys.argv[0] = {program!r}; from {module} import {function}; sys.exit({function}())"
        command = [str(self._folder / "bin" / "python"), "-c", code, *arguments]
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | environment
        return subprocess.run(command, env=variables, cwd=self._folder, capture_output=True, text=True)


ADVICE = "install spectrogram-operator with its extra, as in pip install '.[{}]'"
NEEDS = {
    "spectrogram": "cli",
    "kubectl-spectrogram": "cli",
    "kubectl_complete-spectrogram": "cli",
    "spectrogram-operator": "operator",
    "spectrogram-worker": "worker",
}
"""The extra that each program needs."""


def test_every_program_has_its_extra() -> None:
    assert NEEDS.keys() == PROJECT["scripts"].keys()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("bare"), "")


@pytest.mark.parametrize("program", sorted(NEEDS))
def test_without_its_extra_a_program_says_which_it_needs(bare: Installation, program: str, tmp_path: Path) -> None:
    done = bare.run(program, SPECTROGRAM_JOB=json.dumps(jobs.document(tmp_path)))
    assert done.returncode == 78
    assert "Traceback" not in done.stderr + done.stdout
    assert ADVICE.format(NEEDS[program]) in done.stderr + done.stdout


def test_the_operator_s_extra_is_enough_for_the_operator(tmp_path: Path) -> None:
    done = Installation(tmp_path / "environment", "operator").run("spectrogram-operator", "--version")
    assert (done.returncode, done.stdout) == (0, f"{metadata.version(PROJECT['name'])}\n")


def test_the_worker_s_extra_is_enough_for_the_worker(tmp_path: Path) -> None:
    document = json.dumps(jobs.document(tmp_path))
    done = Installation(tmp_path / "environment", "worker").run("spectrogram-worker", SPECTROGRAM_JOB=document)
    assert done.returncode == ExitCode.INPUT_NOT_FOUND, "all libraries are there, and the recording is not"


def test_the_extra_cli_is_enough_to_run_jobs_here_and_to_ask_a_cluster(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "environment", "cli")
    (tmp_path / "empty").mkdir()
    mounts = [f"--mount={name}={tmp_path / 'empty'}" for name in ("recordings", "results")]

    done = installation.run("spectrogram", "run", str(ROOT / "examples/spectrogramjob.yaml"), *mounts)
    assert done.returncode == ExitCode.INPUT_NOT_FOUND, done.stderr
    done = installation.run("kubectl-spectrogram", "list", KUBECONFIG=str(tmp_path / "none"))
    assert (done.returncode, "Traceback" in done.stderr) == (78, False), done.stderr
