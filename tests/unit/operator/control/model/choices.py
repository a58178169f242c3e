"""What hypothesis chooses from in a life: who acts, what people want, which requests something befalls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from harness.api.memory_cluster import CONNECTION_LOST, Fate
from harness.api.store import PODS
from spectrogram_operator.api.names import PLURAL
from unit.operator.control.histories.chances import QUOTA
from unit.operator.control.histories.scene import Kind
from unit.operator.control.model.calm import NOTHING, QUIET, SLOTS
from unit.operator.control.world.world import NAMESPACE, NAMESPACES


@dataclass(frozen=True)
class Part:
    """An operator: its identity in leases, and the namespaces that it serves by name; without any it serves all."""

    identity: str
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The operators, and how many of them may act at once: each of these keeps a queue's limit for itself.

    `alone`: the namespaces in which never more than one of them acts.
    """

    parts: tuple[Part, ...]
    acting: int = 1
    alone: tuple[str, ...] = ()


SONAR = Part("one", ("sonar",))
CASTS = {
    "one operator": Cast((Part("one"),)),
    "two, of which one has the lease": Cast((Part("one"), Part("two"))),
    "two that both act": Cast((Part("everybody"), Part("everybody")), acting=2),
    "one, of two namespaces by name": Cast((Part("one", NAMESPACES),)),
    "one of sonar, and one of all namespaces": Cast((SONAR, Part("two")), acting=2, alone=(NAMESPACE,)),
    "one of sonar, and one of two namespaces": Cast((SONAR, Part("two", NAMESPACES)), acting=2, alone=(NAMESPACE,)),
}

TWICE = ("two, of which one has the lease", "one, of two namespaces by name", "one of sonar, and one of two namespaces")
"""These are played twice as often: most can go wrong in them."""

WISHES: dict[str, dict[str, Any]] = {
    "suspend": {"suspend": True},
    "resume": {"suspend": False},
    "cancel": {"cancelled": True},
    "go soon": {"ttlSecondsAfterFinished": 30},
    "stay": {"ttlSecondsAfterFinished": 86_400},
}
numbers = st.integers(0, 5)
pauses = st.sampled_from([0.1, 1.0, 5.0, 11.0, 35.0, 130.0])
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
times = st.sampled_from([1, 1, 3])
"""How many it befalls then."""
PUT_JOBS, POST_PODS, DELETE_PODS = ("PUT", PLURAL, True), ("POST", PODS, False), ("DELETE", PODS, True)
GET_POD, GET_JOB, DELETE_JOBS = ("GET", PODS, True), ("GET", PLURAL, True), ("DELETE", PLURAL, True)
PUT_LEASES, LISTS = ("PUT", "leases", True), (("GET", PODS, False), ("GET", PLURAL, False))
KINDS: Sequence[Kind] = (
    PUT_JOBS,
    POST_PODS,
    DELETE_PODS,
    PUT_LEASES,
    *LISTS,
    GET_POD,
    GET_JOB,
    DELETE_JOBS,
    ("GET", "persistentvolumeclaims", True),
    ("GET", "leases", True),
    ("POST", "events", False),
)
MEDDLING = ("suspend", "cancel", "stay", "prefer", "delete", "make anew", "remove", "take the label")
"""What somebody does while a request is under way: to the job that it is about, or to its pod."""
OUTLIVES = "outlives who sent it"
"""Beside that its job is suspended: whoever comes next judges the attempt before its pod comes."""
STAYS = "fails, and the job is to stay"
"""Beside that somebody wants to keep the job: what was wanted of it before counts no more."""
WAYS: Mapping[str, tuple[float, Fate]] = {
    "slow": (1.0, Fate(0.05, 20.0)),
    "late": (1.0, Fate(20.0, 0.05)),
    "stale": (0.5, Fate(error=404, stored=False, stale=True)),
    "fails": (0.75, Fate(0.05, 0.05, error=500, stored=False)),
    "forbidden": (0.75, Fate(0.05, 0.05, error=403, message=QUOTA, stored=False)),
    "kills before": (0.3, Fate(0.05, stored=False, kill=True)),
    "kills after": (0.3, Fate(0.05, kill=True)),
    OUTLIVES: (0.3, Fate(40.0, kill=True)),
    STAYS: (0.5, Fate(3.0, error=500, stored=False)),
}
"""What befalls requests of a kind all the time, and how many of them."""
HABITS = {
    PUT_JOBS: ("slow", "slow", "late", "late", "fails", "kills before", "kills after", "suspend", "cancel", "delete"),
    POST_PODS: (
        "slow",
        "late",
        "fails",
        "forbidden",
        "kills before",
        "kills after",
        OUTLIVES,
        "suspend",
        "cancel",
        "delete",
        "make anew",
    ),
    DELETE_PODS: ("late", "fails", "kills before", "remove"),
    PUT_LEASES: ("fails", "fails", "fails", "slow"),
    GET_POD: ("slow", "stale", "stale", "remove"),
    GET_JOB: ("stay", STAYS),
    DELETE_JOBS: ("stay", STAYS),
    LISTS[0]: ("slow", "fails", "make anew", "take the label"),
    LISTS[1]: ("slow", "fails", "make anew"),
}
"""Of these each life has some: what befalls requests of a kind from its beginning to the calm."""
OVERLOADED = tuple(((kind, "slow"), (PUT_LEASES, "fails")) for kind in (PUT_JOBS, LISTS[0], LISTS[1]))
"""What an API server does that has too much to do."""
habits = st.one_of(*(st.tuples(st.just(kind), st.sampled_from(ways)) for kind, ways in HABITS.items()))
OFTEN = (PUT_JOBS, POST_PODS, LISTS[0])
lags = st.sampled_from([0.0, 5.0, 40.0, 100.0])
"""Seconds until a watch hears of something."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What stays as it is in a life. The fewer kinds of trouble it has, the oftener two of them meet.

    `latency`: seconds that each request takes. `overloaded`: what befalls requests of some kinds all the time; where
    nothing does, `habits`. `kinds`: those that something befalls now and then. `pace`: seconds between two steps.
    `lags`: how late the last operator hears of jobs and of pods. `closed`: the first operator may not list what is in
    one of its namespaces, until it is calm. `asks_for`: see Calm.
    """

    cast: str
    slots: int
    page: int
    latency: float
    lease_seconds: int
    overloaded: Sequence[tuple[Kind, str]]
    habits: Sequence[tuple[Kind, str]]
    pace: float
    seed: int
    kinds: Sequence[Kind]
    lags: tuple[float, float]
    closed: bool
    asks_for: str
    first: Sequence[tuple[str, dict[str, Any]]]


settings = st.builds(
    Setting,
    cast=st.sampled_from([*CASTS, *TWICE]),
    slots=st.sampled_from([1, 1, 1, 2]),
    page=st.integers(1, 2),
    latency=st.sampled_from([0.0, 0.3, 0.3, 1.0]),
    overloaded=st.sampled_from([()] * 9 + list(OVERLOADED)),
    habits=st.lists(habits, min_size=1, max_size=3),
    lease_seconds=st.sampled_from([45, 90, 90]),
    pace=st.sampled_from([0.3, 2.0, 10.0, 10.0, 30.0]),
    seed=st.integers(0, 99),
    kinds=st.lists(st.sampled_from([*OFTEN, *KINDS]), min_size=1, max_size=4),
    lags=st.sampled_from([(0.0, 0.0)] * 3 + [(100.0, 0.0), (0.0, 100.0), (100.0, 100.0), (5.0, 40.0)]),
    closed=st.booleans(),
    asks_for=st.sampled_from([NOTHING, NOTHING, NOTHING, QUIET, SLOTS]),
    first=st.lists(st.tuples(namespaces, jobs), min_size=2, max_size=4),
)
