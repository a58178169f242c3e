"""Many jobs that are there: a start with finished ones, and what the probes answer."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

from benchmarks.cluster import JOBS, Bench, Operator, in_threads
from benchmarks.rates import PATIENCE, Row

from cluster.api import Api
from cluster.workspace import Workspace
from harness.waiting import wait_until
from pods.jobs import job_body

MEBIBYTE = 1 << 20


def finished_jobs(bench: Bench, counts: list[int]) -> Iterator[Row]:
    """A start with so many finished jobs: the time to a new job's pod, and the memory of each finished job."""
    for count in counts:
        with bench.namespace() as workspace:
            finish(bench, workspace, count)
            began = time.perf_counter()
            workspace.api.list(JOBS)
            listed = time.perf_counter() - began
            began = time.perf_counter()
            workspace.submit("new")
            with bench.operator(workspace) as operator, Prober(operator, "/healthz", "/readyz") as prober:
                taken = _seconds_to_pod(workspace, "new", began)
                prober.stop()
                memory = operator.memory / MEBIBYTE
            pod = f"no pod in {-taken:.0f} s" if taken < 0 else f"a new job's pod after {taken:.1f} s"
            yield f"started with {count} finished jobs", f"{pod}; {prober.summary}", f"one LIST: {listed:.2f} s"
            yield f"memory with {count} finished jobs", f"{memory:.0f} MiB", "–"


class Prober:
    """Asks the operator's probes once a second in a thread, as a kubelet would, and waits a second for each answer."""

    def __init__(self, operator: Operator, *paths: str) -> None:
        self._operator = operator
        self._answers: dict[str, list[tuple[int, float]]] = {path: [] for path in paths}
        self._stop = Event()
        self._thread = Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join()

    @property
    def summary(self) -> str:
        """For each path: how many were answered with 200, the first of them, and the longest wait."""
        return "; ".join(_summary(path, answers) for path, answers in self._answers.items() if answers)

    def _ask(self) -> None:
        while not self._stop.wait(1.0):
            for path, answers in self._answers.items():
                answers.append(self._operator.answer(path, timeout=1.0))


def _summary(path: str, answers: list[tuple[int, float]]) -> str:
    if all(status == 404 for status, _ in answers):
        return f"no {path}"
    good = [seconds for status, seconds in answers if status == 200]
    first = next((f", from second {number} on" for number, (status, _) in enumerate(answers, 1) if status == 200), "")
    return f"{path} 200 {len(good)} of {len(answers)} times{first}, slowest {max(good, default=0.0):.2f} s"


def finish(bench: Bench, workspace: Workspace, count: int) -> None:
    """So many jobs with the status that the operator wrote for one, whose pods are gone."""
    with bench.operator(workspace) as operator:
        operator.wait_until_ready()
        workspace.submit("first")
        status = _status_at_end(workspace, "first")

    def finished(api: Api, number: int) -> None:
        created = api.create(JOBS, job_body(f"job-{number}"))
        api.replace(JOBS, {**created, "status": status}, subresource="status")

    in_threads(workspace.api, count, finished)


def _status_at_end(workspace: Workspace, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = workspace.job(name).get("status", {})
        return status if "completionTime" in status else None

    return wait_until(ended, PATIENCE, what=f"the end of {name}")


def _seconds_to_pod(workspace: Workspace, job: str, began: float, patience: float = 240.0) -> float:
    """Seconds since `began` when the job's pod was there; negative where it was not in time."""
    try:
        wait_until(lambda: workspace.pods(job), patience, what=f"the pod of {job}", interval=0.05)
    except TimeoutError:
        return -patience
    return time.perf_counter() - began
