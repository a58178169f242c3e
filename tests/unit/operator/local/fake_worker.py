"""A worker whose fate is the name of its recording; run as a script. It keeps the contract and computes nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from spectrogram_worker.contract import ExitCode, Report, WorkerDocument, last_words
from spectrogram_worker.contract.report import Memory, OutputFile, Progress

document = WorkerDocument.model_validate_json(os.environ["SPECTROGRAM_JOB"])
polled = threading.Event()


def log(level: str, message: str) -> None:
    print(json.dumps({"level": level, "message": message}), flush=True)


def report(percent: float = 0.0, **changes: object) -> Report:
    return Report(
        job_uid=document.job.uid,
        attempt=document.job.attempt,
        progress=Progress(percent=percent, stage="spectrogram", columns_done=int(percent), columns_total=100),
        memory=Memory(current_bytes=2**20, peak_bytes=2**21),
    ).model_copy(update=changes)


def leave(code: ExitCode, message: str, *, partial: bool = False) -> None:
    outputs: tuple[OutputFile, ...] = ()
    if partial or code is ExitCode.DONE:
        folder = document.output_path + (".partial" if partial else "")
        Path(document.folders.output, folder).mkdir(exist_ok=True)
        Path(document.folders.output, folder, "manifest.json").write_text("{}")
        outputs = (OutputFile(path=f"{folder}/manifest.json", media_type="application/json", bytes=2, sha256="0" * 64),)
    last = report(100.0, reason=code.reason, message=message, outputs=outputs)
    Path(document.folders.termination_message).write_text(last_words(last))
    sys.exit(code)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = report(43.0).to_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        polled.set()

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def serve() -> None:
    server = HTTPServer(("127.0.0.1", document.port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("info", f"Serving progress on port {server.server_port}")


def say_ready() -> None:
    """Tell the test, by a file, that the handlers stand."""
    Path(document.folders.output, "ready").write_text(str(os.getpid()))


def wait_for_ever() -> None:
    say_ready()
    while True:
        time.sleep(0.1)  # a signal that comes just before a sleep is heard after it


def interrupted(number: int, frame: object) -> None:
    leave(ExitCode.INTERRUPTED, "interrupted by SIGTERM; 5 of 10 columns are kept", partial=True)


def allocate() -> None:
    kept = []
    while True:
        kept.append(bytes(b"x" * 2**20))


match document.input.path:
    case "success":
        log("warning", f"Job {document.job.title}: hopSize skips samples")
        leave(ExitCode.DONE, "10 of 10 columns are in job")
    case "folders":
        Path(document.folders.output, "document.json").write_text(document.model_dump_json())
        leave(ExitCode.DONE, "done")
    case "environment":
        Path(document.folders.output, "environment.json").write_text(json.dumps(dict(os.environ)))
        leave(ExitCode.DONE, "done")
    case "progress":
        serve()
        polled.wait()
        leave(ExitCode.DONE, "done")
    case "third-time":
        if document.job.attempt < 3:
            leave(ExitCode.TRANSIENT_ERROR, "the share is away")
        leave(ExitCode.DONE, "done")
    case "transient":
        leave(ExitCode.TRANSIENT_ERROR, "the share is away")
    case "memory":
        allocate()
    case "child-memory":
        if os.fork() == 0:
            allocate()
        os.wait()
        leave(ExitCode.INTERNAL_ERROR, "a child died")
    case "soft":
        leave(ExitCode.SOFT_TIME_LIMIT_EXCEEDED, "exceeded soft time limit; 5 of 10 columns are kept", partial=True)
    case "hang":
        signal.signal(signal.SIGTERM, interrupted)
        wait_for_ever()
    case "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wait_for_ever()
    case "crash":
        raise RuntimeError("no such luck")
    case "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    case "no-manifest":
        sys.exit(0)
    case "child":
        child = subprocess.Popen(["sleep", "1000"])
        Path(document.folders.output, "child").write_text(str(child.pid))
        leave(ExitCode.DONE, "done")
    case "noise":
        sys.stdout.write("x" * 500_000 + "\x1b[31mred\n" + "last line\n")
        sys.exit(3)
