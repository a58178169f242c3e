"""`logs`, of an API server that answers what a test says."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pods.jobs import job_body, stored
from spectrogram_operator.cli.cluster.access import Target
from spectrogram_operator.cli.commands.logs import show_log
from spectrogram_operator.cli.errors import CommandError

LINES = (
    b'{"time": "2026-11-23T12:00:01.123Z", "level": "info", "logger": "w", "message": "Job X: job_start"}\n'
    b"Traceback of something else \x1b[31m\n\n"
    b'{"time": "2026-11-23T12:00:02.000Z", "level": "warning", "message": "memory is high"}'
)
ATTEMPT = {"state": "Created", "pool": "default", "memoryBytes": 2**29}
JOB = "/apis/spectrogram.dev/v1beta1/namespaces/radio/spectrogramjobs/fm-band"
Answers = dict[str, list[tuple[int, bytes]]]


def refusal(code: int, reason: str, message: str, kind: str = "pods") -> tuple[int, bytes]:
    status = {"kind": "Status", "reason": reason, "message": message, "details": {"kind": kind}}
    return code, json.dumps(status).encode()


def job(*numbers: int, **status: Any) -> tuple[int, bytes]:
    attempts = [{**ATTEMPT, "number": number, "podName": f"fm-band-a{number}"} for number in numbers]
    return 200, json.dumps(stored(job_body(), status={"attempts": attempts, **status})).encode()


def log_of(number: int) -> str:
    return f"/api/v1/namespaces/radio/pods/fm-band-a{number}/log"


class Server:
    """Each path has its answers, one after the other; the last stays."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                waiting = server.answers[urlsplit(self.path).path]
                code, content = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(code)
                if code == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def show(server: Server, folder: Path, number: int | None = None, *, follow: bool = False, raw: bool = False) -> None:
    """`spectrogram logs fm-band` against this server; polls are as many as JOB_MAX_POLL_ATTEMPTS says."""
    content = {
        "clusters": [{"name": "lab", "cluster": {"server": f"http://127.0.0.1:{server.http.server_port}"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": "radio"}}],
        "users": [{"name": "lab", "user": {"token": "secret"}}],
        "current-context": "lab",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(content))
    target, environ = Target(kubeconfig=folder / "kubeconfig"), {"JOB_MAX_POLL_ATTEMPTS": "3"}
    show_log(target, "fm-band", number, follow=follow, raw=raw, environ=environ, sleep=lambda _: None)


def test_the_last_attempt_s_log_as_people_read_it(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = {JOB: [job(1, 2)], log_of(2): [(200, LINES)]}
    show(server, tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "12:00:01 info     Job X: job_start",
        "Traceback of something else",
        "12:00:02 warning  memory is high",
    ]
    assert server.asked[-1].endswith("?container=worker")


def test_another_attempt_s_log_as_it_is(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = {JOB: [job(1, 2)], log_of(1): [(200, LINES)]}
    show(server, tmp_path, 1, raw=True)
    assert capsys.readouterr().out.encode() == LINES + b"\n"


def test_following_waits_for_the_worker_to_start(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = refusal(400, "BadRequest", "ContainerCreating")
    server.answers = {JOB: [job(message="3 ahead"), job(1)], log_of(1): [waiting, (200, LINES)]}
    show(server, tmp_path, follow=True)
    shown = capsys.readouterr()
    assert shown.err == "fm-band has no pod yet: 3 ahead\n"
    assert len(shown.out.splitlines()) == 3
    assert server.asked[-1].endswith("?container=worker&follow=true")


def test_following_gives_up_after_so_many_looks(server: Server, tmp_path: Path) -> None:
    server.answers = {JOB: [job(message="3 ahead")]}
    with pytest.raises(CommandError, match="no pod yet: 3 ahead") as error:
        show(server, tmp_path, follow=True)
    assert (error.value.exit_code, len(server.asked)) == (75, 3)


def test_a_busy_cluster_is_asked_again_as_it_says(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = refusal(429, "TooManyRequests", "storage is (re)initializing", "spectrogramjobs")
    server.answers = {JOB: [busy, busy, job(1)], log_of(1): [(200, LINES)]}
    show(server, tmp_path)
    assert len(capsys.readouterr().out.splitlines()) == 3
    server.answers, server.asked = {JOB: [busy]}, []
    with pytest.raises(CommandError, match="try again: storage") as error:
        show(server, tmp_path)
    assert (error.value.exit_code, len(server.asked)) == (75, 5)


@pytest.mark.parametrize(
    ("answers", "number", "code", "words"),
    [
        ({JOB: [job(1)]}, 3, 2, "no attempt 3: known are 1"),
        ({JOB: [job()]}, None, 75, "has no pod yet"),
        ({JOB: [job(1)], log_of(1): [refusal(400, "BadRequest", "ContainerCreating")]}, None, 75, "not started yet"),
        ({JOB: [job(1)], log_of(1): [refusal(404, "NotFound", "no")]}, None, 66, "is gone, and its log with it"),
        (
            {JOB: [job(1)], log_of(1): [refusal(403, "Forbidden", "u cannot get")]},
            None,
            77,
            "you may not: u cannot get",
        ),
        ({JOB: [job(1)], log_of(1): [refusal(500, "InternalError", "dial tcp")]}, None, 75, "dial tcp"),
    ],
)
def test_why_there_is_no_log(
    server: Server, tmp_path: Path, answers: Answers, number: int | None, code: int, words: str
) -> None:
    server.answers = {path: list(entries) for path, entries in answers.items()}
    with pytest.raises(CommandError, match=words) as error:
        show(server, tmp_path, number)
    assert error.value.exit_code == code
    assert len(error.value.lines) == 1
