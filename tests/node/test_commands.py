"""What people type while real workers run: `kubectl spectrogram`, from the first look to the results."""

import os
import subprocess
import sys
from pathlib import Path

from node.site import MEDIUM, Site
from spectrogram_operator.cli.view.fetch import MOST_LOG_BYTES


def kubectl_spectrogram(site: Site, *words: str, code: int = 0) -> str:
    """What the command prints, to its end."""
    paths = f"{Path(sys.executable).parent}:{site.client.environment['PATH']}"
    environment = {**os.environ, **site.client.environment, "PATH": paths, "JOB_POLL_INTERVAL": "1"}
    command = ["kubectl", "spectrogram", *words, f"--namespace={site.client.namespace}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_workers_logs_wait_and_status_of_a_real_worker(radio: Site) -> None:
    radio.submit("typed", **MEDIUM)
    radio.wait_for_progress("typed")
    (row,) = [line for line in kubectl_spectrogram(radio, "workers").splitlines() if line.startswith("typed ")]
    assert radio.attempt("typed").pod_name in row
    assert "/256Mi" in row

    followed = kubectl_spectrogram(radio, "logs", "typed", "--follow")
    assert followed == kubectl_spectrogram(radio, "logs", "typed")
    assert " info     Job radio/typed" in followed
    assert "memory usage at job_complete" in followed
    assert kubectl_spectrogram(radio, "logs", "typed", "--raw").startswith("{")

    assert kubectl_spectrogram(radio, "wait", "typed").startswith("typed succeeded: ")
    text = kubectl_spectrogram(radio, "status", "typed")
    assert "typed/spectrogram.png in the claim results" in text
    assert "limit 256Mi" in text


def test_view_fetches_what_a_worker_has_published(radio: Site, tmp_path: Path) -> None:
    """The picture comes through the log of the pod that reads; all results, too much for a log, through an exec."""
    radio.submit("seen", output={"formats": ["png", "npz", "zarr"]}, reduce={"columns": 700})
    radio.wait_for_end("seen")
    assert sum(output.bytes for output in radio.status("seen").outputs) > MOST_LOG_BYTES
    picture = kubectl_spectrogram(radio, "view", "seen").removeprefix("The picture is ").strip()
    assert Path(picture).read_bytes() == (radio.results("seen") / "spectrogram.png").read_bytes()

    saved = kubectl_spectrogram(radio, "view", "seen", f"--save={tmp_path}/seen").splitlines()
    assert sorted(saved) == sorted(f"{tmp_path}/seen/{path.name}" for path in radio.results("seen").iterdir())
    subprocess.run(["diff", "--recursive", radio.results("seen"), tmp_path / "seen"], check=True)
    assert radio.api.list("pods", labelSelector="app.kubernetes.io/name=spectrogram-view") == []
