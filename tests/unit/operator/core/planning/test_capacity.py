"""How many jobs run at once where the pool's nodes say it: what fits on them, and one more."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spectrogram_operator.core.judging.node import Node, Taint, read_node
from spectrogram_operator.core.planning.capacity import most_at_once
from spectrogram_operator.core.policy import GIBIBYTE, Pool

POOL = Pool(memory_bytes=GIBIBYTE, max_memory_bytes=4 * GIBIBYTE, auto_concurrent=True, max_concurrent=1)
NODE = Node(
    name="n-1", labels={"disk": "nvme", "gen": "7"}, memory_bytes=4 * GIBIBYTE, cores=Decimal(8), pods=110, usable=True
)
LARGE = Taint(key="pool", value="large")


def nodes(count: int, **changes: Any) -> list[Node]:
    return [replace(NODE, **changes)] * count


def fits(pool: Mapping[str, Any], **node: Any) -> bool:
    """Whether the node counts."""
    return most_at_once(replace(POOL, **pool), nodes(1, **node)) > 1


@pytest.mark.parametrize(
    ("found", "most"),
    [
        ([], 1),
        (nodes(1), 5),
        (nodes(3), 13),
        (nodes(3, memory_bytes=3 * GIBIBYTE // 2), 4),
        (nodes(1, memory_bytes=GIBIBYTE - 1), 1),
        (nodes(1, cores=Decimal("2.9")), 3),
        (nodes(1, pods=1), 2),
        (nodes(1, usable=False), 1),
        (nodes(50_000), 100_000),
    ],
    ids=["none", "one", "three", "what is left of each", "too small", "cores", "pods", "cordoned", "very many"],
)
def test_as_many_as_fit_and_one_that_asks_for_the_next_node(found: list[Node], most: int) -> None:
    assert most_at_once(POOL, found) == most


def test_by_what_a_job_of_the_pool_asks_for() -> None:
    assert most_at_once(replace(POOL, memory_bytes=2 * GIBIBYTE), nodes(2)) == 5
    assert most_at_once(replace(POOL, cpu="500m"), nodes(1, cores=Decimal("1.5"))) == 4


@pytest.mark.parametrize(
    ("tolerations", "taint", "counts"),
    [
        ([], LARGE, False),
        ([], replace(LARGE, effect="NoExecute"), False),
        ([], replace(LARGE, effect="PreferNoSchedule"), True),
        ([{"key": "pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"}], LARGE, True),
        ([{"key": "pool", "value": "large"}], LARGE, True),
        ([{"key": "pool", "value": "small"}], LARGE, False),
        ([{"key": "other", "value": "large"}], LARGE, False),
        ([{"key": "pool", "value": "large", "effect": "NoExecute"}], LARGE, False),
        ([{"key": "pool", "operator": "Exists"}], LARGE, True),
        ([{"key": "other", "operator": "Exists"}], LARGE, False),
        ([{"operator": "Exists"}], LARGE, True),
        ([{"key": "pool"}], Taint(key="pool"), True),
    ],
)
def test_taints_that_the_pool_does_not_tolerate(tolerations: list[Any], taint: Taint, counts: bool) -> None:
    assert fits({"tolerations": tuple(tolerations)}, taints=(taint,)) is counts


def test_every_taint_and_every_label_counts() -> None:
    exists = ({"key": "pool", "operator": "Exists"},)
    assert not fits({"tolerations": exists}, taints=(LARGE, Taint(key="other")))
    assert fits({"node_selector": {"disk": "nvme", "gen": "7"}})
    assert not fits({"node_selector": {"disk": "nvme", "gen": "8"}})
    assert not fits({"node_selector": {"zone": "a"}})


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("affinity", "counts"),
    [
        ({}, True),
        ({"podAntiAffinity": {}}, True),
        ({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}, True),
        (required(label("disk", "In", "ssd", "nvme")), True),
        (required(label("disk", "In", "ssd")), False),
        (required(label("disk", "NotIn", "ssd")), True),
        (required(label("disk", "NotIn", "nvme")), False),
        (required(label("zone", "NotIn", "a")), True),
        (required(label("disk", "Exists")), True),
        (required(label("zone", "Exists")), False),
        (required(label("zone", "DoesNotExist")), True),
        (required(label("disk", "DoesNotExist")), False),
        (required(label("gen", "Gt", "6")), True),
        (required(label("gen", "Gt", "7")), False),
        (required(label("gen", "Lt", "8")), True),
        (required(label("gen", "Lt", "7")), False),
        (required(label("disk", "Gt", "6")), False),
        (required(label("gen", "Gt")), False),
        (required(label("zone", "Gt", "6")), False),
        (required(label("disk", "Near", "nvme")), False),
        (required(label("zone", "Exists"), label("disk", "Exists")), True),
        (required({"matchExpressions": [*label("disk", "Exists")["matchExpressions"], {"operator": "Exists"}]}), False),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n-1"]}]}), True),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n-2"]}]}), False),
        (required({}), False),
        (required(), False),
    ],
)
def test_what_the_affinity_requires_of_a_node(affinity: dict[str, Any], counts: bool) -> None:
    assert fits({"affinity": affinity}) is counts


def test_a_node_as_the_api_server_shows_it() -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "n-1", "labels": {"disk": "nvme"}},
        "spec": {"taints": [{"key": "pool", "value": "large", "effect": "NoSchedule"}]},
        "status": {
            "allocatable": {"memory": "3938300Ki", "cpu": "3920m", "pods": "110"},
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        },
    }
    node = Node(
        name="n-1",
        labels={"disk": "nvme"},
        taints=(LARGE,),
        memory_bytes=3938300 * 1024,
        cores=Decimal("3.92"),
        pods=110,
    )
    assert read_node(body) == node
    assert not read_node({**body, "spec": {"unschedulable": True}}).usable
    assert not read_node({"metadata": {"name": "just-made"}}).usable
    for ready in ("False", "Unknown"):
        silent = body["status"] | {"conditions": [{"type": "Ready", "status": ready}]}
        assert not read_node({**body, "status": silent}).usable
    odd = body["status"] | {"allocatable": {"memory": "much", "cpu": "1"}}
    assert read_node({**body, "status": odd}).memory_bytes == 0
