"""One namespace of a cluster in which an operator runs jobs: what its users do there, and what they see."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from cluster.api import Api
from harness.kubernetes.client import Client
from harness.waiting import wait_until
from pods.jobs import job_body
from spectrogram_operator.api.names import LEASE
from spectrogram_operator.api.status import Attempt, SpectrogramJobStatus

Body = dict[str, Any]
Claims = dict[str, Path]

JOB = "spectrogramjob"
POD_LABEL = "spectrogram.dev/job-uid"

# A frame per sample: a few minutes of work on any machine, yet the first column is there at once. Of its many bins a
# narrow band is kept, so that the results stay small.
LONG: Body = {
    "input": {"range": {"samples": 500_000}},
    "transform": {"fftSize": 65536, "hopSize": 1},
    "frequencyRange": {"lower": 99.99e6, "upper": 100.01e6},
}
# Some ten seconds of it: time enough to disturb it, and to wait for its end.
MEDIUM: Body = {**LONG, "input": {"range": {"samples": 78_000}}}


@dataclass(frozen=True)
class Site:
    """`client` and `api` act in the jobs' namespace, `operator` in the operator's; claims are folders of ours."""

    client: Client
    api: Api
    operator: Client
    release: str
    claims: Claims
    mine: list[str] = field(default_factory=list)

    def submit(self, name: str, **spec: Any) -> None:
        """A job that reads the recording; `spec` adds to that, one level deep."""
        self.mine.append(name)
        defaults: Body = {
            "input": {"claimName": "recordings", "path": "demo.drf"},
            "output": {"claimName": "results"},
            "resources": {"memory": "256Mi"},
        }
        merged = {**defaults, **spec}
        for part, values in defaults.items():
            merged[part] = {**values, **spec.get(part, {})}
        self.client.apply(job_body(name, **merged))

    def delete_jobs(self) -> None:
        """What was submitted here, and with it its pods."""
        if self.mine:
            self.client.kubectl("delete", JOB, "--ignore-not-found", *self.mine)

    def status(self, name: str) -> SpectrogramJobStatus:
        return SpectrogramJobStatus.model_validate((self.api.find(f"{JOB}s", name) or {}).get("status") or {})

    def wait(
        self, name: str, condition: Callable[[SpectrogramJobStatus], object], what: str, timeout: float = 300
    ) -> SpectrogramJobStatus:
        """The first status seen that fulfils the condition."""

        def fulfilled() -> SpectrogramJobStatus | None:
            status = self.status(name)
            return status if condition(status) else None

        return wait_until(fulfilled, timeout, what=f"{name}: {what}")

    def wait_for_end(self, name: str) -> SpectrogramJobStatus:
        return self.wait(name, lambda status: status.completion_time, "its end")

    def wait_for_progress(self, name: str, attempt: int = 1) -> SpectrogramJobStatus:
        """Until the status tells that columns are done."""

        def advanced(status: SpectrogramJobStatus) -> bool:
            columns = status.progress.columns_done if status.progress else 0
            assert status.completion_time is None, f"{name} ended too early: {status.message}"
            return status.attempt == attempt and columns > 0

        return self.wait(name, advanced, "progress")

    def pod(self, name: str, attempt: int = 1) -> Any:
        """The pod of this attempt."""
        return self.api.find("pods", self.attempt(name, attempt).pod_name)

    def attempt(self, name: str, number: int = 1) -> Attempt:
        return next(attempt for attempt in self.status(name).attempts if attempt.number == number)

    def results(self, name: str) -> Path:
        return self.claims["results"] / name

    def manifest(self, name: str) -> Any:
        return json.loads((self.results(name) / "manifest.json").read_text())

    @property
    def operator_log(self) -> str:
        return self.operator.kubectl("logs", self.operator_pod()["metadata"]["name"], "--tail=-1")

    def operator_pod(self) -> Any:
        """The operator's pod that acts, of several: the one that holds the lease, and is not on its way out."""

        def found() -> Any:
            lease = self.client.find("lease", LEASE)
            holder = (lease or {}).get("spec", {}).get("holderIdentity", "").partition(":")[0]
            pod = self.operator.find("pod", holder) if holder else None
            return pod if pod and "deletionTimestamp" not in pod["metadata"] else None

        return wait_until(found, what="the operator's pod that acts")

    def evidence(self) -> Iterator[tuple[str, str]]:
        """What one wants to see when a test has failed."""
        yield "jobs", self.client.kubectl("get", JOB, "--output=wide")
        yield "pods", self.client.kubectl("get", "pods", "--output=wide")
        yield "events", self.client.kubectl("get", "events", "--sort-by=.metadata.creationTimestamp")
        logs = ("logs", f"--selector={POD_LABEL}", "--prefix", "--tail=15", "--max-log-requests=50", "--ignore-errors")
        yield "logs of the workers", self.client.kubectl(*logs)
        yield "log of the operator", self.operator_log[-20_000:]


def in_background(client: Client, *arguments: str) -> "subprocess.Popen[bytes]":
    """kubectl, beside the test; whoever starts it kills it."""
    command = ["kubectl", f"--namespace={client.namespace}", *arguments]
    environment = {**os.environ, **client.environment}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def worker_process(pod: Mapping[str, Any]) -> int:
    """The worker of this pod, as a process of this machine."""

    def found() -> int | None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                mine = pod["metadata"]["uid"] in (folder / "cgroup").read_text()
                if mine and b"spectrogram-worker" in (folder / "cmdline").read_bytes():
                    return int(folder.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return None

    return wait_until(found, what="the worker's process")


def stop(pod: Mapping[str, Any]) -> None:
    """The worker stands still, as one does whose storage no longer answers: it reacts to nothing but a kill."""
    os.kill(worker_process(pod), signal.SIGSTOP)


def metrics_address(site: Site) -> str:
    """Where the operator's Service is scraped."""
    service = site.operator.find("service", f"{site.release}-metrics")["spec"]
    return f"{service['clusterIP']}:{service['ports'][0]['port']}"


def metric(site: Site, name: str, **labels: str) -> float:
    """What Prometheus would find at the operator that acts: the one sample with these labels."""
    with urllib.request.urlopen(f"http://{site.operator_pod()['status']['podIP']}:9090/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples]
    (value,) = [sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)]
    return value
