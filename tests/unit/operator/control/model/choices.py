"""What hypothesis chooses from in a life: who acts, what people want, which requests something befalls."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from harness.api_store import PODS
from harness.memory_cluster import CONNECTION_LOST
from spectrogram_operator.api.names import PLURAL
from unit.operator.control.world.world import NAMESPACE, NAMESPACES


@dataclass(frozen=True)
class Part:
    """An operator: its identity in leases, and the namespaces that it serves by name; without any it serves all."""

    identity: str
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The operators, and how many of them may act at once: each of these keeps a queue's limit for itself."""

    parts: tuple[Part, ...]
    acting: int = 1


CASTS = {
    "one operator": Cast((Part("one"),)),
    "two, of which one has the lease": Cast((Part("one"), Part("two"))),
    "two that both act": Cast((Part("everybody"), Part("everybody")), acting=2),
    "one, of two namespaces by name": Cast((Part("one", NAMESPACES),)),
    "one of all namespaces, and one of sonar": Cast((Part("one"), Part("two", ("sonar",))), acting=2),
}

WISHES: dict[str, dict[str, Any]] = {
    "suspend": {"suspend": True},
    "resume": {"suspend": False},
    "cancel": {"cancelled": True},
    "go soon": {"ttlSecondsAfterFinished": 30},
    "stay": {"ttlSecondsAfterFinished": 86_400},
}
numbers = st.integers(0, 5)
pauses = st.sampled_from([0.1, 1.0, 5.0, 11.0, 35.0, 130.0, 600.0])
periods = st.sampled_from([5.0, 50.0, 200.0])
"""Seconds that a trouble lasts."""
namespaces = st.sampled_from([NAMESPACE, *NAMESPACES])
operators = st.integers(0, 1)
resources = st.sampled_from([(PLURAL,), (PODS,), (PLURAL, PODS)])
errors = st.sampled_from([CONNECTION_LOST, 403, 404, 409, 410, 422, 429, 500, 504])
jobs = st.fixed_dictionaries(
    {
        "retry": st.fixed_dictionaries({"limit": st.integers(0, 3), "zombies": st.sampled_from(["Fail", "Retry"])}),
        "priority": st.integers(0, 2),
        "queue": st.sampled_from(["auto", "auto", "auto", "large_jobs"]),
    },
    optional={"ttlSecondsAfterFinished": st.sampled_from([0, 60])},
)
"""What a person may write into a job's spec."""
mishaps = st.sampled_from(["", "", "", "lost", "twice", "relist"])
"""What befalls the event of something that a person does, for all who watch."""
skipped = st.sampled_from([0, 0, 1, 3])
"""How many requests of a kind pass before something befalls one."""
requests = st.sampled_from(
    [
        ("PUT", PLURAL, True),
        ("PUT", PLURAL, True),
        ("PUT", PLURAL, True),
        ("POST", PODS, False),
        ("POST", PODS, False),
        ("GET", PODS, True),
        ("GET", PODS, False),
        ("GET", PLURAL, True),
        ("GET", PLURAL, False),
        ("DELETE", PODS, True),
        ("DELETE", PLURAL, True),
        ("GET", "persistentvolumeclaims", True),
        ("PUT", "leases", True),
        ("PUT", "leases", True),
        ("GET", "leases", True),
        ("POST", "events", False),
    ]
)
"""Method, resource, and whether it is about one object."""
