"""Who may start: the slots of every queue, kept as jobs and pods change. Nothing here is read from a clock.

A slot is held by an attempt that is not judged, by a pod that runs or still ends (its memory is in use, whoever owned
it: KEP-3939), and by a grant: a promise to a waiting job, until its attempt stands in status or it waits no longer.
"""

import bisect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.core.building.sizing import attempt_memory, current_queue, granted_memory, named_queue
from spectrogram_operator.core.policy import Policy, Pool
from spectrogram_operator.core.status import active_attempt, holds, is_held_back, is_over

SECONDS_FOR_A_STEP_OF_PRIORITY = 60.0
"""A job that waits gains one step of priority a minute, without end: so nobody is passed for ever."""
POSITIONS_TOLD = 50
"""How many waiting jobs of a queue learn how many are ahead of them."""
QUEUED_BY_KUEUE = "kueue"
"""The line of jobs that Kueue queues: whoever stands in it may start, for its pod waits at Kueue's gate."""
_ATTEMPT, _GRANT = "attempt", "grant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A job as its queue sees it. `active`: an attempt of it is reserved and not judged yet; else it waits."""

    uid: str
    key: str
    namespace: str
    queue: str
    memory_bytes: int
    priority: int
    created: datetime
    active: bool

    @property
    def order(self) -> tuple[float, datetime, str]:
        """The smallest is the next of its namespace: aged priority, then the older job, then the UID.

        Every job ages at the same pace, so the order of two of them never changes while they wait.
        """
        return self.created.timestamp() - SECONDS_FOR_A_STEP_OF_PRIORITY * self.priority, self.created, self.uid


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whether a waiting job may start, and if not, why not yet."""

    granted: bool
    why: str = ""


def contender(job: Job, now: datetime, policy: Policy) -> Contender | None:
    """The job as a contender; None where nothing of it runs and its next attempt may not start yet."""
    if not isinstance(job, ValidJob) or is_over(job.status):
        return None
    spec, status = job.spec, job.status
    active = active_attempt(status)
    starts = active is None or is_held_back(status, active)
    if starts:
        backing_off = status.next_attempt_at is not None and status.next_attempt_at > now
        if job.deleting or spec.suspend or spec.cancelled or backing_off or holds(status, "Accepted") is False:
            return None
    pool = named_queue(active.pool) if active else current_queue(spec, status, policy)
    last = status.attempts[-1] if status.attempts else None
    return Contender(
        uid=job.uid,
        key=job.key,
        namespace=job.namespace,
        queue=line_of(job, pool),
        memory_bytes=granted_memory(active, policy) if active else attempt_memory(spec, pool, last, policy),
        priority=spec.priority,
        created=job.created,
        active=not starts,
    )


def line_of(job: Job, pool: str) -> str:
    """Where the job stands in line, and whose slots its pods of this pool take: Kueue's, where the job says so."""
    by_kueue = isinstance(job, ValidJob) and job.spec.queue_name is not None
    return QUEUED_BY_KUEUE if by_kueue else pool


class Queues:
    """Every queue of the policy, and the line of those that Kueue queues.

    Each change costs no more than a search in a sorted list.
    """

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        no_limit = Pool(memory_bytes=0, max_memory_bytes=0, max_concurrent=sys.maxsize)
        lines = {**pools, QUEUED_BY_KUEUE: no_limit}
        self._lines = {name: _Line(name, pool) for name, pool in lines.items()}
        self._contenders: dict[str, Contender] = {}
        self._pods: dict[str, tuple[str, str]] = {}

    def place(self, uid: str, now_is: Contender | None) -> None:
        """The job of this UID is this now; None: it neither runs nor could start."""
        before = self._contenders.get(uid)
        if before == now_is:
            return
        granted = self.is_granted(uid)
        if before is not None:
            line = self._lines[before.queue]
            if before.active:
                line.release(uid, _ATTEMPT)
            elif not granted:
                line.leave(before)
        keeps_its_grant = granted and now_is is not None and before is not None and now_is.queue == before.queue
        if now_is is None:
            del self._contenders[uid]
        else:
            self._contenders[uid] = now_is
            if now_is.active:
                self._lines[now_is.queue].hold(uid, now_is.namespace, now_is.memory_bytes, _ATTEMPT)
            elif not keeps_its_grant:
                self._lines[now_is.queue].wait(now_is)
        if granted and before is not None and (now_is is None or now_is.active or not keeps_its_grant):
            self._lines[before.queue].release(uid, _GRANT)

    def hold(self, pod_uid: str, *, owner_uid: str, namespace: str, queue: str, memory_bytes: int) -> None:
        """A pod runs, or may run."""
        if self._pods.get(pod_uid) != (queue, owner_uid):
            self.free(pod_uid)
            self._pods[pod_uid] = (queue, owner_uid)
        self._lines[queue].hold(owner_uid, namespace, memory_bytes, pod_uid)

    def free(self, pod_uid: str) -> None:
        """A pod has ended, or is gone."""
        if pod_uid in self._pods:
            queue, owner_uid = self._pods.pop(pod_uid)
            self._lines[queue].release(owner_uid, pod_uid)

    def admit(self) -> list[str]:
        """Grant every slot that is free; the keys of the jobs that may start now and could not before."""
        return [entry.key for line in self._lines.values() for entry in line.admit()]

    def is_granted(self, uid: str) -> bool:
        """True for a waiting job that may start."""
        entry = self._contenders.get(uid)
        return entry is not None and not entry.active and self._lines[entry.queue].holds(uid, _GRANT)

    def waits(self, uid: str) -> bool:
        """True for a job in line that may not start yet."""
        entry = self._contenders.get(uid)
        return entry is not None and not entry.active and not self.is_granted(uid)

    def limit(self, queue: str, most: int) -> None:
        """From now on so many of this queue may run at once. Those that run go on, also where they are more."""
        self._lines[queue].limit = most

    def limits(self) -> dict[str, int]:
        """By queue: how many may run at once. Another thread may ask."""
        return {name: line.limit for name, line in self._lines.items()}

    def demand(self) -> dict[str, tuple[int, int]]:
        """By queue: how many jobs stand in line, and the memory that they will ask for, in bytes.

        Another thread may ask.
        """
        return {name: line.demand for name, line in self._lines.items()}

    def positions(self) -> Iterator[tuple[Contender, str]]:
        """The first waiting jobs of each queue, in the order in which they would start, and why they wait."""
        for line in self._lines.values():
            yield from line.positions()

    def why(self, uid: str) -> str:
        """Why this waiting job waits: how many are ahead of it, or, far back in a long line, the limit alone."""
        line = self._lines[self._contenders[uid].queue]
        if len(line) <= POSITIONS_TOLD:
            return next(why for entry, why in line.positions() if entry.uid == uid)
        return f"at most {line.limit} run at once"


@dataclass(slots=True)
class _Holder:
    """Who takes one slot, and for which reasons: one job has one, however many of its pods still end."""

    namespace: str
    memory_bytes: int
    reasons: set[str] = field(default_factory=set)


class _Line:
    """One queue: its slots, and who waits in each namespace."""

    def __init__(self, name: str, pool: Pool) -> None:
        self.name = name
        self.pool = pool
        self.limit = pool.max_concurrent
        self._waiting: dict[str, list[tuple[float, datetime, str]]] = {}
        self._entries: dict[str, Contender] = {}
        self.demand = (0, 0)
        """Jobs that wait, and their memory: one value, for another thread may read it."""
        self._holders: dict[str, _Holder] = {}
        self._running: Counter[str] = Counter()
        self._memory_bytes = 0
        self._served: dict[str, int] = {}
        """By namespace: the number of its last grant."""
        self._grants = 0

    def __len__(self) -> int:
        return len(self._entries)

    def positions(self) -> Iterator[tuple[Contender, str]]:
        taken = self._taken()
        for ahead, entry in enumerate(self._order(POSITIONS_TOLD)):
            yield entry, f"{ahead} ahead in {self.name}; {taken}"

    def wait(self, entry: Contender) -> None:
        self._entries[entry.uid] = entry
        self.demand = (self.demand[0] + 1, self.demand[1] + entry.memory_bytes)
        bisect.insort(self._waiting.setdefault(entry.namespace, []), entry.order)

    def leave(self, entry: Contender) -> None:
        entry = self._entries.pop(entry.uid)
        self.demand = (self.demand[0] - 1, self.demand[1] - entry.memory_bytes)
        orders = self._waiting[entry.namespace]
        del orders[bisect.bisect_left(orders, entry.order)]
        if not orders:
            del self._waiting[entry.namespace]

    def hold(self, uid: str, namespace: str, memory_bytes: int, reason: str) -> None:
        holder = self._holders.get(uid)
        if holder is None:
            holder = self._holders[uid] = _Holder(namespace, memory_bytes)
            self._running[namespace] += 1
            self._memory_bytes += memory_bytes
        elif memory_bytes > holder.memory_bytes:
            self._memory_bytes += memory_bytes - holder.memory_bytes
            holder.memory_bytes = memory_bytes
        holder.reasons.add(reason)

    def release(self, uid: str, reason: str) -> None:
        holder = self._holders[uid]
        holder.reasons.discard(reason)
        if holder.reasons:
            return
        del self._holders[uid]
        self._memory_bytes -= holder.memory_bytes
        self._running[holder.namespace] -= 1
        if not self._running[holder.namespace]:
            del self._running[holder.namespace]

    def holds(self, uid: str, reason: str) -> bool:
        holder = self._holders.get(uid)
        return holder is not None and reason in holder.reasons

    def admit(self) -> Iterator[Contender]:
        while self._waiting and (entry := self._next(Counter(), {})) is not None:
            if not self._has_room(entry):
                return
            self.leave(entry)
            self.hold(entry.uid, entry.namespace, entry.memory_bytes, _GRANT)
            self._grants += 1
            self._served[entry.namespace] = self._grants
            yield entry

    def _order(self, most: int) -> Iterator[Contender]:
        """The first `most` in the order in which they would start if nothing ended meanwhile."""
        begun: Counter[str] = Counter()
        served: dict[str, int] = {}
        for number in range(min(most, len(self._entries))):
            entry = self._next(begun, served, unlimited=True)
            if entry is None:
                return
            begun[entry.namespace] += 1
            served[entry.namespace] = self._grants + number + 1
            yield entry

    def _taken(self) -> str:
        """Who runs how much, as in: team-b runs 2 of 2."""
        most = self._running.most_common(3)
        running = ", ".join(f"{namespace} runs {count}" for namespace, count in most)
        others = sum(self._running.values()) - sum(count for _, count in most)
        return f"{running or 'nothing runs'}{f', others {others}' if others else ''} of {self.limit}"

    def _next(self, begun: Counter[str], served: Mapping[str, int], *, unlimited: bool = False) -> Contender | None:
        """The next of the namespace that runs least; of several, of the one that was served longest ago.

        `begun` have started meanwhile, by namespace, and so have been `served`.
        """
        most = self.pool.max_per_namespace
        candidates = (
            (self._running[name] + begun[name], served.get(name, self._served.get(name, 0)), name)
            for name, orders in self._waiting.items()
            if begun[name] < len(orders) and (unlimited or not most or self._running[name] < most)
        )
        found = min(candidates, default=None)
        return None if found is None else self._entries[self._waiting[found[2]][begun[found[2]]][2]]

    def _has_room(self, entry: Contender) -> bool:
        # A job whose last pod still ends has its slot already, and takes no other. Beyond the limit it waits like any:
        # its pod will be gone, also one that only a late watch still shows, and the grant would stay.
        has_its_slot = entry.uid in self._holders
        slots = len(self._holders) + (0 if has_its_slot else 1)
        memory_bytes = self._memory_bytes + (0 if has_its_slot else entry.memory_bytes)
        most = self.pool.total_memory_bytes
        return slots <= self.limit and (not most or memory_bytes <= most)
