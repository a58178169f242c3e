"""How a pod ended, and what that means for the job: the rules of faults.md §3, in order; the first that matches wins.

`assess` judges a pod that is over. What the kubelet says is a fact; what the worker says (its termination message) may
refine a fact and never overrides it: no message turns a non-zero exit into success.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from spectrogram_operator.api.status import RetryClass
from spectrogram_operator.core.pod import Container, Pod
from spectrogram_worker.contract import ExitCode, Report, parse_report
from spectrogram_worker.contract.report import clean_text


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one attempt."""

    reason: str
    retry_class: RetryClass
    message: str
    exit_code: int | None = None
    report: Report | None = None


Rule = Callable[[Pod, Container | None, Report | None], Outcome | None]

WORKER_EXITS: dict[ExitCode, tuple[RetryClass, str]] = {
    ExitCode.INVALID_SPEC: (RetryClass.FATAL, "the worker refused the job's parameters"),
    ExitCode.INPUT_INVALID: (RetryClass.FATAL, "the recording cannot be used"),
    ExitCode.INPUT_NOT_FOUND: (RetryClass.FATAL, "there is no recording at spec.input.path"),
    ExitCode.INTERNAL_ERROR: (RetryClass.USER, "the worker met a bug"),
    ExitCode.OUTPUT_NOT_WRITABLE: (RetryClass.FATAL, "the output folder cannot be written"),
    ExitCode.IO_ERROR: (RetryClass.USER, "reading or writing failed"),
    ExitCode.TRANSIENT_ERROR: (RetryClass.USER, "a passing error"),
    ExitCode.WORKER_CONFIG_ERROR: (RetryClass.FATAL, "the worker's configuration is wrong"),
    ExitCode.MEMORY_ERROR: (RetryClass.MEMORY, "an allocation did not fit into the memory limit"),
    ExitCode.MEMORY_SAFEGUARD_EXCEEDED: (RetryClass.FATAL, "memory passed the safeguard's threshold"),
    ExitCode.SOFT_TIME_LIMIT_EXCEEDED: (RetryClass.FATAL, "exceeded soft time limit"),
    ExitCode.INTERRUPTED: (RetryClass.USER, "the worker was asked to stop"),
    ExitCode.OUTPUT_NO_SPACE: (RetryClass.FATAL, "there is no space left for the outputs"),
    ExitCode.REROUTE_LARGE: (RetryClass.HOLD, "the dataset belongs on the large queue"),
}
DISRUPTIONS = {
    "PreemptionByScheduler": ("Preempted", "the scheduler preempted the pod"),
    "EvictionByEvictionAPI": ("Drained", "the pod was evicted through the API, as a drain does"),
    "DeletionByTaintManager": ("NodeTainted", "the node was tainted"),
    "DeletionByPodGC": ("NodeLost", "the node no longer exists"),
    "TerminationByKubelet": ("NodeShutdown", "the node ended the pod"),
}
_EPHEMERAL_STORAGE = re.compile(
    "exceeded its local ephemeral storage limit|ephemeral local storage usage exceeds the total limit"
    "|Usage of EmptyDir volume"
)
_SHUTDOWN_REASONS = {"Shutdown", "NodeShutdown", "Terminated", "Preempting", "NodeLost"}


def assess(pod: Pod, *, memory_share: float | None = None) -> Outcome | None:
    """The outcome of a pod, or None while it is not over.

    `memory_share` is the last memory that the worker reported, as a share of its limit: it tells an unlabelled OOM kill
    from another SIGKILL.
    """
    main = pod.main
    if not (pod.finished or pod.gone or pod.outlived_by_sidecar):
        return None
    report = parse_report(main.terminated_message) if main else None
    for rule in RULES:
        outcome = rule(pod, main, report)
        if outcome is not None:
            if outcome.reason == "Killed" and memory_share is not None and memory_share >= 0.9:
                outcome = replace(
                    outcome,
                    reason="SuspectedOOM",
                    retry_class=RetryClass.ZOMBIE,
                    message=f"killed while it used {memory_share:.0%} of its memory limit",
                )
            return replace(outcome, exit_code=main.exit_code if main else None, report=report)
    raise AssertionError("the last rule matches everything")


def evidence(pod: Pod) -> Outcome | None:
    """Why a pod that still runs is about to end: a disruption on record, or somebody's delete. Else None."""
    return _disrupted(pod, pod.main, None) or _deleted(pod, pod.main, None)


def _outcome(reason: str, retry_class: RetryClass, message: str) -> Outcome:
    return Outcome(reason=reason, retry_class=retry_class, message=clean_text(message))


def _succeeded(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Exit 0 with a manifest is success, even where a deadline or a drain raced it (kubernetes#115688)."""
    if main is None or main.exit_code != 0 or report is None or not report.has_manifest:
        return None
    return _outcome("Completed", RetryClass.SUCCESS, report.message or "all outputs are published")


def _oom_killed(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Rows 1 and 2. Beats DisruptionTarget, for both can appear (KEP-3329); exit 0 with OOMKilled is a killed child."""
    killed = next((entry for entry in pod.containers if entry.terminated_reason == "OOMKilled"), None)
    if killed is None:
        return None
    if main is not None and main.exit_code == 0:
        return _outcome("ChildOOMKilled", RetryClass.ZOMBIE, "a child process was OOM-killed: nothing was published")
    where = "" if killed is main else f"container {killed.name} "
    return _outcome("OOMKilled", RetryClass.ZOMBIE, f"{where}was killed by the kernel at the memory limit")


def _output_missing(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Exit 0 alone proves nothing: somebody else's image, a cut message, a lost volume."""
    if main is None or main.exit_code != 0:
        return None
    return _outcome("OutputMissing", RetryClass.USER, "the worker exited 0 without a manifest")


def _deadline(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 4. Before the exit code, which is 137 or 143 here."""
    if pod.reason != "DeadlineExceeded":
        return None
    if main is None or main.exit_code is None:
        return _outcome("StartupTimeout", RetryClass.INFRASTRUCTURE, "the hard limit passed before the worker started")
    return _outcome("DeadlineExceeded", RetryClass.FATAL, "exceeded hard time limit: the kubelet ended the pod")


def _evicted(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Rows 10 and 47."""
    if pod.reason != "Evicted":
        return None
    if _EPHEMERAL_STORAGE.search(pod.message):
        return _outcome("EphemeralStorageExceeded", RetryClass.FATAL, pod.message)
    return _outcome("Evicted", RetryClass.INFRASTRUCTURE, pod.message or "the node was low on a resource")


def _worker_exit(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """The contract's exit codes. Beats a stale DisruptionTarget, but 85 is explained by what interrupted the worker."""
    if main is None or main.exit_code is None:
        return None
    codes = [code for code in WORKER_EXITS if code == main.exit_code]
    if not codes:
        return None
    if codes[0] is ExitCode.INTERRUPTED and (because := evidence(pod)) is not None:
        return because
    retry_class, meaning = WORKER_EXITS[codes[0]]
    return _outcome(codes[0].reason, retry_class, (report.message if report else "") or meaning)


def _disrupted(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Rows 10–12, 17, 28: a disruption on record is never a zombie (README ruling 2)."""
    if pod.disruption is None:
        return None
    reason, meaning = DISRUPTIONS.get(pod.disruption.reason, (pod.disruption.reason or "Disrupted", "disrupted"))
    return _outcome(reason, RetryClass.INFRASTRUCTURE, pod.disruption.message or meaning)


def _node_refused(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Rows 27 and 28 where no condition says so."""
    if pod.reason in _SHUTDOWN_REASONS:
        return _outcome("NodeShutdown", RetryClass.INFRASTRUCTURE, pod.message or "the node is shutting down")
    if pod.reason in ("NodeAffinity", "UnexpectedAdmissionError") or pod.reason.startswith("OutOf"):
        return _outcome("AdmissionRejected", RetryClass.INFRASTRUCTURE, pod.message or "the kubelet refused the pod")
    return None


def _deleted(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 9: a person's delete counts against the user's budget, so that deletes cannot loop."""
    if not pod.deleting:
        return None
    return _outcome("PodDeleted", RetryClass.USER, "the pod was deleted")


def _init_failed(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 24."""
    failed = next((entry for entry in pod.init if entry.exit_code not in (None, 0)), None)
    if failed is None:
        return None
    return _outcome("InitFailed", RetryClass.USER, f"init container {failed.name} exited {failed.exit_code}")


def _not_startable(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 23."""
    if main is None or main.exit_code is None:
        return None
    if main.terminated_reason in ("StartError", "ContainerCannotRun") or 126 <= main.exit_code <= 128:
        return _outcome(
            "ContainerStartFailed", RetryClass.FATAL, main.terminated_message or "the container cannot start"
        )
    return None


def _container_lost(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 29."""
    if main is None or main.terminated_reason != "ContainerStatusUnknown":
        return None
    return _outcome("ContainerLost", RetryClass.INFRASTRUCTURE, "the node lost track of the container")


def _killed(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 3: a kill that nobody explains. `assess` turns it into SuspectedOOM where memory was nearly full."""
    if main is None:
        return None
    if main.exit_code == 137:
        return _outcome("Killed", RetryClass.INFRASTRUCTURE, "killed by a signal (137) without a reason on record")
    if main.exit_code == 143:
        return _outcome("Interrupted", RetryClass.USER, "ended by SIGTERM (143)")
    return None


def _without_status(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """The pod failed, or is gone, and says nothing about its container."""
    if main is not None and main.exit_code is not None:
        return None
    if pod.gone and not pod.finished:
        return _outcome("PodMissing", RetryClass.ZOMBIE, "the pod disappeared while it ran")
    return _outcome("PodFailedNoStatus", RetryClass.INFRASTRUCTURE, pod.message or "the pod failed without a status")


def _crashed(pod: Pod, main: Container | None, report: Report | None) -> Outcome | None:
    """Row 8: everything else is the worker's own failure."""
    code = main.exit_code if main else None
    tail = main.terminated_message if main else ""
    return _outcome("WorkerError", RetryClass.USER, f"the worker exited {code}: {tail or 'no message'}")


RULES: tuple[Rule, ...] = (
    _succeeded,
    _oom_killed,
    _output_missing,
    _deadline,
    _evicted,
    _worker_exit,
    _disrupted,
    _node_refused,
    _deleted,
    _init_failed,
    _not_startable,
    _container_lost,
    _killed,
    _without_status,
    _crashed,
)
