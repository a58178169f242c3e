"""The command line: help, version, wrong usage, what is completed; and an operator that cannot start."""

import socket
from pathlib import Path

import pytest

from harness.ports import free_port
from spectrogram_worker.contract import ExitCode
from unit.operator.cli.command_line import REAL, finish, spectrogram


def test_help_answers_without_what_only_a_run_needs() -> None:
    done = spectrogram("run", "--help")
    assert done.returncode == 0
    for code in ExitCode:
        assert f" {code.value}  " in done.stdout or code is ExitCode.REROUTE_LARGE
    program = (
        "import sys; sys.argv = ['spectrogram', '--help']\n"
        "from spectrogram_operator.cli.main import main\n"
        "try: main()\nexcept SystemExit: print([m for m in ('numpy', 'kopf', 'rich', 'yaml') if m in sys.modules])"
    )
    assert finish((REAL[0], "-c", program)).stdout.splitlines()[-1] == "[]"


def test_a_run_needs_no_cluster_s_libraries() -> None:
    program = (
        "import sys, spectrogram_operator.cli.without_cluster.run\n"
        "print({'kopf', 'kubernetes', 'numpy'} & set(sys.modules))"
    )
    assert finish((REAL[0], "-c", program)).stdout.strip() == "set()"


@pytest.mark.parametrize("words", ["version", "--version"])
def test_version(words: str) -> None:
    done = spectrogram(words)
    assert (done.returncode, done.stdout) == (0, "0.1.0\n")


@pytest.mark.parametrize("arguments", [("run",), ("walk",), ("run", "a", "b"), ("run", "a", "--no-such")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = spectrogram(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_plugin_says_how_it_is_completed_and_prints_no_completion_of_its_own() -> None:
    for option in ("--show-completion", "--install-completion"):
        done = finish((Path(REAL[0]).parent / "kubectl-spectrogram", option))
        assert done.returncode == 0
        assert "kubectl_complete-spectrogram is on the PATH" in done.stdout
        assert "complete -" not in done.stdout


def complete(*words: str, **environment: str) -> list[str]:
    """What kubectl would be told to offer."""
    done = finish((Path(REAL[0]).parent / "kubectl_complete-spectrogram", *words), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["cl"], ["cleanup", ":4"]),
        (["cleanup", ""], ["zombies", "stale", ":4"]),
        (["list", "-o", ""], ["wide", "json", "yaml", "name", ":4"]),
        (["list", "--sel"], ["--selector", ":4"]),
        (["submit", ""], [":0"]),
        (["list", "--kubeconfig", ""], [":0"]),
        (["status", ""], [":4"]),
        (["status", "it's; $(exit 3)"], [":4"]),
        (["list", "--context", ""], ["here", "there", ":4"]),
        (["list", "--context", "t"], ["there", ":4"]),
        (["list", "--namespace", ""], [":4"]),
    ],
)
def test_what_is_completed_without_a_cluster(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("contexts: [{name: there}, {name: here}]\n")
    assert complete(*words, KUBECONFIG=str(kubeconfig)) == offered


def operator_alone(folder: Path, **environment: str) -> tuple[int, list[str]]:
    """How an operator without a cluster ends: its exit code, and what it says beside its log."""
    ports = {f"SPECTROGRAM_{name}_PORT": str(free_port()) for name in ("HEALTH", "METRICS")}
    surroundings = {"HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    done = finish((REAL[0], "-m", "spectrogram_operator"), **surroundings, **ports | environment)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("content", [None, b"a:\n\tb: 1\n"])
def test_an_operator_without_a_cluster_says_so_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "kubeconfig").write_bytes(content)
    code, lines = operator_alone(tmp_path)
    assert (code, len(lines)) == (78, 1)
    assert lines[0].startswith(
        "spectrogram-operator: no cluster is named: run it in a pod of the cluster, or set KUBECONFIG ("
    )


@pytest.mark.parametrize("variable", ["SPECTROGRAM_HEALTH_PORT", "SPECTROGRAM_METRICS_PORT"])
def test_an_operator_whose_port_is_taken_names_the_setting_in_one_line(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = f"spectrogram-operator: {variable}={port}: Address already in use: choose another port"
        assert operator_alone(tmp_path, **{variable: port}) == (78, [said])
