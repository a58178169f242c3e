"""The spec of a SpectrogramJob: what a user may ask for. Source of crds/, of `kubectl explain`, and of the planner.

There is no image, account, secret, volume source, endpoint or node field here, and there never will be: those belong to
the platform team (README.md of the chart).
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, WithJsonSchema

from spectrogram_operator.api.quantity import QUANTITY_PATTERN, is_quantity, parse_bytes, parse_quantity
from spectrogram_worker.contract.addresses import ADDRESS_PATTERN
from spectrogram_worker.contract.base import Model, Rule, pattern_rule
from spectrogram_worker.contract.parameters import (
    Chunking,
    FrequencyRange,
    OutputSelection,
    RecordingOptions,
    RecordingPath,
    Reduce,
    Transform,
)

Quantity = Annotated[
    int | str,
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}),
    Rule(
        cel=f"type(self) == int ? self >= 0 : self.matches('{QUANTITY_PATTERN}')".replace("\\", "\\\\"),
        message="is not a quantity: write a number with an optional unit, as in 512Mi or 2Gi",
        holds=is_quantity,
    ),
]
AUTO = "auto"
MemoryRequest = Annotated[
    int | str,
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}),
    Rule(
        cel=f"type(self) == int ? self >= 0 : self == '{AUTO}' || self.matches('{QUANTITY_PATTERN}')".replace(
            "\\", "\\\\"
        ),
        message="is not a quantity: write a number with an optional unit, as in 512Mi or 2Gi, or auto",
        holds=lambda memory: memory == AUTO or is_quantity(memory),
    ),
    Rule(
        cel="type(self) == int ? self >= 67108864"
        " : !isQuantity(self) || quantity(self).compareTo(quantity('64Mi')) >= 0",
        message="must be at least 64Mi: write it with its unit, as in 512Mi or 2Gi",
        holds=lambda memory: memory == AUTO or parse_bytes(memory) >= 64 * 2**20,
    ),
]
ClaimName = Annotated[
    str,
    StringConstraints(max_length=253),
    pattern_rule(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "is no name: write lower-case letters, digits, - and ., with a letter or digit at both ends",
    ),
]
LocalQueueName = Annotated[
    str,
    StringConstraints(max_length=63),
    pattern_rule(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "is no queue's name: write lower-case letters, digits, - and ., with a letter or digit at both ends",
    ),
]
"""Of a LocalQueue of Kueue's, short enough for the value of a label."""
Address = Annotated[
    str,
    StringConstraints(max_length=2048),
    pattern_rule(ADDRESS_PATTERN, "is no address of a file: write https://HOST/PATH/FILE, without user and without #"),
]


MOST_TTL_SECONDS = 2_147_483_647
"""As of Kubernetes' own Jobs."""


class QueueName(StrEnum):
    """The queues; each has its own node pool."""

    DEFAULT = "default"
    LARGE_JOBS = "large_jobs"


class Input(RecordingOptions):
    """The recording to read."""

    claim_name: ClaimName | None = None
    """A PersistentVolumeClaim of this namespace; it is mounted read-only."""
    store: ClaimName | None = None
    """A data store, by the name that the platform team gave it; it is only read."""
    url: Address | None = None
    """The https address of a file, on a host that the platform team allows; it is copied before it is read."""
    path: RecordingPath | None = None
    """Where the recording is, relative to the claim or store: a file, or the folder of a Digital RF recording. No '..', no leading '/'. Not with url."""
    size: Quantity | None = None
    """Size of the recording, as in 12Gi: a hint that chooses the queue at once. Measured by the worker when absent."""
    rules = (
        Rule(
            cel="[has(self.claimName), has(self.store), has(self.url)].filter(x, x).size() == 1",
            message="input is in one place: write one of claimName, store and url, and remove the others",
            holds=lambda i: [i.claim_name, i.store, i.url].count(None) == 2,
        ),
        Rule(
            cel="has(self.path) || has(self.url)",
            message="path is needed with claimName and store: write where the recording is in there",
            holds=lambda i: i.path is not None or i.url is not None,
            field="path",
        ),
        Rule(
            cel="!has(self.path) || !has(self.url)",
            message="path does not go with url, which names the file itself: remove path",
            holds=lambda i: i.path is None or i.url is None,
            field="path",
        ),
        *RecordingOptions.rules,
    )


class Output(OutputSelection):
    """Where the results go."""

    claim_name: ClaimName | None = None
    """A PersistentVolumeClaim of this namespace; it may be the input's."""
    store: ClaimName | None = None
    """A data store, by the name that the platform team gave it; it may be the input's."""
    rules = (
        Rule(
            cel="has(self.claimName) != has(self.store)",
            message="output goes to one place: write one of claimName and store, and remove the other",
            holds=lambda o: (o.claim_name is None) != (o.store is None),
        ),
    )


class Resources(Model):
    """What the worker pod may use."""

    memory: MemoryRequest | None = None
    """Memory, request and limit in one, as in 1Gi. auto: what the estimate asks for, of which it is 80 %. Default: the pool's (1Gi in the default queue, 4Gi in large_jobs)."""
    cpu: (
        Annotated[
            Quantity,
            Rule(
                cel="type(self) == int ? self >= 1"
                " : !isQuantity(self) || quantity(self).compareTo(quantity('50m')) >= 0",
                message="must be at least 50m: write cores, as in 2, or thousandths, as in 500m",
                holds=lambda cpu: parse_quantity(cpu) * 1000 >= 50,
            ),
        ]
        | None
    ) = None
    """CPU, as in 2 or 500m; whole cores are transform threads. Default: the pool's, 1."""


class TimeLimits(Model):
    """How long one attempt may take."""

    soft_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    """After this many seconds the worker stops in order and keeps what is complete. Default: the operator's setting, 600."""
    hard_seconds: Annotated[int, Field(ge=2, le=31_536_000)] | None = None
    """After this many seconds, image pulls included, the pod is killed. Default: the operator's setting, 900."""
    rules = (
        Rule(
            cel="!has(self.softSeconds) || !has(self.hardSeconds) || self.softSeconds < self.hardSeconds",
            message="softSeconds must be less than hardSeconds: lower softSeconds or raise hardSeconds",
            holds=lambda t: t.soft_seconds is None or t.hard_seconds is None or t.soft_seconds < t.hard_seconds,
            field="softSeconds",
        ),
    )


class Retry(Model):
    """What happens after an attempt that failed."""

    limit: Annotated[int, Field(ge=0, le=10)] = 2
    """Retries after errors that the worker reports, 0 to 10; disruptions have a budget of their own. Default: 2."""
    zombies: Literal["Fail", "Retry"] = "Fail"
    """Fail (default): an OOM-killed or missing pod fails the job. Retry: it is retried, with more memory after an OOM kill."""


IMMUTABLE_FIELDS = (
    "input",
    "transform",
    "reduce",
    "frequencyRange",
    "output",
    "resources",
    "timeLimits",
    "chunking",
    "queue",
    "queueName",
    "retry",
)


class SpectrogramJobSpec(Model):
    """What to compute, from which recording, into which folder, and with what limits."""

    input: Input
    """The recording to read."""
    output: Output
    """Where the results go."""
    transform: Transform = Transform()
    """The short-time Fourier transform."""
    reduce: Reduce = Reduce()
    """How frames become columns."""
    frequency_range: FrequencyRange | None = None
    """The band to keep. Default: all of it."""
    resources: Resources | None = None
    """What the worker pod may use. Default: the pool's."""
    time_limits: TimeLimits | None = None
    """How long one attempt may take. Default: the operator's settings."""
    chunking: Chunking = Chunking()
    """How much is read at a time; it never changes the result."""
    queue: Literal["auto", "default", "large_jobs"] = "auto"
    """auto (default) chooses by size: recordings above 500 MB, or that need more memory than the default pool has, go to large_jobs."""
    queue_name: LocalQueueName | None = None
    """A queue of Kueue's in this namespace (a LocalQueue): it says when the job's pods may start, where the platform team allows it. Default: the operator's own queues say."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    """Higher starts first within its namespace, 0 to 1000; not with queueName. Default: 0. May be changed later."""
    retry: Retry = Retry()
    """What happens after an attempt that failed."""
    suspend: bool = False
    """true: run no pod; a running one is ended and the attempt does not count. May be changed later. Default: false."""
    cancelled: bool = False
    """true: end the job for good and keep its record. It cannot be set back. Default: false."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=MOST_TTL_SECONDS)] | None = None
    """Seconds after its end at which the job is deleted, and its pods with it; 0: at once. Results stay. May be changed later. Default: the operator's setting; as installed, never."""
    rules = (
        Rule(
            cel="!has(self.queueName) || self.priority == 0",
            message="priority orders the operator's own queues, and with queueName Kueue has the order: remove priority",
            holds=lambda s: s.queue_name is None or s.priority == 0,
            field="priority",
        ),
    )


UNCHANGED = (
    "spec cannot be changed except suspend, cancelled, priority and ttlSecondsAfterFinished: create a new job instead"
)
"""What the API server says of a change to one of IMMUTABLE_FIELDS."""
TRANSITION_RULES = {
    "cancelled": [
        {"rule": "!oldSelf || self", "message": "cancelled cannot be set back to false: create a new job instead"}
    ],
}
"""Conditions between an old and a new spec, by field; the API server enforces them (rule 15)."""
