"""The operator's own tasks, from start to end, and what probes ask of them."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.control.clock import Clock
from spectrogram_operator.control.cluster.protocol import ApiServer, ClusterError, Lists
from spectrogram_operator.control.leases import Candidate, Leases
from spectrogram_operator.control.reconciling.capacity import NODES_SECONDS, Capacity
from spectrogram_operator.control.reconciling.controller import Controller
from spectrogram_operator.control.reconciling.corrections import Corrections
from spectrogram_operator.control.reconciling.event_posts import EventPosts
from spectrogram_operator.control.reconciling.expiry import Expiry
from spectrogram_operator.control.reconciling.slots import POSITION_SECONDS
from spectrogram_operator.control.reconciling.sweep import list_all, sweep
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.core.planning.running import is_overdue
from spectrogram_operator.settings import Settings
from spectrogram_operator.telemetry.logs import ZOMBIE_MARKED, ZOMBIES_CLEANED_UP, log_transition
from spectrogram_operator.telemetry.metrics import Metrics
from spectrogram_operator.telemetry.scraped import Standing
from spectrogram_operator.telemetry.transitions import transition

FIRST_LIST_SECONDS = 10.0
"""Between two tries to list what could not be listed: a namespace without rights, a cluster without the CRD."""
SWEEPS_BETWEEN_LISTS = 30
"""Every so many sweeps jobs are listed too, tens of thousands maybe: for what a watch of jobs did not tell."""
logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Now, in UTC and whole seconds, as the API server keeps times."""
    return datetime.now(UTC).replace(microsecond=0)


class Service:
    """Everything that runs beside the watches. `connect` makes the cluster, in the loop that will use it.

    `identity` is this operator's in leases: the same after a restart, and no other's. `clock` is the machine's, in
    whole seconds; all goes by it as `self.clock` corrects it.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[], Awaitable[ApiServer]],
        registry: CollectorRegistry,
        *,
        version: str,
        identity: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self.clock = Clock(clock, asyncio.get_running_loop().time)
        self._local_clock = clock
        self._identity = identity
        self._cluster: ApiServer
        self._leases: Leases
        self._expiry: Expiry
        self._corrections: Corrections | None = None
        """None where what workers took is not learnt from."""
        self._tasks: list[asyncio.Task[None]] = []
        self._probed = -1
        self._zombies = 0
        self._namespaces: tuple[str | None, ...] = tuple(settings.namespaces) or (None,)
        self._unlisted = dict.fromkeys(self._namespaces, "not listed yet")
        """By namespace (None: all), why its jobs and pods are not known."""
        self._overdue: Mapping[tuple[str, str], int] = {}
        """By namespace and queue: counted at each sweep, for another thread asks."""
        self._to_list = dict.fromkeys(self._namespaces)
        """Those that are to be listed before anything starts there, in this order."""
        self._more_to_list = asyncio.Event()
        self.metrics = Metrics(
            registry,
            self._standing,
            version=version,
            started=clock(),
            namespaces=settings.namespaces,
        )
        self.controller: Controller
        self.listed = asyncio.Event()
        """Set once a namespace was listed: there is something to watch."""
        self.watching = False
        """True while kopf watches."""

    async def start(self) -> None:
        """Connect and begin; `listed` says when there is something to watch."""
        self._cluster = await self._connect()
        posts = EventPosts(self._cluster.post_event, self.clock.now)
        candidate = Candidate(identity=self._identity, seconds=self._settings.lease_seconds, clock=self._local_clock)
        self._leases = Leases(self._cluster, candidate, self._settings.namespaces, self._lease_changed)
        if self._settings.memory_correction:
            self._corrections = Corrections(self._settings.policy, self._cluster)
        self.controller = Controller(
            cluster=self._cluster,
            policy=self._settings.policy,
            clock=self.clock.now,
            record=self._record,
            tell=posts.tell,
            measure=self.metrics.reconciled,
            serves=self._leases.serves,
            policy_of=self._corrections.policy if self._corrections is not None else None,
        )
        self._expiry = Expiry(
            self.controller.store, self._cluster, self._settings.policy, self.clock.now, self._leases.serves
        )
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "leases": self._leases.run(),
            "lists": self._list_before_serving(),
            "work queue": self.controller.queue.run(),
            "sweep": self._sweep_for_ever(),
            "events": posts.run(),
            "expiry": self._expiry.run(),
            "positions": self._tell_positions_for_ever(),
        }
        if self._corrections is not None:
            tasks["corrections"] = self._corrections.run(self._settings.sweep_seconds)
        if any(pool.auto_concurrent for pool in self._settings.policy.pools.values()):
            capacity = Capacity(self._cluster, self._settings.policy.pools, self.controller.slots.limit)
            tasks["capacity"] = capacity.run(min(NODES_SECONDS, self._settings.sweep_seconds))
        self._tasks = [asyncio.create_task(task, name=name) for name, task in tasks.items()]

    async def stop(self) -> None:
        """End the tasks; what they were doing is done again after the next start."""
        if not self._tasks:
            return
        for task in self._tasks:
            with suppress(Exception):  # the probe told of it
                await cancelled(task)
        self.controller.poller.stop()
        await self._leases.release()
        await self._cluster.close()

    def check_alive(self, stuck_seconds: float) -> str:
        """Raises if the oldest key waits too long and nothing was finished since the last look (Argo's rule)."""
        if not self._tasks:
            return "starting"
        queue = self.controller.queue
        before, self._probed = self._probed, queue.done
        if any(task.done() for task in self._tasks):
            raise RuntimeError("a task of the operator has ended")
        if queue.oldest_seconds() > stuck_seconds and queue.done == before:
            raise RuntimeError("the work queue does not move")
        return f"{queue.done} reconciles"

    def not_ready(self) -> str:
        """Why not everything that should be served could be; empty where it could. Who waits for a lease is ready."""
        if not self._tasks:
            return "starting"
        problems = {name: self._unlisted.get(name) or self._leases.problem(name) for name in self._namespaces}
        said = "; ".join(f"{name or 'all namespaces'}: {why}" for name, why in problems.items() if why)
        return said or ("" if self.watching else "not watching yet")

    def _standing(self) -> Standing:
        """Asked by another thread."""
        if not self._tasks:
            return Standing()
        controller = self.controller
        return Standing(
            places=controller.store.places,
            overdue=self._overdue,
            serves=self._leases.serves,
            demand=controller.slots.demand(),
            limits=controller.slots.limits(),
            waiting=controller.queue.depth,
            silent_seconds=controller.silent_seconds(),
            clock_seconds_ahead=self.clock.seconds_ahead(),
        )

    def _record(self, job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
        self.metrics.record(old, new, job.namespace, job.created)
        log_transition(logger, job.key, old, new)
        if self._corrections is not None:
            self._corrections.record(job, old, new)
        happened = transition(old, new)
        if happened.zombies and happened.result == "failed":
            self._zombies += 1
            logger.warning(ZOMBIE_MARKED, job.key, extra={"job": job.key})

    def _lease_changed(self, namespace: str | None) -> None:
        """The namespace (None: each) is ours from now on, or no more. What was done there may not be seen yet."""
        if namespace is None or self._settings.namespaces:
            self.metrics.leads(namespace, self._leases.holds(namespace))
        self.controller.slots.close(namespace)
        self.controller.look_again(namespace)
        self._expiry.look_again(namespace)
        if self._leases.serves(namespace or ""):
            if self._corrections is not None:
                self._corrections.forget(namespace)
            self._to_list[namespace] = None
            self._more_to_list.set()

    async def _list_before_serving(self) -> None:
        """List each namespace by itself, at first and when it has become ours: one that cannot be listed keeps no other
        waiting.
        """
        await self._leases.looked()  # else what is won in the next moment would be listed twice
        while True:
            self._more_to_list.clear()
            tried, self._to_list = self._to_list, {}
            for namespace in tried:
                if not await self._list(namespace):
                    self._to_list[namespace] = None
            # After all of them: the pods of one hold slots that jobs of another want.
            for namespace in [one for one in tried if one not in self._to_list]:
                self.controller.slots.open(namespace)
                self.listed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LIST_SECONDS if self._to_list else None):
                    await self._more_to_list.wait()

    async def _list(self, namespace: str | None) -> bool:
        try:
            await list_all(self._cluster, self.controller, namespace)
            if self._corrections is not None:
                await self._corrections.save()  # before the first of its jobs asks for its memory
        except ClusterError as error:
            why = _explained(error)
        except Exception as error:
            why = f"a bug: {error!r}"
            logger.exception("Listing %s failed", namespace or "all namespaces")
        else:
            self._unlisted.pop(namespace, None)
            return True
        if self._unlisted.get(namespace) != why:
            logger.warning("Not serving %s: %s", namespace or "any namespace", why)
        if namespace in self._unlisted:
            self._unlisted[namespace] = why
        return False

    async def _sweep_for_ever(self) -> None:
        for number in itertools.count(1):
            await asyncio.sleep(self._settings.sweep_seconds)
            look = sweep if number % SWEEPS_BETWEEN_LISTS else list_all
            await asyncio.gather(*(self._sweep(look, namespace) for namespace in self._namespaces))
            if self._zombies:
                logger.info(ZOMBIES_CLEANED_UP, self._zombies)
                self._zombies = 0
            self._take_stock(self.clock.now())

    def _take_stock(self, now: datetime) -> None:
        policy = self._settings.policy
        late = [job for job in self.controller.store.unfinished() if is_overdue(job, now, policy)]
        self._overdue = Counter((job.namespace, job.status.queue or "") for job in late)
        self.metrics.forget_namespaces(now)

    async def _sweep(
        self, look: Callable[[Lists, Controller, str | None], Awaitable[None]], namespace: str | None
    ) -> None:
        """Each namespace by itself: rights in one of them may be gone."""
        try:
            await look(self._cluster, self.controller, namespace)
        except ClusterError as error:
            logger.warning("The sweep could not list everything, and trusts the watch until the next: %s", error)
        except Exception:
            logger.exception("The sweep failed")
        else:
            self.metrics.sweep_succeeded(self.clock.now())

    async def _tell_positions_for_ever(self) -> None:
        while True:
            await asyncio.sleep(POSITION_SECONDS)
            self.controller.slots.tell_positions()


def _explained(error: ClusterError) -> str:
    """What a person should do about a list that fails."""
    if error.code == 404:
        return "the custom resource SpectrogramJob is not installed: apply crds/spectrogramjobs.yaml"
    if error.code == 403:
        return f"the operator has no right to list here: {error.message}"
    return f"the API server does not answer as it should: {error}"
