"""The status of a SpectrogramJob: what is true now. Written by the operator only; terminal states never change."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.report import Dataset, Kernel, Memory, OutputFile, Progress, Warnings


class StatusModel(Model):
    """Status as read back: a field of a newer version is ignored, not an error."""

    model_config = ConfigDict(extra="ignore")


Text = Annotated[str, StringConstraints(max_length=1024)]
Name = Annotated[str, StringConstraints(max_length=253)]
Reason = Annotated[str, StringConstraints(max_length=128)]
Count = Annotated[int, Field(ge=0)]


class Phase(StrEnum):
    """One word for people; the planner never reads it back."""

    PENDING = "Pending"
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class AttemptState(StrEnum):
    """Creating: reserved, the pod may not exist yet. Created: the pod's UID is known. Finished: judged."""

    CREATING = "Creating"
    CREATED = "Created"
    FINISHED = "Finished"


class RetryClass(StrEnum):
    """What an outcome means for the job (rules 19 to 25)."""

    SUCCESS = "Success"
    USER = "User"
    MEMORY = "Memory"
    INFRASTRUCTURE = "Infrastructure"
    ZOMBIE = "Zombie"
    FATAL = "Fatal"
    HOLD = "Hold"


class ConditionType(StrEnum):
    """Types of conditions, as `kubectl wait --for=condition=…` names them."""

    ACCEPTED = "Accepted"
    ADMITTED = "Admitted"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    MEMORY_WARNING = "MemoryWarning"
    STALLED = "Stalled"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Condition(StatusModel):
    """One observation, in the form of metav1.Condition."""

    type: Annotated[str, StringConstraints(max_length=64)]
    """Type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Count | None = None
    """The generation of the spec that this was said of."""
    last_transition_time: datetime
    """When status last changed."""
    reason: Reason
    """Why, in one CamelCase word."""
    message: Text = ""
    """Why, in a sentence."""


class Retries(StatusModel):
    """How much of each budget is used."""

    user: Count = 0
    """Retries after errors that the worker reported; the limit is spec.retry.limit."""
    infra: Count = 0
    """Retries after disruptions; the limit is an operator setting, 5."""
    reroutes: Count = 0
    """Moves to the large queue, at no cost; at most one."""


class Attempt(StatusModel):
    """One pod of the job."""

    number: Annotated[int, Field(ge=1)]
    """Number of the attempt, from 1; it names the pod."""
    state: AttemptState
    """Creating, Created or Finished."""
    pod_name: Name
    """Name of the pod."""
    pod_uid: Annotated[str, StringConstraints(max_length=64)] | None = Field(default=None, alias="podUID")
    """UID of the pod."""
    node_name: Name | None = None
    """Node that ran the pod."""
    pool: Annotated[str, StringConstraints(max_length=64)]
    """Node pool of the pod: the queue's name."""
    memory_bytes: Count
    """Memory limit of the pod, in bytes."""
    reserved_time: datetime | None = None
    """When the attempt was reserved."""
    start_time: datetime | None = None
    """When the pod started."""
    finish_time: datetime | None = None
    """When the attempt ended."""
    reason: Reason | None = None
    """Why it ended; while it still runs: evidence of why it is about to end, such as Drained."""
    retry_class: RetryClass | None = Field(default=None, alias="class")
    """What the reason means for retries."""
    exit_code: int | None = None
    """Exit code of the worker."""
    columns_done: Count | None = None
    """Columns that the worker had done when it ended, as far as it said."""
    creations: Count = 0
    """How often a pod of it was created that nobody ever saw."""
    creation_time: datetime | None = None
    """When its pod was last created again."""
    refusals: Count = 0
    """How often the API server held its pod back, for want of quota for example."""
    peak_memory_bytes: Count | None = None
    """Highest resident memory of the worker, in bytes."""
    kernel: Kernel = None
    """What computed the transform, as far as the worker said: compiled or scipy.fft."""
    message: Text | None = None
    """Why it ended, in a sentence."""


class JobProgress(Progress, StatusModel):
    """How far the running attempt is."""

    text: Annotated[str, StringConstraints(max_length=16)] | None = None
    """The percentage as text, for the table of kubectl get."""
    advance_time: datetime | None = None
    """When the worker last advanced in anything, a download among it, by its own clock."""


class JobMemory(Memory, StatusModel):
    """Memory of the running or last attempt."""

    text: Annotated[str, StringConstraints(max_length=32)] | None = None
    """Peak against limit as text, for the table of kubectl get."""
    peak_text: Annotated[str, StringConstraints(max_length=16)] | None = None
    """Peak as text, for the wide table of kubectl get."""


class SpectrogramJobStatus(StatusModel):
    """What is true of the job now."""

    observed_generation: Count | None = None
    """The generation of the spec that this status is about."""
    phase: Phase | None = None
    """One word for people: Pending Queued Starting Running Retrying Suspended Succeeded Failed Cancelled."""
    reason: Reason | None = None
    """Why the job is in this phase, in one CamelCase word."""
    message: Text | None = None
    """Why the job is in this phase, in a sentence."""
    queue: Annotated[str, StringConstraints(max_length=64)] | None = None
    """Queue of the job: default or large_jobs."""
    attempt: Count = 0
    """Number of the last attempt; rises with every pod."""
    attempt_text: Annotated[str, StringConstraints(max_length=16)] | None = None
    """Tries against the limit, as in 2/3."""
    retries: Retries = Retries()
    """How much of each budget is used."""
    start_time: datetime | None = None
    """When the first attempt was reserved."""
    completion_time: datetime | None = None
    """When the job ended, successfully or not: to wait for it serves both."""
    next_attempt_at: datetime | None = None
    """Not before this time does the next attempt start."""
    pod_name: Name | None = None
    """Pod of the running attempt."""
    node_name: Name | None = None
    """Node of the running attempt."""
    heartbeat_time: datetime | None = None
    """When the worker last answered."""
    last_advance_time: datetime | None = None
    """When the worker's progress last advanced."""
    progress: JobProgress | None = None
    """How far the running attempt is."""
    memory: JobMemory | None = None
    """Memory of the running or last attempt."""
    dataset: Dataset | None = None
    """What the recording turned out to be."""
    warnings: Warnings = ()
    """What a person should know about the result, at most eight lines of the worker; all of them are in its log."""
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=10)] = ()
    """The last ten attempts, oldest first."""
    outputs: Annotated[tuple[OutputFile, ...], Field(max_length=16)] = ()
    """What the job left behind."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    )
    """Accepted, Admitted, Running, Suspended, MemoryWarning, Stalled, Complete, Failed."""


_FINAL = ("phase", "completionTime", "attempt", "conditions")
_IS_END = "(c.type == 'Complete' || c.type == 'Failed') && c.status == 'True'"
STATUS_RULES = {
    "": [
        {
            "rule": f"has(self.{name}) || !has(oldSelf.{name})",
            "message": f"{name} cannot be removed",
            "fieldPath": f".{name}",
        }
        for name in _FINAL
    ],
    "phase": [
        {
            "rule": "self == oldSelf || !(oldSelf in ['Succeeded', 'Failed', 'Cancelled'])",
            "message": "a finished job stays as it is: its phase is final",
        }
    ],
    "completionTime": [{"rule": "self == oldSelf", "message": "completionTime is final"}],
    "attempt": [{"rule": "self >= oldSelf", "message": "attempt only rises"}],
    "conditions": [
        {
            "rule": f"oldSelf.all(c, !({_IS_END}) || self.exists(d, d.type == c.type && d.status == 'True'))",
            "message": "the conditions Complete and Failed are final: a finished job stays as it is",
        },
        {
            "rule": f"self.filter(c, {_IS_END}).size() < 2",
            "message": "a job is Complete or Failed, never both",
        },
    ],
}
"""Conditions between an old and a new status, by field ("": the status itself); the API server enforces them (rule 14)."""
ROOT_RULES = (
    {"rule": "!has(oldSelf.status) || has(self.status)", "message": "status cannot be removed", "fieldPath": ".status"},
)
