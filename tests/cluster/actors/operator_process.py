"""The operator as a real process: its own ports, short intervals, the rights of its Role and no others."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ports import free_port
from harness.programs.program import end_with_parent
from harness.waiting import wait_until

# Short enough for tests. What is measured in whole seconds (the clock of the API server) stays at one or more. The
# sweep keeps its 120 s: what is seen must come from events and from the operator's own timers.
FAST = {
    "SPECTROGRAM_MISSING_GRACE": "1",
    "SPECTROGRAM_POLL_INTERVAL": "1",
    "SPECTROGRAM_STATUS_INTERVAL": "1",
    "SPECTROGRAM_BACKOFF": "1",
    "SPECTROGRAM_REFUSAL_WAIT": "1",
}


class Operator:
    """One process of the operator; `main` is the module that it runs."""

    def __init__(
        self,
        kubeconfig: Path,
        namespaces: Sequence[str],
        log: Path,
        settings: Mapping[str, str],
        main: str = "spectrogram_operator",
    ) -> None:
        self.log = log
        self.health_port, self.metrics_port = free_port(), free_port()
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SPECTROGRAM", "CELERY", "JOB_"))
            },
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
            "KUBECONFIG": str(kubeconfig),
            "SPECTROGRAM_NAMESPACES": ",".join(namespaces),
            "SPECTROGRAM_HEALTH_PORT": str(self.health_port),
            "SPECTROGRAM_METRICS_PORT": str(self.metrics_port),
            **FAST,
            **settings,
        }
        self.main = main
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Operator":
        assert self._process is None
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.main],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        return self

    def stop(self) -> int:
        """As Kubernetes ends it: SIGTERM. Returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a node that loses power ends it."""
        self._end(signal.SIGKILL)

    def wait(self, timeout: float = 120) -> int:
        """Until it ends by itself; returns its exit code."""
        assert self._process is not None
        code = self._process.wait(timeout)
        self._process = None
        return code

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Until /readyz says so."""
        wait_until(self._ready, what="an operator that is ready")

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log.read_text(), what=f"{text!r} in the operator's log")

    def complaints(self) -> list[str]:
        """What it logged as an error: none of these may happen in a test that does not provoke them."""
        return [line for line in self.log.read_text().splitlines() if _is_error(line)]

    def tail(self, lines: int = 60) -> str:
        """The end of its log, without the line that each sweep writes."""
        log = self.log.read_text() if self.log.exists() else ""
        return "\n".join([line for line in log.splitlines() if "jobs for zombie detection" not in line][-lines:])

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        return self.wait()


def _is_error(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return bool(line.strip())
    # A status or a pod that the API server finds invalid is never right, although the operator takes it calmly.
    return entry["level"] in ("error", "critical") or " 422 Invalid" in entry["message"]
