"""Why an attempt or a job ended: the one table of reasons. Retries, metrics, docs/status.md and the CLI go by it."""

from dataclasses import dataclass

from spectrogram_operator.api.status import RetryClass


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason. `rows` are its faults in docs/faults.md; empty: no fault.

    `advice` says what to do, where the message of an attempt does not say it already. `out_of_memory`: another attempt
    gets more memory. `by_operator`: the operator itself ends a pod for it.
    """

    name: str
    rows: tuple[int, ...] = ()
    retry_class: RetryClass
    meaning: str
    advice: str = ""
    out_of_memory: bool = False
    by_operator: bool = False


_MORE_MEMORY = "give it more memory than {memory} in spec.resources.memory"
_LESS_WORK = "or process less of the recording with spec.input.range"
_SEE_LOG = "{log} shows the end of the worker's log"

_ALL = (
    Reason(name="Completed", retry_class=RetryClass.SUCCESS, meaning="all outputs are published"),
    # Zombies: the worker was found dead, or not found.
    Reason(
        name="OOMKilled",
        rows=(1,),
        retry_class=RetryClass.ZOMBIE,
        meaning="the kernel killed the worker at its memory limit",
        advice=_MORE_MEMORY,
        out_of_memory=True,
    ),
    Reason(
        name="ChildOOMKilled",
        rows=(2,),
        retry_class=RetryClass.ZOMBIE,
        meaning="the kernel killed a child of the worker, and nothing was published",
        advice=_MORE_MEMORY,
        out_of_memory=True,
    ),
    Reason(
        name="InitOOMKilled",
        rows=(1,),
        retry_class=RetryClass.ZOMBIE,
        meaning="the kernel killed another container before the worker started",
        advice="whoever injects the container must give it more memory",
    ),
    Reason(
        name="SidecarOOMKilled",
        rows=(1,),
        retry_class=RetryClass.ZOMBIE,
        meaning="the kernel killed an injected container, and nothing else explains the worker's end",
        advice="whoever injects the container must give it more memory",
    ),
    Reason(
        name="SuspectedOOM",
        rows=(3,),
        retry_class=RetryClass.ZOMBIE,
        meaning="killed without a reason on record, while memory was nearly full",
        advice=_MORE_MEMORY,
        out_of_memory=True,
    ),
    Reason(
        name="PodMissing",
        rows=(13, 15),
        retry_class=RetryClass.ZOMBIE,
        meaning="the pod is gone, and nothing on record explains it",
    ),
    # What the worker reports.
    Reason(
        name="MemoryError",
        rows=(2,),
        retry_class=RetryClass.MEMORY,
        meaning="an allocation did not fit into the memory limit",
        advice=_MORE_MEMORY,
        out_of_memory=True,
    ),
    Reason(name="WorkerError", rows=(8,), retry_class=RetryClass.USER, meaning="the worker crashed", advice=_SEE_LOG),
    Reason(
        name="InternalError", rows=(8,), retry_class=RetryClass.USER, meaning="the worker met a bug", advice=_SEE_LOG
    ),
    Reason(
        name="IOError",
        rows=(46,),
        retry_class=RetryClass.USER,
        meaning="reading or writing failed",
        advice="check the disk or the network behind the recording and the results",
    ),
    Reason(
        name="TransientError",
        rows=(46,),
        retry_class=RetryClass.USER,
        meaning="a passing error",
        advice="try again later",
    ),
    Reason(
        name="OutputMissing",
        retry_class=RetryClass.USER,
        meaning="the worker exited 0 without a manifest",
        advice=_SEE_LOG,
    ),
    Reason(name="Interrupted", rows=(9,), retry_class=RetryClass.USER, meaning="the worker was asked to stop"),
    Reason(name="PodDeleted", rows=(9,), retry_class=RetryClass.USER, meaning="somebody deleted the pod"),
    Reason(name="InitFailed", rows=(24,), retry_class=RetryClass.USER, meaning="an init container failed"),
    # Disruptions, and what only the platform can mend.
    Reason(
        name="Drained",
        rows=(11,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the pod was evicted through the API, as a drain does",
    ),
    Reason(
        name="Preempted",
        rows=(12,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="another pod needed the room",
    ),
    Reason(
        name="Evicted",
        rows=(10,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node was low on a resource",
    ),
    Reason(name="Disrupted", rows=(10,), retry_class=RetryClass.INFRASTRUCTURE, meaning="a disruption of another kind"),
    Reason(name="NodeShutdown", rows=(28,), retry_class=RetryClass.INFRASTRUCTURE, meaning="the node is shutting down"),
    Reason(name="NodeTainted", rows=(16,), retry_class=RetryClass.INFRASTRUCTURE, meaning="the node was tainted"),
    Reason(name="NodeLost", rows=(16, 17), retry_class=RetryClass.INFRASTRUCTURE, meaning="the node is lost"),
    Reason(
        name="Killed",
        rows=(3,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="killed by a signal without a reason on record",
        advice="something on this machine killed the worker: look for what, or for want of memory",
    ),
    Reason(
        name="ContainerLost",
        rows=(29,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node lost track of the container",
    ),
    Reason(
        name="PodFailedNoStatus",
        rows=(29,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the pod failed and says nothing about its container",
    ),
    Reason(
        name="AdmissionRejected",
        rows=(27,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node refused the pod",
    ),
    Reason(
        name="StartupTimeout",
        rows=(26,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node did not start the pod in time",
        by_operator=True,
    ),
    Reason(
        name="ContainerCreateError",
        rows=(22,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node could not create the container",
        by_operator=True,
    ),
    Reason(
        name="SecretNotFound",
        rows=(22,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="a Secret or ConfigMap that the pod needs was not there in time",
        by_operator=True,
    ),
    Reason(
        name="RegistryBusy",
        rows=(21,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the registry could not be reached, or did not hand out the image",
        by_operator=True,
    ),
    # What another attempt would not mend.
    Reason(
        name="InvalidSpec",
        rows=(45,),
        retry_class=RetryClass.FATAL,
        meaning="the job can never run as it is written",
    ),
    Reason(name="InputInvalid", rows=(46,), retry_class=RetryClass.FATAL, meaning="the recording cannot be used"),
    Reason(
        name="InputNotFound",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="there is no recording at spec.input.path",
    ),
    Reason(
        name="OutputNotWritable",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="the output folder cannot be written",
    ),
    Reason(
        name="OutputNoSpace",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="there is no space left for the outputs",
    ),
    Reason(
        name="SoftTimeLimitExceeded",
        rows=(6,),
        retry_class=RetryClass.FATAL,
        meaning="exceeded soft time limit",
        advice=f"raise spec.timeLimits.softSeconds, {_LESS_WORK}",
    ),
    Reason(
        name="DeadlineExceeded",
        rows=(4, 5),
        retry_class=RetryClass.FATAL,
        meaning="exceeded hard time limit",
        advice=f"raise spec.timeLimits.hardSeconds, {_LESS_WORK}",
        by_operator=True,
    ),
    Reason(
        name="MemorySafeguardExceeded",
        rows=(7,),
        retry_class=RetryClass.FATAL,
        meaning="memory passed the safeguard's threshold",
        advice=_MORE_MEMORY,
    ),
    Reason(
        name="WorkerConfigError",
        rows=(22,),
        retry_class=RetryClass.FATAL,
        meaning="the worker's configuration is wrong",
    ),
    Reason(
        name="ImagePullFailed",
        rows=(21,),
        retry_class=RetryClass.FATAL,
        meaning="the image cannot be pulled",
        by_operator=True,
    ),
    Reason(
        name="ContainerConfigError",
        rows=(22,),
        retry_class=RetryClass.FATAL,
        meaning="the container cannot be configured",
        by_operator=True,
    ),
    Reason(
        name="ContainerStartFailed",
        rows=(23,),
        retry_class=RetryClass.FATAL,
        meaning="the container cannot start",
        advice=_SEE_LOG,
    ),
    Reason(
        name="EphemeralStorageExceeded",
        rows=(47,),
        retry_class=RetryClass.FATAL,
        meaning="the pod used more temporary disk space than it may",
    ),
    Reason(
        name="PendingTimeout",
        rows=(19, 25),
        retry_class=RetryClass.FATAL,
        meaning="no node took the pod in time",
        by_operator=True,
    ),
    Reason(
        name="PVCNotFound",
        rows=(25,),
        retry_class=RetryClass.FATAL,
        meaning="a claim that the job names did not exist in time",
    ),
    Reason(
        name="PodNameCollision",
        rows=(30,),
        retry_class=RetryClass.FATAL,
        meaning="somebody else's pod has the name of the attempt's",
    ),
    Reason(
        name="PodVanishing",
        rows=(14,),
        retry_class=RetryClass.FATAL,
        meaning="the pod was created again and again, and was never seen",
        advice="look for what deletes the pods of this namespace",
    ),
    Reason(
        name="PodRejected",
        rows=(42, 43),
        retry_class=RetryClass.FATAL,
        meaning="a policy of the namespace refuses the worker's pod",
    ),
    Reason(
        name="Stale",
        retry_class=RetryClass.FATAL,
        meaning="the worker answers, and its progress does not advance",
        advice=_SEE_LOG,
        by_operator=True,
    ),
    # No failure: no counter moves.
    Reason(
        name="RerouteLarge",
        retry_class=RetryClass.HOLD,
        meaning="the recording belongs on the large queue",
    ),
    Reason(name="JobSuspended", retry_class=RetryClass.HOLD, meaning="spec.suspend is true", by_operator=True),
    Reason(name="Cancelled", retry_class=RetryClass.HOLD, meaning="spec.cancelled is true", by_operator=True),
)
REASONS = {reason.name: reason for reason in _ALL}


def reasons_of(*classes: RetryClass) -> tuple[str, ...]:
    """The names of the reasons of these classes, sorted."""
    return tuple(sorted(reason.name for reason in _ALL if reason.retry_class in classes))


OUT_OF_MEMORY = frozenset(reason.name for reason in _ALL if reason.out_of_memory)
"""Reasons after which another attempt gets more memory."""
BY_OPERATOR = frozenset(reason.name for reason in _ALL if reason.by_operator)
"""Reasons for which the operator ends a pod. They are on record before the pod is deleted, and they stay."""
