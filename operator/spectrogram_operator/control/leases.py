"""Which namespaces this operator acts in: those whose Lease it holds. Of several operators one acts, the others wait.

The Lease of a namespace is in it, under one name for all releases. An operator of all namespaces has one Lease for all
of them, and stays out of each that another serves by name. What a lease cannot exclude, an operator that is held up
between its look and its write, locked writes make harmless (rules 7 and 13).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from spectrogram_operator.api.names import LEASE, LEASE_OF_ALL
from spectrogram_operator.control.cluster.protocol import ClusterError, LeaseRecords
from spectrogram_operator.core.lease import Lease, Move, Sight, decide, released, renewed, see

RELEASE_SECONDS = 5.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Who wants leases, and for how long each time. `clock` is what others read in the record; nobody goes by it."""

    identity: str
    seconds: int
    clock: Callable[[], datetime]


class Leases:
    """The leases of the watched namespaces (none: the one of all); `run` seeks and keeps them.

    `changed` is told of each namespace (None: all of them) that is served from now on, or no more.
    """

    def __init__(
        self,
        records: LeaseRecords,
        candidate: Candidate,
        namespaces: Sequence[str],
        changed: Callable[[str | None], None],
    ) -> None:
        self._records = records
        self._candidate = candidate
        self._changed = changed
        wanted: dict[str | None, tuple[str, str]] = {name: (name, LEASE) for name in namespaces}
        self._own = {
            name: OneLease(records, candidate, where, name or "all namespaces", partial(changed, name))
            for name, where in (wanted or {None: LEASE_OF_ALL}).items()
        }
        self._others: dict[str, Sight] = {}
        """Leases of namespaces that are served by name, as an operator of all namespaces sees them."""
        self._taken: frozenset[str] | None = None
        """The namespaces of those that are held; None: not known yet."""
        self._looked_at_others = asyncio.Event()

    def serves(self, namespace: str) -> bool:
        """Whether this operator acts in the namespace. Asked before each thing that is written or created there.

        Another thread may ask.
        """
        if None in self._own:
            return self._taken is not None and namespace not in self._taken and self._own[None].held
        return namespace in self._own and self._own[namespace].held

    def holds(self, namespace: str | None) -> bool:
        """Whether the lease of a watched namespace (None: of all) is held."""
        return namespace in self._own and self._own[namespace].held

    def problem(self, namespace: str | None) -> str:
        """Why the lease of a watched namespace (None: of all) was never even sought; empty where it was."""
        if namespace is None and self._taken is None:
            return self._own[None].problem or "it is not known yet which namespaces others serve"
        return self._own[namespace].problem

    async def looked(self) -> None:
        """Until each lease was looked at, or the first look has failed: what can be held by then, is."""
        for lease in self._own.values():
            await lease.looked.wait()
        if None in self._own:
            await self._looked_at_others.wait()

    async def run(self) -> None:
        """Seek and keep every lease, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for lease in self._own.values():
                tasks.create_task(lease.run())
            if None in self._own:
                tasks.create_task(self._look_at_others())

    async def release(self) -> None:
        """Give up what is held, so that nobody need wait for its end. `run` has ended, and nothing acts any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await asyncio.gather(*(lease.release() for lease in self._own.values()))

    async def _look_at_others(self) -> None:
        while True:
            try:
                self._see_others(await self._records.list_leases(LEASE))
            except ClusterError as error:
                logger.warning("It cannot be seen which namespaces others serve: %s", error)
            self._looked_at_others.set()
            await asyncio.sleep(self._candidate.seconds / 3)

    def _see_others(self, found: Mapping[str, Lease]) -> None:
        now, before, me = asyncio.get_running_loop().time(), self._taken, self._candidate
        self._others = {name: see(self._others.get(name), lease, now) for name, lease in found.items()}
        self._taken = frozenset(
            name for name, sight in self._others.items() if decide(sight, me.identity, now, me.seconds) is Move.WAIT
        )
        for namespace in self._taken ^ (before or frozenset()):
            others = "another operator serves it" if namespace in self._taken else "nobody else does any more"
            logger.info("The namespace %s: %s", namespace, others)
            self._changed(namespace)
        if before is None:
            self._changed(None)


class OneLease:
    """This operator and one lease. `changed` is called when it was won and when it was lost."""

    def __init__(
        self,
        records: LeaseRecords,
        candidate: Candidate,
        where: tuple[str, str],
        title: str,
        changed: Callable[[], None],
    ) -> None:
        self.problem = "its lease was not looked at yet"
        """Why it was never sought; empty from its first answer on."""
        self.looked = asyncio.Event()
        """Set after the first try, whatever came of it."""
        self._records = records
        self._me = candidate
        self._where = where
        self._title = title
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._sight: Sight | None = None
        self._until = float("-inf")
        self._end: asyncio.TimerHandle | None = None
        self._said = ""
        """What the log said last: nothing is said twice in a row."""

    @property
    def held(self) -> bool:
        """True from when it was won until some time before others may take it, whatever the API server does."""
        return self._loop.time() < self._until

    async def run(self) -> None:
        """Seek the lease and keep it, until cancelled."""
        try:
            while True:
                renewed_now = False
                try:
                    async with asyncio.timeout(self._me.seconds / 3):
                        renewed_now = await self._seek()
                    self.problem = ""
                except (ClusterError, TimeoutError) as error:
                    self._failed(error)
                self.looked.set()
                await asyncio.sleep(self._me.seconds / (3 if renewed_now else 10))
        finally:
            self._tell_of_the_end(None)

    async def release(self) -> None:
        """Give it up, if it is held."""
        was_held = self.held
        self._hold_until(float("-inf"))
        with suppress(ClusterError):
            lease = await self._records.read_lease(*self._where) if was_held else None
            if lease is not None and lease.holder == self._me.identity:
                await self._records.write_lease(*self._where, released(lease))

    async def _seek(self) -> bool:
        """Look at it, unless it is held anyway, and write it unless it is somebody else's; True where that was done."""
        sight = self._sight if self.held else None
        for last_try in (False, True):
            if sight is None:
                sight = self._see(await self._records.read_lease(*self._where))
            if decide(sight, self._me.identity, self._loop.time(), self._me.seconds) is Move.WAIT:
                return False
            asked = self._loop.time()
            wanted = renewed(sight, self._me.identity, self._me.seconds, self._me.clock())
            try:
                self._see(await self._records.write_lease(*self._where, wanted))
            except ClusterError as error:
                if last_try or error.code not in (404, 409):
                    raise
                sight = None  # somebody has written it, or taken it away; or our own last write was stored after all
            else:
                self._hold_until(asked + self._me.seconds * 2 / 3)
                return True
        raise AssertionError("the last try returns or raises")

    def _see(self, lease: Lease | None) -> Sight:
        self._sight = see(self._sight, lease, self._loop.time())
        if lease is not None and lease.holder not in ("", self._me.identity):
            self._hold_until(float("-inf"))
            self._say(logging.INFO, f"Not serving {self._title}: the operator {lease.holder} does")
        return self._sight

    def _hold_until(self, moment: float) -> None:
        before, self._until = self.held, moment
        self._tell_of_the_end(moment if self.held else None)
        if self.held:
            self._say(logging.INFO, f"Serving {self._title}")
        if before != self.held:
            self._changed()

    def _tell_of_the_end(self, moment: float | None) -> None:
        """Who must know that the lease is not held any more hears so in time, though nothing else happens."""
        if self._end is not None:
            self._end.cancel()
        self._end = self._loop.call_at(moment, self._lapse) if moment is not None else None

    def _lapse(self) -> None:
        self._say(logging.WARNING, f"Not serving {self._title}: its lease could not be renewed in time")
        self._changed()

    def _failed(self, error: ClusterError | TimeoutError) -> None:
        why = f"its lease cannot be had: {error if isinstance(error, ClusterError) else 'no answer in time'}"
        self.problem = why if self.problem else ""
        self._say(logging.WARNING, f"Trying to serve {self._title}: {why}")

    def _say(self, level: int, text: str) -> None:
        if text != self._said:
            logger.log(level, text)
        self._said = text
