"""The pools of the queues: SPECTROGRAM_POOLS, JSON with the fields that the chart's values have."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from spectrogram_operator.api.job import describe
from spectrogram_operator.api.quantity import format_bytes, parse_bytes
from spectrogram_operator.api.spec import AUTO, Quantity, QueueName, Resources
from spectrogram_operator.core.policy import MOST_CONCURRENT, Pool, default_pools
from spectrogram_operator.settings.values import whole
from spectrogram_worker.contract.base import Model


class Toleration(Model):
    """A toleration, as in a pod."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


def _number_or_auto(value: Any) -> Any:
    if value in (None, AUTO):
        return value
    try:
        return whole(0, MOST_CONCURRENT)(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is no number of jobs: {error}, or auto") from None


class PoolSettings(Resources):
    """One pool as the platform team writes it. What is left out is as in a cluster without special nodes."""

    max_memory: Quantity | None = None
    max_concurrent: Annotated[int | Literal["auto"] | None, BeforeValidator(_number_or_auto)] = None
    max_per_namespace: Annotated[int, Field(ge=0, le=MOST_CONCURRENT)] | None = None
    total_memory: Quantity | None = None
    node_selector: dict[str, str] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    priority_class_name: str | None = None
    scheduler_name: str | None = None
    runtime_class_name: str | None = None
    affinity: dict[str, Any] | None = None
    topology_spread_constraints: tuple[dict[str, Any], ...] | None = None
    pod_labels: dict[str, str] | None = None
    pod_annotations: dict[str, str] | None = None


_pools = TypeAdapter(dict[QueueName, PoolSettings])


def parse_pools(text: str) -> Mapping[QueueName, PoolSettings]:
    """What was written about each pool. Raises ValueError with the field that is wrong."""
    try:
        return _pools.validate_json(text)
    except ValidationError as error:
        raise ValueError(describe(error, "pools")) from None


def build_pools(written: Mapping[QueueName, PoolSettings], default_memory: int | None) -> dict[str, Pool]:
    """The pool of every queue; `default_memory` (bytes; None: auto) is that of the default queue where its pool does
    not say.

    Raises ValueError where a pool's jobs would start with more memory than the pool allows.
    """
    usual = default_pools()
    changes = {"auto_memory": True} if default_memory is None else {"memory_bytes": default_memory}
    usual[QueueName.DEFAULT] = replace(usual[QueueName.DEFAULT], **changes)
    return {
        queue: _build_pool(queue, written.get(QueueName(queue), PoolSettings()), pool) for queue, pool in usual.items()
    }


def _build_pool(queue: str, written: PoolSettings, usual: Pool) -> Pool:
    auto = usual.auto_memory if written.memory is None else written.memory == AUTO
    memory = usual.memory_bytes if auto or written.memory is None else parse_bytes(written.memory)
    # Raising the memory alone must not need a second setting: the maximum follows, unless it is written down.
    maximum = max(usual.max_memory_bytes, memory) if written.max_memory is None else parse_bytes(written.max_memory)
    if auto:
        memory = min(memory, maximum)
    elif memory > maximum:
        raise ValueError(
            f"the pool of {queue} has memory {format_bytes(memory)} above its maxMemory {format_bytes(maximum)}:"
            " lower the one or raise the other"
        )
    total = 0 if written.total_memory is None else parse_bytes(written.total_memory)
    if 0 < total < maximum:
        raise ValueError(
            f"the pool of {queue} has totalMemory {format_bytes(total)} below its maxMemory {format_bytes(maximum)}: a"
            " pod that needs it would wait for ever; raise the one or lower the other"
        )
    names = (
        "max_per_namespace",
        "node_selector",
        "priority_class_name",
        "scheduler_name",
        "runtime_class_name",
        "affinity",
        "topology_spread_constraints",
        "pod_labels",
        "pod_annotations",
    )
    changes: dict[str, Any] = {name: value for name in names if (value := getattr(written, name)) is not None}
    if written.max_concurrent == AUTO:
        changes |= {"auto_concurrent": True, "max_concurrent": 1}
    elif written.max_concurrent is not None:
        changes["max_concurrent"] = written.max_concurrent
    if written.cpu is not None:
        changes["cpu"] = str(written.cpu)
    if written.tolerations is not None:
        changes["tolerations"] = tuple(toleration.to_document() for toleration in written.tolerations)
    changes |= {"memory_bytes": memory, "max_memory_bytes": maximum, "auto_memory": auto, "total_memory_bytes": total}
    return replace(usual, **changes)


def pools_document(pools: Mapping[str, Pool]) -> dict[str, dict[str, Any]]:
    """The pools in the form in which they are written; what is empty is left out."""
    return {
        queue: {
            name: value
            for name, value in _fields(pool).items()
            if value not in ("", {}, []) and (name, value) != ("maxPerNamespace", 0)
        }
        for queue, pool in pools.items()
    }


def _fields(pool: Pool) -> dict[str, Any]:
    return {
        "memory": AUTO if pool.auto_memory else format_bytes(pool.memory_bytes),
        "maxMemory": format_bytes(pool.max_memory_bytes),
        "cpu": pool.cpu,
        "maxConcurrent": AUTO if pool.auto_concurrent else pool.max_concurrent,
        "maxPerNamespace": pool.max_per_namespace,
        "totalMemory": format_bytes(pool.total_memory_bytes) if pool.total_memory_bytes else "",
        "nodeSelector": dict(pool.node_selector),
        "tolerations": list(pool.tolerations),
        "priorityClassName": pool.priority_class_name,
        "schedulerName": pool.scheduler_name,
        "runtimeClassName": pool.runtime_class_name,
        "affinity": dict(pool.affinity),
        "topologySpreadConstraints": list(pool.topology_spread_constraints),
        "podLabels": dict(pool.pod_labels),
        "podAnnotations": dict(pool.pod_annotations),
    }
