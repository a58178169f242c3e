"""Many jobs that are there: a start with finished ones, probes and free slots with waiting ones."""

import statistics
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

from benchmarks.cluster import JOBS, Bench, Operator, in_threads
from benchmarks.rates import PATIENCE, Row

from cluster.api import Api, Body
from cluster.workspace import Workspace
from harness.waiting import wait_until
from pods.jobs import job_body

SECONDS_OF_LOOKING = 60.0
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


def waiting_jobs(bench: Bench, count: int) -> Iterator[Row]:
    """How the probes are answered while so many jobs wait for one slot that is never free."""
    with bench.namespace() as workspace, bench.operator(workspace, slots=1, node="stays") as operator:
        operator.wait_until_ready()
        with Prober(operator, "/healthz", "/readyz") as prober:
            in_threads(workspace.api, count, lambda api, number: api.create(JOBS, job_body(f"job-{number}")))
            time.sleep(SECONDS_OF_LOOKING)
            prober.stop()
        yield f"{count} waiting jobs", prober.summary, "to answer within 1 s"


def unreachable_pods(bench: Bench, count: int) -> Iterator[Row]:
    """How long a new job waits for its pod while so many workers run that do not answer."""
    with bench.namespace() as workspace, bench.operator(workspace, node="stays") as operator:
        operator.wait_until_ready()
        alone = _seconds_to_new_pod(workspace, "alone")
        in_threads(workspace.api, count, lambda api, number: api.create(JOBS, job_body(f"job-{number}")))
        wait_until(lambda: _running(workspace) >= count, PATIENCE, what="all pods to run", interval=2)
        time.sleep(SECONDS_OF_LOOKING / 4)
        beside = [_seconds_to_new_pod(workspace, f"new-{number}") for number in range(5)]
    yield (
        f"{count} running pods that cannot be reached: a new job's pod after",
        f"median {statistics.median(beside):.2f} s, longest {max(beside):.2f} s",
        f"without them: {alone:.2f} s",
    )


def _running(workspace: Workspace) -> int:
    return sum(1 for job in workspace.api.list(JOBS) if job.get("status", {}).get("phase") == "Running")


def _seconds_to_new_pod(workspace: Workspace, job: str) -> float:
    began = time.perf_counter()
    workspace.submit(job)
    return _seconds_to_pod(workspace, job, began)


def free_slots(bench: Bench, count: int) -> Iterator[Row]:
    """How long the one slot stays empty while so many jobs wait: from a pod's end to the next pod's creation."""
    with bench.namespace() as workspace, bench.operator(workspace, slots=1) as operator:
        operator.wait_until_ready()
        with Gaps(workspace.api.another()) as gaps:
            in_threads(workspace.api, count, lambda api, number: api.create(JOBS, job_body(f"job-{number}")))
            gaps.begin()
            time.sleep(2 * SECONDS_OF_LOOKING)
            found = gaps.seconds
        text = (
            f"{len(found)} times, median {statistics.median(found):.2f} s, longest {max(found):.1f} s" if found else ""
        )
        yield f"{count} waiting jobs: a free slot stays empty", text or "no pod ended", "–"


class Gaps:
    """Follows the pods in a thread: seconds between the end of one and the next one's creation, since `begin`.

    A slot that is still empty counts for the time until now.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended: dict[str, float] = {}
        self._empty_since: float | None = None
        self._found: list[float] = []
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Gaps":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._api.interrupt()
        self._thread.join()

    def begin(self) -> None:
        """Forget what was while the jobs were being submitted, but not a slot that is empty."""
        self._found.clear()

    @property
    def seconds(self) -> list[float]:
        """The gaps so far, the one that lasts included."""
        since = self._empty_since
        return [*self._found, *([time.perf_counter() - since] if since is not None else [])]

    def _follow(self) -> None:
        try:
            for kind, pod in self._api.watch("pods"):
                self._see(kind, pod)
        except (OSError, ValueError):
            return

    def _see(self, kind: str, pod: Body) -> None:
        now, uid = time.perf_counter(), pod["metadata"]["uid"]
        if kind == "ADDED" and self._empty_since is not None:
            self._found.append(now - self._empty_since)
            self._empty_since = None
        if pod.get("status", {}).get("phase") == "Succeeded" and uid not in self._ended:
            self._ended[uid] = self._empty_since = now


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
