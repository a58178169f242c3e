"""The script of the simulator: kubelets, schedulers, garbage collectors and people, moment by moment."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from pods.shapes import disruption
from spectrogram_operator.core.conditions import is_over
from spectrogram_operator.core.pod import read_pod
from spectrogram_operator.core.policy import Policy
from unit.operator.core.play import SPEC
from unit.operator.core.simulator import Operator, Store

SUCCESSES = ["succeeded", "sidecar-outlives-success"]
MISFORTUNES = [
    "oom-killed",
    "exit-82-memory-error",
    "exit-75-transient-error",
    "exit-1-crash",
    "exit-66-input-not-found",
    "exit-87-reroute-large",
    "deadline-exceeded",
    "evicted-node-memory",
    "succeeded-without-manifest",
    "sidecar-outlives-oom-killed",
    "container-lost",
    "rejected-out-of-cpu",
]
STARTING = ["container-creating", "unschedulable", "image-pull-error"]
ENDED_BY_SIGTERM = ["exit-85-interrupted", "exit-143", "exit-137-unlabelled", "succeeded"]


class World:
    """The script: kubelets, schedulers, garbage collectors and people.

    `slow`: an operator may sleep between the write that reserves an attempt and the creation of its pod. What wakes up
    then creates a pod that nobody wants any more, and no API could refuse it: it is ended, and nothing runs beside it.
    """

    def __init__(self, seed: int, *, operators: int = 1, jobs: int = 4, slow: bool = False) -> None:
        self.random = Random(seed)
        self.policy = Policy(hard_seconds=600, soft_seconds=500)
        self.store = Store()
        self.operators = [Operator(self.store, self.policy, self.random, slow=slow) for _ in range(operators)]
        self.running: list[tuple[Operator, Iterator[None]]] = []
        for number in range(jobs):
            retry = {"limit": self.random.randint(0, 3), "zombies": self.random.choice(["Fail", "Retry"])}
            self.store.put_job(f"job-{number}", spec=SPEC | {"retry": retry, "priority": self.random.randint(0, 2)})

    def step(self, *, calm: bool = False) -> None:
        """A little time passes, something happens to the world, and the operators do something."""
        self.store.now += timedelta(seconds=self.random.choice([0, 1, 5, 11, 30, 200 if not calm else 30]))
        for name in list(self.store.pods):
            self.play_pod(name, calm=calm)
        if not calm and self.random.random() < 0.2:
            self.people()
        for operator in self.operators:
            if self.random.random() < 0.7 or calm:
                operator.listen()
            for name in self.store.history:
                if self.random.random() < 0.5:
                    self.running.append((operator, operator.reconcile(name)))
        self.interleave(calm=calm)

    def interleave(self, *, calm: bool) -> None:
        """The operators' steps: one's in order, two's in any; some last into the next moment, some are the last."""
        alone = len(self.operators) == 1
        while self.running and (alone or calm or self.random.random() < 0.97):
            index = 0 if alone else self.random.randrange(len(self.running))
            operator, steps = self.running[index]
            if not calm and self.random.random() < 0.03:
                operator.forget()
                self.running = [entry for entry in self.running if entry[0] is not operator]
            elif next(steps, self) is self:
                del self.running[index]

    def play_pod(self, name: str, *, calm: bool) -> None:
        """What becomes of this pod in this moment."""
        store, chance = self.store, self.random.random()
        pod = read_pod(store.pods[name])
        if pod.deleting:
            worker_runs = pod.main is None or pod.main.exit_code is None
            if pod.live and worker_runs and chance < 0.4:
                store.show(name, self.random.choice(ENDED_BY_SIGTERM))
            elif chance < 0.7:
                store.remove_pod(name)
        elif not pod.live:
            if not calm and chance < 0.02:
                store.remove_pod(name)  # a garbage collector
        elif pod.phase == "Pending":
            if calm or chance < 0.5:
                store.show(name, "running")
            elif chance < 0.7:
                store.show(name, self.random.choice(STARTING))
        elif pod.main is not None and pod.main.exit_code is None:
            if chance < 0.15 or (calm and chance < 0.6):
                store.show(name, self.random.choice(SUCCESSES))
            elif chance < 0.3:
                store.show(name, self.random.choice(MISFORTUNES))
            elif not calm and chance < 0.45:
                self.disturb(name)

    def disturb(self, name: str) -> None:
        """A drain, a person's delete, or a force deletion that leaves no trace."""
        how = self.random.choice(["drain", "delete", "vanish"])
        if how == "vanish":
            self.store.remove_pod(name)
            return
        if how == "drain":
            status = self.store.pods[name]["status"]
            announced = disruption("EvictionByEvictionAPI", "Eviction API: evicting")
            self.store.pods[name] |= {"status": status | {"conditions": [announced, *status["conditions"]]}}
        self.store.delete_pod(name, None)

    def people(self) -> None:
        """Somebody suspends, resumes or cancels a job."""
        name = self.random.choice(list(self.store.history))
        spec = self.store.history[name][-1]["spec"]
        wish = {"cancelled": True} if self.random.random() < 0.1 else {"suspend": not spec.get("suspend", False)}
        self.store.put_job(name, spec=spec | wish)

    def resume_all(self) -> None:
        """The end of the script: nobody wants anything any more, and every job may run."""
        for job in self.store.jobs():
            if job.spec is not None and job.spec.suspend:
                spec = self.store.history[job.name][-1]["spec"]
                self.store.put_job(job.name, spec=spec | {"suspend": False})

    def all_over(self) -> bool:
        """True once every job has ended and nothing of it runs."""
        return all(is_over(job.status) for job in self.store.jobs()) and not self.store.live_pods()
