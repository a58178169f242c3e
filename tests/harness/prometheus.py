"""A real Prometheus, and a real Alertmanager, on this machine: what they scrape, evaluate and send."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import yaml

from harness.ports import free_port
from harness.programs import debian
from harness.programs.program import Program
from harness.waiting import HarnessError

ON_DEBIAN = pytest.mark.skipif(not debian.HERE, reason="no Debian to take Prometheus from")


class Target(NamedTuple):
    """What to scrape: host:port, and the labels that its monitor would give it."""

    address: str
    labels: Mapping[str, str] = {}


class _Server:
    """A program that answers on one port; it runs while the context lasts."""

    def __init__(self, name: str, folder: Path, ready: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._name = name
        self._ready_path = ready
        folder.mkdir()

    def _command(self) -> list[str | Path]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._program = Program(self._name, self._command(), self._folder / "log")
        self._program.start()
        self._program.wait_until(self._ready, what=f"{self._name} to be ready")
        return self

    def __exit__(self, *exception: object) -> None:
        self._program.kill()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}{self._ready_path}") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Prometheus(_Server):
    """Scrapes the targets each second, as the chart's ServiceMonitor says: their own labels are kept."""

    def __init__(
        self, folder: Path, targets: Sequence[Target], rules: Sequence[Path] = (), alertmanager: str = ""
    ) -> None:
        super().__init__("prometheus", folder, "/-/ready")
        static = [{"targets": [target.address], "labels": dict(target.labels)} for target in targets]
        scrape = {"job_name": "spectrogram", "honor_labels": True, "static_configs": static}
        document: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [scrape],
            "rule_files": [str(rule) for rule in rules],
        }
        if alertmanager:
            document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(document))

    def _command(self) -> list[str | Path]:
        return [
            debian.prometheus(),
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now: `metric` and `value` of each. Raises HarnessError for one that is wrong."""
        return self._ask("query", query=expression)["result"]  # type: ignore[no-any-return]

    def label_values(self, label: str, series: str) -> list[str]:
        """What a dashboard's variable offers."""
        return self._ask(f"label/{label}/values", **{"match[]": series})  # type: ignore[no-any-return]

    def _ask(self, path: str, **query: str) -> Any:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise HarnessError(f"{query}: {error.read().decode()}") from error


class Alertmanager(_Server):
    """Sends each alert to the address `webhook`, at once."""

    def __init__(self, folder: Path, webhook: str) -> None:
        super().__init__("alertmanager", folder, "/-/ready")
        route = {"receiver": "people", "group_by": ["alertname", "namespace"], "group_wait": "0s"}
        receiver = {"name": "people", "webhook_configs": [{"url": webhook}]}
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))

    def _command(self) -> list[str | Path]:
        return [
            *debian.alertmanager(),
            f"--config.file={self._folder / 'alertmanager.yaml'}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]
