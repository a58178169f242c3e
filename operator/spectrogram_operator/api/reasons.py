"""Why an attempt or a job ended: the one table of reasons. Retries, metrics, docs/troubleshooting.md and the CLI go by it."""

from dataclasses import dataclass

from spectrogram_operator.api.status import RetryClass


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason. `rows` are its faults in docs/faults.md; empty: no fault.

    `advice` says what to do, where the message of an attempt does not say it already; without it `remedy` says it to
    those who look the reason up. `out_of_memory`: another attempt gets more memory. `by_operator`: the operator itself
    ends a pod for it.
    """

    name: str
    rows: tuple[int, ...] = ()
    retry_class: RetryClass
    meaning: str
    advice: str = ""
    remedy: str = ""
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
        remedy="run it again; where it happens again, look for what deletes the pods of this namespace",
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
    Reason(
        name="Interrupted",
        rows=(9,),
        retry_class=RetryClass.USER,
        meaning="the worker was asked to stop",
        remedy="nothing; where it goes on, look for who stops the pods of this namespace",
    ),
    Reason(
        name="PodDeleted",
        rows=(9,),
        retry_class=RetryClass.USER,
        meaning="somebody deleted the pod",
        remedy="nothing; where it goes on, look for who deletes the pods of this namespace",
    ),
    Reason(
        name="InitFailed",
        rows=(24,),
        retry_class=RetryClass.USER,
        meaning="an init container failed",
        remedy="look at the log of the init container, and ask whoever injects it",
    ),
    # Disruptions, and what only the platform can mend.
    Reason(
        name="Drained",
        rows=(11,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the pod was evicted through the API, as a drain does",
        remedy="nothing",
    ),
    Reason(
        name="Preempted",
        rows=(12,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="another pod needed the room",
        remedy="nothing; where it goes on, give the pool a higher priorityClassName",
    ),
    Reason(
        name="Evicted",
        rows=(10,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node was low on a resource",
        remedy="nothing; where it goes on, the nodes are short of memory or disk",
    ),
    Reason(
        name="Disrupted",
        rows=(10,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="a disruption of another kind",
        remedy="nothing",
    ),
    Reason(
        name="NodeShutdown",
        rows=(28,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node is shutting down",
        remedy="nothing",
    ),
    Reason(
        name="NodeTainted",
        rows=(16,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node was tainted",
        remedy="nothing",
    ),
    Reason(
        name="NodeLost",
        rows=(16, 17),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node is lost",
        remedy="look at the node; nothing is wrong with the job: run it again, if it has failed",
    ),
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
        remedy="nothing; where it goes on, look at the node's container runtime",
    ),
    Reason(
        name="PodFailedNoStatus",
        rows=(29,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the pod failed and says nothing about its container",
        remedy="nothing; where it goes on, look at the node's kubelet",
    ),
    Reason(
        name="AdmissionRejected",
        rows=(27,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node refused the pod",
        remedy="nothing; where it goes on, the message says what the node lacks",
    ),
    Reason(
        name="StartupTimeout",
        rows=(26,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node did not start the pod in time",
        remedy="look at the pod's events: a volume, the network, an injected container",
        by_operator=True,
    ),
    Reason(
        name="ContainerCreateError",
        rows=(22,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the node could not create the container",
        remedy="look at the node's container runtime, whose words the message has",
        by_operator=True,
    ),
    Reason(
        name="SecretNotFound",
        rows=(22,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="a Secret or ConfigMap that the pod needs was not there in time",
        remedy="create what the message names in the namespace of the job",
        by_operator=True,
    ),
    Reason(
        name="RegistryBusy",
        rows=(21,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the registry could not be reached, or did not hand out the image",
        remedy="look at the registry, and whether its limits are used up",
        by_operator=True,
    ),
    Reason(
        name="NodesFull",
        rows=(19,),
        retry_class=RetryClass.INFRASTRUCTURE,
        meaning="the nodes of the pool stayed full; with maxConcurrent auto one job more is started, to ask for another node",
        remedy="nothing: the job is in line again; where that goes on, ask the platform team for nodes",
        by_operator=True,
    ),
    # What another attempt would not mend.
    Reason(
        name="InvalidSpec",
        rows=(45,),
        retry_class=RetryClass.FATAL,
        meaning="the job can never run as it is written",
        remedy="correct the field that the message names, in a new job",
    ),
    Reason(
        name="InputInvalid",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="the recording cannot be used",
        remedy="the message says what is wrong: mend the recording, or the field that describes it",
    ),
    Reason(
        name="InputNotFound",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="there is no recording at spec.input.path",
        remedy="correct spec.input.path: it is relative to the claim, or to the store and its prefix",
    ),
    Reason(
        name="OutputNotWritable",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="the output folder cannot be written",
        remedy="let the group worker.fsGroup (65532) write there, or choose another spec.output.path",
    ),
    Reason(
        name="OutputNoSpace",
        rows=(46,),
        retry_class=RetryClass.FATAL,
        meaning="there is no space left for the outputs",
        remedy="make room there, or write to another claim",
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
        meaning="memory passed the safeguard's threshold, or would have passed its limit",
        advice=_MORE_MEMORY,
    ),
    Reason(
        name="WorkerConfigError",
        rows=(22,),
        retry_class=RetryClass.FATAL,
        meaning="the worker's configuration is wrong",
        remedy="ask the platform team: the worker's image may be of another version than the operator",
    ),
    Reason(
        name="ImagePullFailed",
        rows=(21,),
        retry_class=RetryClass.FATAL,
        meaning="the image cannot be pulled",
        remedy="ask the platform team: worker.image names what is not there, or a pull secret is missing",
        by_operator=True,
    ),
    Reason(
        name="ContainerConfigError",
        rows=(22,),
        retry_class=RetryClass.FATAL,
        meaning="the container cannot be configured",
        remedy="create what the message names, or ask the platform team",
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
        remedy="ask the platform team for a larger worker.scratchSize",
    ),
    Reason(
        name="PendingTimeout",
        rows=(19, 25),
        retry_class=RetryClass.FATAL,
        meaning="no node took the pod in time",
        remedy="the message is the scheduler's: ask for less memory or CPU, or the platform team for nodes",
        by_operator=True,
    ),
    Reason(
        name="PVCNotFound",
        rows=(25,),
        retry_class=RetryClass.FATAL,
        meaning="a claim that the job names did not exist in time",
        remedy="create the claim that the message names, or correct its name",
    ),
    Reason(
        name="PodNameCollision",
        rows=(30,),
        retry_class=RetryClass.FATAL,
        meaning="somebody else's pod has the name of the attempt's",
        remedy="delete the pod that the message names, and run the job again",
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
        remedy="the message is the policy's: ask the platform team",
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
        remedy="nothing: it starts anew on that queue",
    ),
    Reason(
        name="JobSuspended",
        retry_class=RetryClass.HOLD,
        meaning="spec.suspend is true",
        remedy="set spec.suspend to false",
        by_operator=True,
    ),
    Reason(
        name="Cancelled",
        retry_class=RetryClass.HOLD,
        meaning="spec.cancelled is true",
        remedy="run it again, if it was a mistake",
        by_operator=True,
    ),
)
REASONS = {reason.name: reason for reason in _ALL}


def reasons_of(*classes: RetryClass) -> tuple[str, ...]:
    """The names of the reasons of these classes, sorted."""
    return tuple(sorted(reason.name for reason in _ALL if reason.retry_class in classes))


OUT_OF_MEMORY = frozenset(reason.name for reason in _ALL if reason.out_of_memory)
"""Reasons after which another attempt gets more memory."""
BY_OPERATOR = frozenset(reason.name for reason in _ALL if reason.by_operator)
"""Reasons for which the operator ends a pod. They are on record before the pod is deleted, and they stay."""
