"""A node as far as pools are concerned: what it has room for, and who may go there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from spectrogram_operator.api.quantity import is_quantity, parse_quantity

_NONE = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """What keeps pods off a node that do not tolerate it."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """What is known of a node. Memory (bytes), cores and number of pods are those that pods may have of it.

    `usable`: it is ready, and nobody has cordoned it.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    memory_bytes: int = 0
    cores: Decimal = _NONE
    pods: int = 0
    usable: bool = True


def read_node(body: Mapping[str, Any]) -> Node:
    """The node in an API object."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    ready = {entry["type"]: entry.get("status") for entry in status.get("conditions") or ()}.get("Ready")
    allocatable = status.get("allocatable") or {}
    return Node(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        taints=tuple(
            Taint(key=entry["key"], value=entry.get("value") or "", effect=entry["effect"])
            for entry in spec.get("taints") or ()
        ),
        memory_bytes=int(_amount(allocatable, "memory")),
        cores=_amount(allocatable, "cpu"),
        pods=int(_amount(allocatable, "pods")),
        usable=ready == "True" and not spec.get("unschedulable"),
    )


def _amount(allocatable: Mapping[str, Any], resource: str) -> Decimal:
    text = allocatable.get(resource, "0")
    return parse_quantity(text) if is_quantity(text) else _NONE
