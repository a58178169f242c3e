"""From a worker that is killed to whoever is on duty: operator, Prometheus, rule, Alertmanager, webhook, all real."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from cluster.conftest import CHART
from cluster.workspace import Workspace
from harness.prometheus import ON_DEBIAN, Alertmanager, Prometheus, Target
from harness.waiting import wait_until
from pods.statuses import oom_killed

ALERT = "SpectrogramJobsOOMKilled"
Alert = dict[str, Any]


@contextmanager
def on_duty() -> Iterator[tuple[str, list[Alert]]]:
    """Where somebody listens, and the alerts that came."""
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


def rules_of_the_chart(workspace: Workspace, folder: Path) -> Path:
    """As an installation has them."""
    rendered = workspace.client.helm(
        "template",
        "spectrogram",
        str(CHART),
        "--set=prometheusRule.enabled=true,prometheusRule.runbookUrl=https://wiki.example.org/radio",
        "--api-versions=monitoring.coreos.com/v1",
        "--show-only=templates/prometheusrule.yaml",
    )
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(rendered)["spec"]))
    return path


@ON_DEBIAN
def test_a_worker_that_is_killed_for_its_memory_is_told_to_whoever_is_on_duty(
    workspace: Workspace, tmp_path: Path
) -> None:
    operator = workspace.operator().start()
    operator.wait_until_ready()
    rules, target = rules_of_the_chart(workspace, tmp_path), Target(f"127.0.0.1:{operator.metrics_port}")
    with (
        on_duty() as (webhook, heard),
        Alertmanager(tmp_path / "alertmanager", webhook) as alertmanager,
        Prometheus(tmp_path / "prometheus", [target], [rules], alertmanager.address) as prometheus,
    ):
        kills = f'spectrogram_zombie_jobs_total{{namespace="{workspace.namespace}",reason="OOMKilled"}}'
        wait_until(lambda: prometheus.query(f"{kills} == 0"), what="the first scrape")
        workspace.submit()
        workspace.play(workspace.start(), oom_killed())
        assert workspace.wait_for_end().reason == "OOMKilled"
        wait_until(lambda: prometheus.query(f"{kills} == 1"), what="the kill in Prometheus")
        wait_until(lambda: heard, what="the alert")
    for alert in heard:
        assert (alert["status"], alert["labels"]) == (
            "firing",
            {"alertname": ALERT, "namespace": workspace.namespace, "severity": "warning"},
        )
        said = alert["annotations"]
        assert said["summary"] == f"The kernel has killed workers for their memory in {workspace.namespace}."
        assert said["runbook_url"] == f"https://wiki.example.org/radio/{ALERT}.md"
    print("\n".join(json.dumps(alert, indent=1) for alert in heard))
