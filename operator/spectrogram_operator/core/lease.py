"""A Lease that several operators want: what is seen of it becomes a decision to keep it, to take it, or to wait.

As in client-go, nobody's timestamps are compared with a clock: a holder is gone when its record has not changed for as
long as it promised to change it, by the clock of whoever looks on. So clocks may be apart as far as they like.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

LONGEST_SECONDS = 3600
"""A record that promises less often than that is not waited for any longer: anything may stand in it."""


class Move(Enum):
    """What to do about a lease."""

    KEEP = "it is ours: renew it"
    TAKE = "it is nobody's: make it ours"
    WAIT = "somebody else holds it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The record. `version` is the resourceVersion under which it was read, empty where there is none yet."""

    holder: str
    """Identity of the operator that holds it; empty: nobody."""
    seconds: int
    """How long after its last change others take it for abandoned."""
    acquired: str = ""
    """When the holder took it, by the holder's clock, as the API server keeps such times."""
    renewed: str = ""
    """When the holder last renewed it, by the holder's clock."""
    transitions: int = 0
    """How often it went from one holder to another."""
    version: str = ""

    def to_document(self) -> dict[str, Any]:
        """The spec of the Lease; a lease that nobody ever took has no times."""
        times = {"acquireTime": self.acquired, "renewTime": self.renewed}
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.seconds,
            "leaseTransitions": self.transitions,
            **{name: time for name, time in times.items() if time},
        }


def read_lease(body: Mapping[str, Any]) -> Lease:
    """A Lease of the API server. All of its spec is optional, and others may have written it."""
    spec = body.get("spec") or {}
    return Lease(
        holder=str(spec.get("holderIdentity") or ""),
        seconds=int(spec.get("leaseDurationSeconds") or 0),
        acquired=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=str(body["metadata"].get("resourceVersion") or ""),
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a lease (None: there is none), and since when it has been so, by the clock of who looks."""

    lease: Lease | None
    since: float


def see(before: Sight | None, lease: Lease | None, now: float) -> Sight:
    """The lease was looked at just now. A new version of the same record, a label of somebody's, is no news."""
    if before is not None and lease is not None and before.lease is not None:
        same = replace(before.lease, version="") == replace(lease, version="")
    else:
        same = before is not None and before.lease is lease
    return Sight(lease, before.since if before is not None and same else now)


def decide(sight: Sight, identity: str, now: float, own_seconds: float) -> Move:
    """What an operator of this identity does. `own_seconds` counts where the record promises nothing."""
    lease = sight.lease
    if lease is None or not lease.holder:
        return Move.TAKE
    if lease.holder == identity:
        return Move.KEEP
    promised = min(lease.seconds, LONGEST_SECONDS) or own_seconds
    return Move.TAKE if now - sight.since > promised else Move.WAIT


def renewed(sight: Sight, identity: str, seconds: int, clock: datetime) -> Lease:
    """The record by which an operator takes the lease, or keeps it: not the one of before, whatever the clock says."""
    time, lease = _written(clock), sight.lease
    if lease is None:
        return Lease(holder=identity, seconds=seconds, acquired=time, renewed=time)
    if lease.holder == identity and lease.renewed == time:  # the clock was set back: the same would be no news
        time = _written(clock + timedelta(microseconds=1))
    if lease.holder == identity:
        return replace(lease, seconds=seconds, renewed=time)
    transitions = lease.transitions + 1
    return replace(lease, holder=identity, seconds=seconds, acquired=time, renewed=time, transitions=transitions)


def released(lease: Lease) -> Lease:
    """The record by which its holder gives it up: whoever looks next takes it at once."""
    return replace(lease, holder="", seconds=1)


def _written(clock: datetime) -> str:
    """A time as the API server keeps it in leases."""
    return clock.isoformat(timespec="microseconds").replace("+00:00", "Z")
