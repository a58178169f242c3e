"""The command line: help, version, wrong usage, and the texts that only a terminal shows."""

import io
import re
import socket
from pathlib import Path

import pytest
from rich.console import Console

from harness.ports import free_port
from spectrogram_operator.api.status import JobMemory, JobProgress, Phase, SpectrogramJobStatus
from spectrogram_operator.cli.display import BarDisplay, LineDisplay, open_display
from spectrogram_operator.cli.endings import ending, exit_code
from spectrogram_operator.cli.summary import print_summary
from spectrogram_operator.cli.units import duration, plural, with_prefix
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import Dataset
from unit.operator.cli.commands import REAL, finish, spectrogram


def running(percent: float, **changes: object) -> SpectrogramJobStatus:
    """The status of a job that runs."""
    progress = JobProgress(percent=percent, stage="spectrogram", samples_per_second=12e6, eta_seconds=83)
    memory = JobMemory(text="123Mi/1Gi")
    status = SpectrogramJobStatus(phase=Phase.RUNNING, attempt=1, progress=progress, memory=memory)
    return status.model_copy(update=changes)


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
    program = "import sys, spectrogram_operator.cli.run; print({'kopf', 'kubernetes', 'numpy'} & set(sys.modules))"
    assert finish((REAL[0], "-c", program)).stdout.strip() == "set()"


@pytest.mark.parametrize("words", ["version", "--version"])
def test_version(words: str) -> None:
    done = spectrogram(words)
    assert (done.returncode, done.stdout) == (0, "0.1.0\n")


@pytest.mark.parametrize("arguments", [("run",), ("walk",), ("run", "a", "b"), ("run", "a", "--no-such")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = spectrogram(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_bar_shows_percent_stage_rate_time_left_and_memory() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    display = open_display(console, "fm-band")
    assert isinstance(display, BarDisplay)
    with display:
        display.update(running(43))
        display.note("warning: [red]memory[/red] is high")
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for words in ("fm-band", "43 %", "spectrogram", "12 MS/s", "1 min 23 s left", "memory 123Mi/1Gi", "[red]memory"):
        assert words in shown


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_the_bar_is_one_line_and_memory_comes_first(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with open_display(console, "fm-band") as display:
        display.update(running(43))
    assert isinstance(console.file, io.StringIO)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", console.file.getvalue()).splitlines()
    last = [line.strip() for line in lines if line.strip()][-1]
    assert last[2:].startswith("fm-band ━━━━        43 % spectrogram memory 123Mi/1Gi  1")
    assert len(last) <= width


def test_without_a_terminal_there_is_a_line_for_each_tenth() -> None:
    console = Console(file=io.StringIO(), width=80)
    display = open_display(console, "fm-band")
    assert isinstance(display, LineDisplay)
    with display:
        for percent in (0.0, 3.0, 43.0, 44.0, 99.0):
            display.update(running(percent))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[1] == "fm-band: spectrogram, 43 %, 12 MS/s, 1 min 23 s left, memory 123Mi/1Gi"
    assert [line.split(",")[1] for line in lines] == [" 0 %", " 43 %", " 99 %"]


@pytest.mark.parametrize("code", list(ExitCode))
def test_each_reason_of_the_worker_has_its_code(code: ExitCode) -> None:
    assert exit_code(SpectrogramJobStatus(phase=Phase.FAILED, reason=code.reason)) == code


def test_other_ends_have_a_code_too() -> None:
    assert exit_code(SpectrogramJobStatus(phase=Phase.FAILED, reason="OOMKilled")) == 1
    assert exit_code(SpectrogramJobStatus(phase=Phase.CANCELLED, reason="Cancelled")) == 85
    failed = SpectrogramJobStatus(phase=Phase.FAILED, reason="InvalidSpec", message="say it otherwise")
    assert ending("fm-band", failed, "") == "fm-band failed, InvalidSpec: say it otherwise"


def test_units() -> None:
    assert [with_prefix(value, "Hz") for value in (0, 12, 2.4e6, 1e9)] == ["0 Hz", "12 Hz", "2.4 MHz", "1 GHz"]
    assert [duration(seconds) for seconds in (0.04, 59.94, 125, 3780)] == ["0.0 s", "59.9 s", "2 min 5 s", "1 h 3 min"]
    assert [plural(count, "gap") for count in (0, 1, 2)] == ["0 gaps", "1 gap", "2 gaps"]


def test_the_summary_says_what_is_missing_and_what_was_overdriven() -> None:
    text = io.StringIO()
    dataset = Dataset(samples=1000, gaps=2, missing_samples=30, samples_at_full_scale=1)
    print_summary(Console(file=text), SpectrogramJobStatus(phase=Phase.SUCCEEDED, dataset=dataset), "fm", str)
    assert "1000 samples, 2 gaps (30 samples missing), 1 sample at full scale\n" in text.getvalue()


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
