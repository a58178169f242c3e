"""The table of all settings. `spectrogram-operator --show-settings` and the chart's values are held against it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spectrogram_operator.api.spec import MOST_TTL_SECONDS
from spectrogram_operator.settings.pools import parse_pools
from spectrogram_operator.settings.stores import parse_allowed_hosts, parse_stores
from spectrogram_operator.settings.values import (
    choice,
    megabytes,
    namespaces,
    number,
    quantity,
    quantity_or_auto,
    secrets,
    text,
    whole,
    whole_or_never,
    yes_or_no,
)

_LONGEST_SECONDS = 31_536_000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: the field that it fills, how people write it, and what it means."""

    field: str
    name: str
    replaces: str = ""
    """Its name in the system that this one replaces; `name` wins where both are set."""
    default: str
    unit: str = ""
    description: str
    parse: Callable[[str], Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that set it, the one that wins first."""
        return (self.name, self.replaces) if self.replaces else (self.name,)


def _seconds(field: str, name: str, default: str, description: str, replaces: str = "", least: float = 0.01) -> Setting:
    return Setting(
        field=field,
        name=name,
        replaces=replaces,
        default=default,
        unit="s",
        description=description,
        parse=number(least, _LONGEST_SECONDS),
    )


SETTINGS: tuple[Setting, ...] = (
    # What is watched and served.
    Setting(
        field="namespaces",
        name="SPECTROGRAM_NAMESPACES",
        default="",
        description="namespaces to watch, separated by commas; empty: all",
        parse=namespaces,
    ),
    Setting(
        field="log_level",
        name="SPECTROGRAM_LOG_LEVEL",
        default="info",
        description="least severity that is logged: debug, info, warning or error",
        parse=choice("debug", "info", "warning", "error"),
    ),
    Setting(
        field="health_port",
        name="SPECTROGRAM_HEALTH_PORT",
        default="8080",
        description="port of GET /healthz and /readyz",
        parse=whole(1, 65535),
    ),
    Setting(
        field="metrics_port",
        name="SPECTROGRAM_METRICS_PORT",
        default="9090",
        description="port of GET /metrics",
        parse=whole(1, 65535),
    ),
    Setting(
        field="lease_seconds",
        name="SPECTROGRAM_LEASE_DURATION",
        default="30",
        unit="s",
        description="after this time another operator takes over from one that has died; renewed three times in it",
        parse=whole(3, 3600),
    ),
    # The workers' pods.
    Setting(
        field="worker_image",
        name="SPECTROGRAM_WORKER_IMAGE",
        default="spectrogram-worker:latest",
        description="image of the worker",
        parse=text,
    ),
    Setting(
        field="image_pull_policy",
        name="SPECTROGRAM_IMAGE_PULL_POLICY",
        default="IfNotPresent",
        description="when nodes pull the worker's image: Always, IfNotPresent or Never",
        parse=choice("Always", "IfNotPresent", "Never"),
    ),
    Setting(
        field="image_pull_secrets",
        name="SPECTROGRAM_IMAGE_PULL_SECRETS",
        default="",
        description="Secrets of the job's namespace for pulling the worker's image, separated by commas",
        parse=secrets,
    ),
    Setting(
        field="service_account",
        name="SPECTROGRAM_WORKER_SERVICE_ACCOUNT",
        default="default",
        description="service account of the workers, in the job's namespace; its token is never mounted",
        parse=text,
    ),
    Setting(
        field="run_as_user",
        name="SPECTROGRAM_WORKER_RUN_AS_USER",
        default="65532",
        description="user ID of the workers; never root",
        parse=whole(1, 2**31 - 1),
    ),
    Setting(
        field="fs_group",
        name="SPECTROGRAM_WORKER_FS_GROUP",
        default="65532",
        description="group ID that may write the output claim",
        parse=whole(1, 2**31 - 1),
    ),
    Setting(
        field="scratch_bytes",
        name="SPECTROGRAM_SCRATCH_SIZE",
        default="1Gi",
        description="temporary disk space of each worker",
        parse=quantity("16Mi"),
    ),
    # Where recordings and results may be, beside claims.
    Setting(
        field="stores",
        name="SPECTROGRAM_STORES",
        default="{}",
        description="JSON, data stores by name: claimName, or bucket, endpoint, prefix, region, credentialsSecret,"
        " serviceAccount",
        parse=parse_stores,
    ),
    Setting(
        field="allowed_url_hosts",
        name="SPECTROGRAM_ALLOWED_URL_HOSTS",
        default="[]",
        description="JSON, hosts that spec.input.url may name: HOST or *.HOST, with :PORT where that is not 443",
        parse=parse_allowed_hosts,
    ),
    # The queues.
    Setting(
        field="pools",
        name="SPECTROGRAM_POOLS",
        default="{}",
        description="JSON, per queue (default, large_jobs): memory, maxMemory, cpu, maxConcurrent (a number, or auto),"
        " maxPerNamespace, totalMemory, nodeSelector, tolerations, affinity, topologySpreadConstraints,"
        " priorityClassName, schedulerName, runtimeClassName, podLabels, podAnnotations",
        parse=parse_pools,
    ),
    Setting(
        field="default_memory",
        name="SPECTROGRAM_DEFAULT_MEMORY",
        replaces="CELERY_WORKER_MAX_MEMORY_PER_CHILD",
        default="1Gi",
        description="memory of a job of the default queue, unless SPECTROGRAM_POOLS says; a plain number is bytes;"
        " auto: what the job's estimate asks for",
        parse=quantity_or_auto("64Mi"),
    ),
    Setting(
        field="large_dataset_bytes",
        name="SPECTROGRAM_LARGE_DATASET_MEGABYTES",
        default="500",
        unit="MB",
        description="recordings above this size go to the queue large_jobs; 1 MB is 10⁶ bytes",
        parse=megabytes,
    ),
    Setting(
        field="kueue",
        name="SPECTROGRAM_KUEUE",
        default="false",
        description="true: a job may name a queue of Kueue's in spec.queueName, whose quotas stand in place of"
        " maxConcurrent, maxPerNamespace and totalMemory",
        parse=yes_or_no,
    ),
    Setting(
        field="memory_correction",
        name="SPECTROGRAM_MEMORY_CORRECTION",
        default="false",
        description="true: what workers took corrects the memory of later jobs that leave it to their estimate, 1 to 2"
        " times; kept in a ConfigMap of their namespace",
        parse=yes_or_no,
    ),
    # Limits of one attempt.
    Setting(
        field="soft_seconds",
        name="SPECTROGRAM_SOFT_TIME_LIMIT",
        replaces="CELERY_TASK_SOFT_TIME_LIMIT",
        default="600",
        unit="s",
        description="after this time a worker stops in order and keeps what is complete",
        parse=whole(1, _LONGEST_SECONDS),
    ),
    Setting(
        field="hard_seconds",
        name="SPECTROGRAM_HARD_TIME_LIMIT",
        replaces="CELERY_TASK_TIME_LIMIT",
        default="900",
        unit="s",
        description="after this time, image pulls included, a worker's pod is killed",
        parse=whole(1, _LONGEST_SECONDS),
    ),
    Setting(
        field="safeguard_percent",
        name="SPECTROGRAM_MEMORY_SAFEGUARD_THRESHOLD",
        replaces="MEMORY_SAFEGUARD_THRESHOLD",
        default="95.0",
        unit="%",
        description="share of its memory limit at which a worker stops itself",
        parse=number(1, 100),
    ),
    Setting(
        field="termination_grace_seconds",
        name="SPECTROGRAM_TERMINATION_GRACE",
        default="30",
        unit="s",
        description="time that a worker has to stop in order when its pod is deleted",
        parse=whole(1, 3600),
    ),
    # Looking after jobs.
    _seconds("sweep_seconds", "SPECTROGRAM_SWEEP_INTERVAL", "120", "time between two looks for zombies and stale jobs"),
    _seconds(
        "poll_seconds",
        "SPECTROGRAM_POLL_INTERVAL",
        "5",
        "time between two questions to a running worker how far it is",
        replaces="JOB_POLL_INTERVAL",
    ),
    Setting(
        field="max_poll_attempts",
        name="SPECTROGRAM_MAX_POLL_ATTEMPTS",
        replaces="JOB_MAX_POLL_ATTEMPTS",
        default="120",
        description="polls after which `spectrogram wait` gives up",
        parse=whole(1, 10**9),
    ),
    _seconds(
        "stale_seconds",
        "SPECTROGRAM_STALE_TIMEOUT",
        "3600",
        "a worker that answers but has not advanced for this time has failed",
        replaces="JOB_STALE_TIMEOUT",
    ),
    _seconds(
        "status_seconds", "SPECTROGRAM_STATUS_INTERVAL", "10", "least time between two writes of a job's progress"
    ),
    _seconds(
        "heartbeat_seconds", "SPECTROGRAM_HEARTBEAT_INTERVAL", "60", "time between two writes of heartbeatTime alone"
    ),
    _seconds(
        "missing_seconds",
        "SPECTROGRAM_MISSING_GRACE",
        "10",
        "a pod is missing when it is not found twice, this time apart",
    ),
    _seconds(
        "node_lost_seconds",
        "SPECTROGRAM_NODE_LOST_GRACE",
        "600",
        "a pod that should have ended this long ago, on a node that does not answer, is given up",
    ),
    _seconds(
        "pending_seconds", "SPECTROGRAM_PENDING_TIMEOUT", "3600", "a pod that no node takes for this time fails the job"
    ),
    _seconds(
        "startup_seconds",
        "SPECTROGRAM_STARTUP_TIMEOUT",
        "900",
        "a scheduled pod that has not started after this time is replaced",
    ),
    _seconds(
        "image_pull_seconds",
        "SPECTROGRAM_IMAGE_PULL_TIMEOUT",
        "300",
        "an image that cannot be pulled for this time fails the job",
    ),
    _seconds(
        "refusal_seconds",
        "SPECTROGRAM_REFUSAL_WAIT",
        "30",
        "time before a pod that the API server refused, for quota for example, is created again; it doubles with each",
    ),
    _seconds("max_refusal_seconds", "SPECTROGRAM_MAX_REFUSAL_WAIT", "300", "longest time between two such tries"),
    # Retries.
    Setting(
        field="infrastructure_retries",
        name="SPECTROGRAM_INFRASTRUCTURE_RETRIES",
        default="5",
        description="retries of a job after disruptions: drains, preemptions, node shutdowns",
        parse=whole(0, 1000),
    ),
    _seconds(
        "backoff_seconds", "SPECTROGRAM_BACKOFF", "10", "time before the first retry; it doubles with each", least=0
    ),
    _seconds("max_backoff_seconds", "SPECTROGRAM_MAX_BACKOFF", "600", "longest time before a retry", least=0),
    # What is kept.
    _seconds(
        "keep_succeeded_seconds",
        "SPECTROGRAM_KEEP_SUCCEEDED_PODS",
        "3600",
        "time for which pods that succeeded are kept, for their logs",
        least=0,
    ),
    _seconds(
        "keep_failed_seconds",
        "SPECTROGRAM_KEEP_FAILED_PODS",
        "86400",
        "time for which pods that failed are kept, for their logs",
        least=0,
    ),
    Setting(
        field="default_ttl_seconds",
        name="SPECTROGRAM_DEFAULT_TTL_SECONDS_AFTER_FINISHED",
        default="never",
        unit="s",
        description="after this time a job that is over is deleted, unless it says; never: it stays",
        parse=whole_or_never(0, MOST_TTL_SECONDS),
    ),
)
