"""Jobs that all start at once: their rate, the operator's CPU time and the writes per job, beside native Jobs."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.cluster import JOBS, NATIVE, Bench, cpu_seconds, in_threads

from cluster.api import Api, Body
from harness.waiting import wait_until
from pods.jobs import job_body
from spectrogram_operator.api.names import API_VERSION

PATIENCE = 1800.0
FEW = 50
"""So many jobs wait for nothing, on any machine."""
Row = tuple[str, str, str]
"""What is measured, the operator's figure, the yardstick's."""


@dataclass(frozen=True)
class Completion:
    """Of jobs that were submitted at once: seconds to the last one's end, CPU seconds of operator and kopf, writes."""

    jobs: int
    seconds: float
    cpu: float
    writes: Counter[str]
    kopf: float = 0.0
    pod: Body = field(default_factory=dict)
    """Of these jobs, what is asked of one of their pods."""

    @property
    def rate(self) -> str:
        """In words."""
        return f"{self.jobs / self.seconds:.1f} jobs/s"

    @property
    def writes_per_job(self) -> str:
        """All of them, then each kind that is not rare."""
        kinds = [
            f"{count / self.jobs:.1f} {what}" for what, count in self.writes.most_common() if count > self.jobs / 20
        ]
        return f"{self.writes.total() / self.jobs:.1f} ({', '.join(kinds)})"


def rows(bench: Bench, counts: list[int], wanted: list[str]) -> Iterator[Row]:
    """The rows `rate`, `cpu` and `writes`. Native Jobs are measured in the number of the last but the longest run.

    kopf alone watches beside the operator in the first run that is not the one whose rate is measured.
    """
    if "writes" in wanted:
        few = min(FEW, *counts)
        yield (
            f"writes per job, {few} jobs that start at once, events included",
            spectrogram_jobs(bench, few).writes_per_job,
            f"native Jobs: {native_jobs(bench, few).writes_per_job}",
        )
    for count in counts if {"rate", "cpu"} & set(wanted) else []:
        ours = spectrogram_jobs(bench, count, beside_kopf=count == min(counts) < max(counts))
        if "cpu" in wanted:
            kopf = f"kopf with one event handler: {1000 * ours.kopf / count:.1f} ms" if ours.kopf else "–"
            yield f"CPU per job, {count} jobs at once", f"{1000 * ours.cpu / count:.1f} ms", kopf
        if count != min(1000, max(counts)) or "rate" not in wanted:
            continue
        least, same = native_jobs(bench, count), native_jobs(bench, count, ours.pod)
        rates = f"native Jobs: {least.rate}, with the same pods {same.rate}"
        yield f"{count} jobs at once, to completion", ours.rate, rates
        yield "writes per job of that run", ours.writes_per_job, f"native Jobs: {least.writes_per_job}"


def spectrogram_jobs(bench: Bench, count: int, *, beside_kopf: bool = False) -> Completion:
    """Submit so many to an operator that has slots for all."""
    with ExitStack() as stack:
        workspace = stack.enter_context(bench.namespace())
        operator = stack.enter_context(bench.operator(workspace, slots=count))
        kopf = stack.enter_context(bench.bare_kopf(workspace)) if beside_kopf else None
        api, namespace = workspace.api, workspace.namespace
        operator.wait_until_ready()
        kopf_before = cpu_seconds(kopf) if kopf else 0.0
        before, began = operator.cpu, time.perf_counter()
        in_threads(api, count, lambda api, number: api.create(JOBS, job_body(f"job-{number}")))

        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{JOBS}"
        _wait_for_ends(api, path, f"job-{count - 1}", count)
        seconds = time.perf_counter() - began
        kopf_cpu = cpu_seconds(kopf) - kopf_before if kopf else 0.0
        written, pod = bench.writes(workspace.user, namespace), asked(api.list("pods", limit="1")[0])
        return Completion(count, seconds, operator.cpu - before, written, kopf_cpu, pod)


def native_jobs(bench: Bench, count: int, pod: Body | None = None) -> Completion:
    """The same number of Jobs of the control plane's own controller, with these pods, else with the least that run.

    Nothing tells its CPU time apart.
    """
    with bench.namespace() as workspace:
        api, namespace = workspace.api, workspace.namespace
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        began = time.perf_counter()
        in_threads(api, count, lambda api, number: api.request("POST", path, native_job(number, pod)))

        _wait_for_ends(api, path, f"native-{count - 1}", count)
        return Completion(count, time.perf_counter() - began, 0.0, bench.writes(NATIVE, namespace))


def _wait_for_ends(api: Api, path: str, last: str, count: int) -> None:
    """Until all have ended. Only once the last one has are all of them listed: lists cost the API server as much."""

    def ended(job: Body) -> bool:
        return "completionTime" in job.get("status", {})

    wait_until(lambda: ended(api.request("GET", f"{path}/{last}")), PATIENCE, what=f"the end of {last}", interval=0.5)
    wait_until(
        lambda: sum(map(ended, api.request("GET", path)["items"])) == count,
        PATIENCE,
        what="the end of all",
        interval=2,
    )


def native_job(number: int, pod: Body | None = None) -> Body:
    """One pod, tried once, on the node where pods succeed."""
    requests = {"cpu": "10m", "memory": "16Mi"}
    least = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "nodeSelector": {"node": "played"},
        "containers": [{"name": "worker", "image": "image", "resources": {"requests": requests}}],
    }
    metadata = {"name": f"native-{number}"}
    return {"metadata": metadata, "spec": {"backoffLimit": 0, "template": pod or {"spec": least}}}


def asked(pod: Body) -> Body:
    """A pod as whoever created it asked for it: without its name, and without what the API server has added."""
    added = ("nodeName", "tolerations", "priority", "preemptionPolicy", "serviceAccount")
    labels = {"labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"]}
    return {"metadata": labels, "spec": {name: value for name, value in pod["spec"].items() if name not in added}}
