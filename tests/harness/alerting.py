"""From a metric to whoever is on duty: Prometheus, the chart's rules, Alertmanager and a webhook, all real."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from harness.installation import CHART
from harness.kubernetes.client import Client
from harness.prometheus import Alertmanager, Prometheus, Target

RUNBOOKS = "https://wiki.example.org/radio"
Alert = dict[str, Any]


@contextmanager
def alerting(client: Client, folder: Path, target: Target) -> Iterator[tuple[Prometheus, list[Alert]]]:
    """A Prometheus that scrapes `target`, and the alerts that came to whoever is on duty."""
    rules = _rules_of_the_chart(client, folder)
    with (
        _on_duty() as (webhook, heard),
        Alertmanager(folder / "alertmanager", webhook) as alertmanager,
        Prometheus(folder / "prometheus", [target], [rules], alertmanager.address) as prometheus,
    ):
        yield prometheus, heard


@contextmanager
def _on_duty() -> Iterator[tuple[str, list[Alert]]]:
    heard: list[Alert] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="on duty")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _rules_of_the_chart(client: Client, folder: Path) -> Path:
    """As an installation has them."""
    rendered = client.helm(
        "template",
        "spectrogram",
        str(CHART),
        f"--set=prometheusRule.enabled=true,prometheusRule.runbookUrl={RUNBOOKS}",
        "--api-versions=monitoring.coreos.com/v1",
        "--show-only=templates/prometheusrule.yaml",
    )
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(rendered)["spec"]))
    return path


def kills_in(namespace: str) -> str:
    """The series that counts workers which the kernel killed for their memory."""
    return f'spectrogram_zombie_jobs_total{{namespace="{namespace}",reason="OOMKilled"}}'


def check_told_of_a_kill(heard: list[Alert], namespace: str) -> None:
    """That these alerts are the one for workers that the kernel killed, and say where to read on."""
    alert = "SpectrogramJobsOOMKilled"
    labels = {"alertname": alert, "namespace": namespace, "severity": "warning"}
    assert {json.dumps([one["status"], one["labels"]]) for one in heard} == {json.dumps(["firing", labels])}
    said = heard[0]["annotations"]
    assert said["summary"] == f"The kernel has killed workers for their memory in {namespace}."
    assert said["runbook_url"] == f"{RUNBOOKS}/{alert}.md"
