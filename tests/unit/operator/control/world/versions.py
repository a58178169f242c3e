"""Statuses as operators of other versions leave them, before an upgrade or after one that was taken back."""

import json
from collections.abc import Callable, Mapping

from harness.api.store import Body

UNREADABLE = "Hibernating"
"""A phase that this version does not know: it cannot read the status at all."""
OF_LATER_VERSIONS = ("observedGeneration", "attemptText", "startTime", "nodeName", "message")
OF_ATTEMPTS = ("reservedTime", "startTime", "nodeName", "creations", "columnsDone", "message")
"""What an older version did not write yet."""


def older(status: Body) -> Body:
    """By a version that said less."""
    less = {name: value for name, value in status.items() if name not in OF_LATER_VERSIONS}
    attempts = [_without(attempt, OF_ATTEMPTS) for attempt in status.get("attempts", ())]
    return less | ({"attempts": attempts} if attempts else {})


def newer(status: Body) -> Body:
    """By a version that says more, as the newer CRD has it."""
    attempts = [{**attempt, "zone": "a"} for attempt in status.get("attempts", ())]
    more = {"forecast": {"endsAt": "2027-01-01T00:00:00Z"}}
    return status | more | ({"attempts": attempts} if attempts else {})


def unreadable(status: Body) -> Body:
    """By a version that says what this one cannot understand."""
    return status | {"phase": UNREADABLE}


def mended(status: Body) -> Body:
    """The same once somebody has put the phase right."""
    return status | ({"phase": "Pending"} if status.get("phase") == UNREADABLE else {})


REWRITES: Mapping[str, Callable[[Body], Body]] = {
    "older": older,
    "newer": newer,
    "unreadable": unreadable,
    "mended": mended,
}


def rewritten(status: Body, version: str) -> Body:
    """A copy of the status as the operator of this version leaves it."""
    copy: Body = json.loads(json.dumps(status))
    return REWRITES[version](copy)


def _without(part: Body, names: tuple[str, ...]) -> Body:
    return {name: value for name, value in part.items() if name not in names}
