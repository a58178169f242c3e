"""A pod as the planner sees it: the few fields that decisions are made from, read from the API object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from spectrogram_operator.api.names import KUEUE_MANAGED, KUEUE_QUEUE, LABEL_QUEUE, MAIN_CONTAINER
from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_worker.contract.report import clean_text

_optional_time = TypeAdapter(datetime | None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """State of one container. `exit_code` is None until it has terminated, and again once it was restarted."""

    name: str
    running: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    exit_code: int | None = None
    terminated_reason: str = ""
    terminated_message: str = ""
    finished: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PodCondition:
    """One of the pod's conditions."""

    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """What is known of a pod. `gone` says that it no longer exists and this is the last that was seen of it.

    `gates` are what keeps it from the scheduler; `kueue_queue` is the queue of Kueue's that it is to wait in, and
    `kueue_manages` says that Kueue has seen it.
    `memory_bytes` is the limit of the worker's container, which a webhook may have lowered. `deletion_due` is when a
    pod that is being deleted should be gone: the request and its grace period.
    """

    namespace: str
    name: str
    uid: str
    owner_uid: str = ""
    owner_name: str = ""
    queue: str = ""
    kueue_queue: str = ""
    kueue_manages: bool = False
    gates: tuple[str, ...] = ()
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node_name: str = ""
    pod_ip: str = ""
    created: datetime | None = None
    started: datetime | None = None
    memory_bytes: int | None = None
    deleting: bool = False
    deletion_due: datetime | None = None
    gone: bool = False
    main: Container | None = None
    init: tuple[Container, ...] = ()
    others: tuple[Container, ...] = ()
    conditions: Mapping[str, PodCondition] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """True while a container of the pod runs, or may run: it takes memory, and it may write outputs."""
        return not self.finished and not self.gone

    @property
    def finished(self) -> bool:
        """True when no container of the pod runs any more, nor ever will."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def worker_runs(self) -> bool:
        """True while the worker's container runs. The phase alone may be about others: it is Pending while an injected
        one waits, and Running while the worker's does.
        """
        return self.main.running if self.main is not None else self.phase == "Running"

    @property
    def has_node(self) -> bool:
        """True once the scheduler has found a node for it."""
        scheduled = self.conditions.get("PodScheduled")
        return scheduled is not None and scheduled.status == "True"

    @property
    def node_answers(self) -> bool:
        """True where the pod is still Ready: where its node does not answer, Kubernetes sets that to False."""
        ready, disruption = self.conditions.get("Ready"), self.disruption
        evicted_from_node = disruption is not None and disruption.reason == "DeletionByTaintManager"
        return ready is not None and ready.status == "True" and not evicted_from_node and self.phase != "Unknown"

    @property
    def outlived_by_sidecar(self) -> bool:
        """True when the worker has ended and a container that somebody injected keeps the pod running."""
        ended = self.main is not None and self.main.exit_code is not None
        return ended and any(container.exit_code is None for container in self.others)

    @property
    def containers(self) -> tuple[Container, ...]:
        """Every container, the main one first."""
        return ((self.main,) if self.main else ()) + self.init + self.others

    @property
    def disruption(self) -> PodCondition | None:
        """The DisruptionTarget condition, where it is True (KEP-3329)."""
        condition = self.conditions.get("DisruptionTarget")
        return condition if condition is not None and condition.status == "True" else None

    @property
    def evicted_by_queue(self) -> PodCondition | None:
        """What Kueue (TerminationTarget) or Volcano (Ready, for the reason Evict) says before it deletes the pod."""
        target, ready = self.conditions.get("TerminationTarget"), self.conditions.get("Ready")
        if target is not None and target.status == "True":
            return target
        return ready if ready is not None and ready.status == "False" and ready.reason == "Evict" else None

    @property
    def disruption_called_off(self) -> bool:
        """True where a disruption was announced and did not come: Kubernetes takes it back after some two minutes."""
        condition = self.conditions.get("DisruptionTarget")
        return condition is not None and condition.status == "False"

    @property
    def finish_time(self) -> datetime | None:
        """When the main container ended."""
        return self.main.finished if self.main else None


def read_pod(body: Mapping[str, Any], *, gone: bool = False) -> Pod:
    """The pod in an API object."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels, spec = metadata.get("labels") or {}, body.get("spec") or {}
    owners = [owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
    containers = [_read_container(entry) for entry in status.get("containerStatuses") or ()]
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        owner_uid=owners[0]["uid"] if owners else "",
        owner_name=owners[0]["name"] if owners else "",
        queue=labels.get(LABEL_QUEUE, ""),
        kueue_queue=labels.get(KUEUE_QUEUE, ""),
        kueue_manages=KUEUE_MANAGED in labels,
        gates=tuple(clean_text(entry["name"]) for entry in spec.get("schedulingGates") or ()),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=clean_text(status.get("message") or ""),
        node_name=spec.get("nodeName") or "",
        pod_ip=status.get("podIP") or "",
        created=_optional_time.validate_python(metadata.get("creationTimestamp")),
        started=_optional_time.validate_python(status.get("startTime")),
        memory_bytes=_memory_limit(spec),
        deleting=bool(metadata.get("deletionTimestamp")),
        deletion_due=_optional_time.validate_python(metadata.get("deletionTimestamp")),
        gone=gone,
        main=next((container for container in containers if container.name == MAIN_CONTAINER), None),
        init=tuple(_read_container(entry) for entry in status.get("initContainerStatuses") or ()),
        others=tuple(container for container in containers if container.name != MAIN_CONTAINER),
        conditions={entry["type"]: _read_condition(entry) for entry in status.get("conditions") or ()},
    )


def _memory_limit(spec: Mapping[str, Any]) -> int | None:
    workers = (entry for entry in spec.get("containers") or () if entry["name"] == MAIN_CONTAINER)
    limits = [(entry.get("resources") or {}).get("limits") or {} for entry in workers]
    return parse_bytes(limits[0]["memory"]) if limits and "memory" in limits[0] else None


def _read_container(entry: Mapping[str, Any]) -> Container:
    state = entry.get("state") or {}
    waiting = state.get("waiting") or {}
    terminated = state.get("terminated") or {}
    if not terminated and "running" not in state:
        terminated = (entry.get("lastState") or {}).get("terminated") or {}
    return Container(
        name=entry["name"],
        running="running" in state,
        waiting_reason=waiting.get("reason") or "",
        waiting_message=clean_text(waiting.get("message") or ""),
        exit_code=terminated.get("exitCode"),
        terminated_reason=terminated.get("reason") or "",
        terminated_message=terminated.get("message") or "",
        finished=_optional_time.validate_python(terminated.get("finishedAt")),
    )


def _read_condition(entry: Mapping[str, Any]) -> PodCondition:
    return PodCondition(
        status=entry.get("status") or "Unknown",
        reason=entry.get("reason") or "",
        message=clean_text(entry.get("message") or ""),
        since=_optional_time.validate_python(entry.get("lastTransitionTime")),
    )
