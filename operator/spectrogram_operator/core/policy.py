"""What the platform team decides: pools, limits, budgets and timeouts, as the planner reads them.

`settings/reading.py` fills this from the environment; a test builds it by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spectrogram_operator.api.spec import QueueName
from spectrogram_worker.contract.document import Bucket

MEBIBYTE = 2**20
GIBIBYTE = 2**30
MOST_CONCURRENT = 100_000
"""Of a pool's jobs, whoever says how many: a setting, or its nodes."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The nodes of one queue: where its pods go, how much each may use, and how many run at once.

    `max_per_namespace` of them may be of one namespace, and together they may have `total_memory_bytes` (0: no limit).
    A job that does not say gets `memory_bytes`; with `auto_memory` what its estimate asks for. With `auto_concurrent`
    the pool's nodes say how many run at once, and `max_concurrent` holds until they are known.
    """

    memory_bytes: int
    max_memory_bytes: int
    auto_memory: bool = False
    auto_concurrent: bool = False
    cpu: str = "1"
    max_concurrent: int = 2
    max_per_namespace: int = 0
    total_memory_bytes: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class_name: str = ""
    scheduler_name: str = ""
    runtime_class_name: str = ""
    affinity: Mapping[str, Any] = field(default_factory=dict)
    topology_spread_constraints: tuple[Mapping[str, Any], ...] = ()
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)


def default_pools() -> dict[str, Pool]:
    """The two pools of a cluster without special nodes."""
    return {
        QueueName.DEFAULT: Pool(memory_bytes=GIBIBYTE, max_memory_bytes=4 * GIBIBYTE),
        QueueName.LARGE_JOBS: Pool(memory_bytes=4 * GIBIBYTE, max_memory_bytes=16 * GIBIBYTE),
    }


@dataclass(frozen=True, kw_only=True)
class Store:
    """A place for recordings and results: a claim of the job's namespace, or a bucket and what opens it.

    `credentials_secret` is the Secret that holds the keys of contract.CREDENTIALS, `service_account` an account with a
    cloud's identity; both in the job's namespace, neither known to the job's author.
    """

    claim_name: str = ""
    bucket: Bucket | None = None
    credentials_secret: str = ""
    service_account: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings of the planner. Times in seconds, sizes in bytes."""

    worker_image: str = "spectrogram-worker:latest"
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = "default"
    pools: Mapping[str, Pool] = field(default_factory=default_pools)
    memory_corrections: Mapping[str, float] = field(default_factory=dict)
    """By class of jobs (core/building/correction.py): by how much their estimates are multiplied, as was learnt."""
    run_as_user: int = 65532
    fs_group: int = 65532
    scratch_bytes: int = GIBIBYTE
    stores: Mapping[str, Store] = field(default_factory=dict)
    allowed_url_hosts: tuple[str, ...] = ()
    kueue: bool = False
    """Whether jobs may name a queue of Kueue's, whose quotas stand in place of the pools' limits."""

    soft_seconds: int = 600
    hard_seconds: int = 900
    safeguard_percent: float = 95.0
    large_dataset_bytes: int = 500_000_000

    poll_seconds: float = 5.0
    stale_seconds: float = 3600.0
    status_seconds: float = 10.0
    heartbeat_seconds: float = 60.0
    missing_seconds: float = 10.0
    node_lost_seconds: float = 600.0

    infrastructure_retries: int = 5
    backoff_seconds: float = 10.0
    max_backoff_seconds: float = 600.0

    pending_seconds: float = 3600.0
    startup_seconds: float = 900.0
    image_pull_seconds: float = 300.0
    refusal_seconds: float = 30.0
    max_refusal_seconds: float = 300.0
    termination_grace_seconds: int = 30

    keep_succeeded_seconds: float = 3600.0
    keep_failed_seconds: float = 86_400.0
    default_ttl_seconds: int | None = None
    """Of jobs that do not say when they go after their end; None: they stay."""
