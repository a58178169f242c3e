"""The three programs of `helm test` fit each other: on this machine, with an API server that runs jobs at once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from unit.operator.chart.rendering import CHART
from unit.operator.cli.command_line import REAL, finish

PROGRAMS = CHART / "files" / "test"
PATH = "/apis/spectrogram.dev/v1beta1/namespaces/lab/spectrogramjobs"


def run(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program with the claim, and the account, in this folder."""
    program = (PROGRAMS / f"{name}.py").read_text()
    for place in ("/data/", "/var/run/secrets/"):
        program = program.replace(f'"{place}', f'"{folder}{place}')
    program = program.replace("https://", "http://")
    return subprocess.run([sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True)


class Jobs(BaseHTTPRequestHandler):
    """Jobs of one namespace; a new one succeeds when it is asked for the second time."""

    stored: dict[str, Any]
    asked: int
    phase: str
    submitted: Callable[[Any], None]

    def do_GET(self) -> None:
        job = self.stored.get(self.path)
        if job:
            type(self).asked += 1
            job["status"] = {"phase": "Running", "reason": "PodRunning"}
            if self.asked > 1:
                job["status"] = {"phase": self.phase, "completionTime": "2026-11-29T10:00:00Z"}
        self._answer(job)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).submitted(body)
        self.stored[f"{self.path}/{body['metadata']['name']}"] = body
        self._answer(body)

    def do_DELETE(self) -> None:
        self._answer(self.stored.pop(self.path, None))

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Jobs.stored, Jobs.asked, Jobs.phase, Jobs.submitted = {}, 0, "Succeeded", lambda body: None
    with ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def place(tmp_path: Path, server: ThreadingHTTPServer) -> dict[str, str]:
    """The environment of the program that submits the job; the claim is in the same folder."""
    (tmp_path / "data").mkdir()
    account = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text("token")
    trustme.CA().cert_pem.write_to_path(account / "ca.crt")
    port = str(server.server_address[1])
    names = {"NAME": "spectrogram-test", "NAMESPACE": "lab", "CLAIM": "scratch"}
    return names | {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}


def test_what_the_parts_do_fits_and_leaves_nothing(tmp_path: Path, place: dict[str, str]) -> None:
    assert run("input", tmp_path).stdout.startswith("wrote")
    job = f"{PATH}/spectrogram-test"
    Jobs.stored[job] = {"metadata": {"name": "spectrogram-test"}}  # of an earlier test

    done: list[subprocess.CompletedProcess[str]] = []

    def compute(job: Any) -> None:
        file = tmp_path / "job.yaml"
        file.write_text(yaml.safe_dump(job))
        done.append(finish([*REAL, "run", str(file), "--mount", f"scratch={tmp_path}/data"]))

    Jobs.submitted = compute
    told = run("job", tmp_path, **place)
    assert [one.returncode for one in done] == [0], done
    assert "hopSize" not in done[0].stdout, "a warning"
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == ["Running PodRunning", "Succeeded"]
    assert Jobs.stored == {}

    told = run("results", tmp_path)
    assert told.returncode == 0, told.stderr
    assert "spectrogram.png" in told.stdout
    assert list((tmp_path / "data").iterdir()) == []


def test_a_job_that_fails_is_told_and_stays(tmp_path: Path, place: dict[str, str]) -> None:
    Jobs.phase = "Failed"
    told = run("job", tmp_path, **place)
    assert told.returncode == 1
    assert "look at it: kubectl --namespace lab get spectrogramjob spectrogram-test" in told.stderr
    assert list(Jobs.stored) == [f"{PATH}/spectrogram-test"]


def test_results_that_are_not_what_their_manifest_says_fail(tmp_path: Path) -> None:
    results = tmp_path / "data/spectrogram-test/results"
    results.mkdir(parents=True)
    (results / "spectrogram.png").write_bytes(b"changed")
    output = {"path": "spectrogram.png", "sha256": "0" * 64}
    (results / "manifest.json").write_text(json.dumps({"complete": True, "reason": "Completed", "outputs": [output]}))
    told = run("results", tmp_path)
    assert (told.returncode, told.stderr) == (1, "spectrogram.png is not what its manifest says\n")
