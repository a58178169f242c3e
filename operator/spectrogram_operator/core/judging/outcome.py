"""How a pod ended, and what that means for the job: the first of `RULES` that fits says it (docs/faults.md).

`assess` judges a pod that is over. What the kubelet says is a fact; what the worker says (its termination message) may
refine a fact and never overrides it: no message turns a non-zero exit into success.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.api.status import RetryClass
from spectrogram_operator.core.judging.pod import Container, Pod
from spectrogram_worker.contract import ExitCode, Report, parse_last_words
from spectrogram_worker.contract.report import clean_text

NEARLY_FULL = 0.9


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one attempt."""

    reason: str
    retry_class: RetryClass
    message: str
    exit_code: int | None = None
    report: Report | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a rule judges by. `exit_code` is the worker container's; None where it never terminated. `ran`: it was seen
    to run.
    """

    pod: Pod
    exit_code: int | None = None
    report: Report | None = None
    memory_share: float | None = None
    ran: bool = False

    @property
    def main(self) -> Container | None:
        """The worker's container."""
        return self.pod.main

    @property
    def main_started(self) -> bool:
        """False where the worker's process never ran. The kubelet calls a container that it ends before its start
        ContainerStatusUnknown, 137 (status_manager.go, TerminatePod).
        """
        return self.ran or (self.exit_code is not None and self.main_ended_as != "ContainerStatusUnknown")

    @property
    def main_ended_as(self) -> str:
        """The kubelet's reason for the end of the worker's container, or an empty string."""
        return self.main.terminated_reason if self.main else ""


Rule = Callable[[Case], Outcome | None]

WORKER_EXITS = frozenset(ExitCode) - {ExitCode.DONE}
DISRUPTIONS = {
    "PreemptionByScheduler": ("Preempted", "the scheduler preempted the pod"),
    "EvictionByEvictionAPI": ("Drained", "the pod was evicted through the API, as a drain does"),
    "DeletionByTaintManager": ("NodeTainted", "the node was tainted"),
    "DeletionByPodGC": ("NodeLost", "the node no longer exists"),
    "TerminationByKubelet": ("NodeShutdown", "the node ended the pod"),
}
"""Reasons of the condition DisruptionTarget (KEP-3329)."""
NODE_REASONS = {
    "Shutdown": ("NodeShutdown", "the node is shutting down"),
    "NodeShutdown": ("NodeShutdown", "the node is shutting down"),
    "Terminated": ("NodeShutdown", "the node is shutting down"),
    "NodeLost": ("NodeLost", "the node is lost"),
    "Preempting": ("Preempted", "the node needed the room for a critical pod"),
    "NodeAffinity": ("AdmissionRejected", "the node refused the pod: its labels do not fit"),
    "TopologyAffinityError": ("AdmissionRejected", "the node refused the pod"),
    "UnexpectedAdmissionError": ("AdmissionRejected", "the node refused the pod"),
}
"""Reasons that a node itself writes into a pod's status; OutOfcpu and its like come on top."""
_EPHEMERAL_STORAGE = re.compile(
    "exceeded its local ephemeral storage limit|ephemeral local storage usage exceeds the total limit"
    "|Usage of EmptyDir volume"
)


def outcome(reason: str, message: str) -> Outcome:
    """The outcome of this reason, of the class that the table of reasons gives it."""
    return Outcome(reason=reason, retry_class=REASONS[reason].retry_class, message=clean_text(message))


def assess(pod: Pod, *, memory_share: float | None = None, ran: bool = False) -> Outcome | None:
    """The outcome of a pod, or None while it is not over.

    `memory_share` is the last memory that the worker reported, as a share of its limit: it tells an unlabelled OOM kill
    from another SIGKILL. `ran`: the worker was seen to run, whatever the pod says of it now.
    """
    if pod.live and not pod.outlived_by_sidecar:
        return None
    exit_code = pod.main.exit_code if pod.main else None
    case = Case(pod=pod, exit_code=exit_code, report=_own_report(pod), memory_share=memory_share, ran=ran)
    found = next(found for rule in RULES if (found := rule(case)) is not None)
    return replace(found, exit_code=exit_code, report=case.report)


def evidence(pod: Pod) -> Outcome | None:
    """Why a pod that still runs is about to end: a disruption on record, or somebody's delete. Else None."""
    case = Case(pod=pod)
    return _ended_by_node(case) or _disrupted(case) or _deleted(case)


def _own_report(pod: Pod) -> Report | None:
    """The pod's termination message. One that speaks of another job says nothing about this one."""
    report = parse_last_words(pod.main.terminated_message) if pod.main else None
    return report if report is not None and report.job_uid == pod.owner_uid else None


def _succeeded(case: Case) -> Outcome | None:
    """Exit 0 with a manifest is success, even where a deadline or a drain raced it (kubernetes#115688)."""
    if case.exit_code != 0 or case.report is None or not case.report.has_manifest:
        return None
    return outcome("Completed", case.report.message or "all outputs are published")


def _oom_killed(case: Case) -> Outcome | None:
    """Faults 1 and 2. Beats DisruptionTarget: both can appear (KEP-3329); exit 0 with OOMKilled is a killed child."""
    if case.main_ended_as == "OOMKilled":
        if case.exit_code == 0:
            message = "a child process was OOM-killed: nothing was published"
            return outcome("ChildOOMKilled", message)
        return outcome("OOMKilled", "the kernel killed the worker at its memory limit")
    return None


def _deadline(case: Case) -> Outcome | None:
    """Fault 4. Before the exit code, which is 137 or 143 here."""
    if case.pod.reason != "DeadlineExceeded":
        return None
    if not case.main_started:
        return outcome("StartupTimeout", "the hard limit passed before the worker started")
    return outcome("DeadlineExceeded", "exceeded hard time limit: the kubelet ended the pod")


def _evicted(case: Case) -> Outcome | None:
    """Faults 10 and 47."""
    if case.pod.reason != "Evicted":
        return None
    if _EPHEMERAL_STORAGE.search(case.pod.message):
        return outcome("EphemeralStorageExceeded", case.pod.message)
    return outcome("Evicted", case.pod.message or "the node was low on a resource")


def _worker_exit(case: Case) -> Outcome | None:
    """The contract's exit codes. Beats a stale DisruptionTarget, but 85 is explained by what interrupted the worker."""
    if case.exit_code not in WORKER_EXITS:
        return None
    code = ExitCode(case.exit_code)
    if code is ExitCode.INTERRUPTED and (because := evidence(case.pod)) is not None:
        return because
    return outcome(code.reason, (case.report.message if case.report else "") or REASONS[code.reason].meaning)


def _ended_by_node(case: Case) -> Outcome | None:
    """Faults 12, 27 and 28. Says more than the condition that a kubelet sets with it, TerminationByKubelet."""
    reason = "UnexpectedAdmissionError" if case.pod.reason.startswith("OutOf") else case.pod.reason
    if reason not in NODE_REASONS:
        return None
    name, meaning = NODE_REASONS[reason]
    return outcome(name, case.pod.message or meaning)


def _disrupted(case: Case) -> Outcome | None:
    """Faults 10 to 12, 17 and 28: a disruption on record is never a zombie (rule 21)."""
    found = case.pod.disruption
    if found is None:
        evicted = case.pod.evicted_by_queue
        return None if evicted is None else outcome("Preempted", evicted.message or "the queue needed the room")
    reason, meaning = DISRUPTIONS.get(found.reason, ("Disrupted", f"disrupted: {found.reason or 'no reason given'}"))
    return outcome(reason, found.message or meaning)


def _deleted(case: Case) -> Outcome | None:
    """Fault 9: a person's delete counts against the user's budget, so that deletes cannot loop."""
    return outcome("PodDeleted", "the pod was deleted") if case.pod.deleting else None


def _output_missing(case: Case) -> Outcome | None:
    """Exit 0 alone proves nothing: somebody else's image, a cut message, a lost volume."""
    if case.exit_code != 0 and case.pod.phase != "Succeeded":
        return None
    return outcome("OutputMissing", "the worker exited 0 without a manifest")


def _init_failed(case: Case) -> Outcome | None:
    """Faults 1 and 24. Not a sidecar's end: those of init containers that outlive their start end after the worker."""
    failed = next((entry for entry in case.pod.init if entry.exit_code not in (None, 0)), None)
    if failed is None or case.main_started:
        return None
    if failed.terminated_reason == "OOMKilled":
        return outcome("InitOOMKilled", f"the kernel killed the init container {failed.name} at its memory limit")
    if failed.exit_code in WORKER_EXITS - {ExitCode.INTERRUPTED, ExitCode.REROUTE_LARGE}:
        code = ExitCode(failed.exit_code)
        return outcome(code.reason, f"init container {failed.name}: {REASONS[code.reason].meaning}")
    return outcome("InitFailed", f"init container {failed.name} exited {failed.exit_code}")


def _not_startable(case: Case) -> Outcome | None:
    """Fault 23."""
    if case.main_ended_as not in ("StartError", "ContainerCannotRun") and case.exit_code not in (126, 127, 128):
        return None
    message = case.main.terminated_message if case.main else ""
    return outcome("ContainerStartFailed", message or "the container cannot start")


def _container_lost(case: Case) -> Outcome | None:
    """Fault 29."""
    if case.main_ended_as != "ContainerStatusUnknown":
        return None
    return outcome("ContainerLost", "the node lost track of the container")


def _killed(case: Case) -> Outcome | None:
    """Fault 3: a kill that nobody explains. Memory that was nearly full makes an unlabelled OOM kill likely."""
    if case.exit_code == 143:
        return outcome("Interrupted", "ended by SIGTERM (143)")
    if case.exit_code != 137:
        return None
    if case.memory_share is not None and case.memory_share >= NEARLY_FULL:
        message = f"killed while it used {case.memory_share:.0%} of its memory limit"
        return outcome("SuspectedOOM", message)
    if (killed := _killed_sidecar(case)) is not None:
        return killed
    return outcome("Killed", "killed by a signal (137) without a reason on record")


def _without_status(case: Case) -> Outcome | None:
    """The pod failed, or is gone, and says nothing about its container."""
    if case.exit_code is not None:
        return None
    if case.pod.gone and not case.pod.finished:
        return outcome("PodMissing", "the pod disappeared while it ran")
    if (killed := _killed_sidecar(case)) is not None:
        return killed
    message = case.pod.message or "the pod failed without a status"
    return outcome("PodFailedNoStatus", message)


def _killed_sidecar(case: Case) -> Outcome | None:
    """An injected container that ran out of its own memory: it explains the worker's end where nothing else does."""
    name = next((entry.name for entry in case.pod.others if entry.terminated_reason == "OOMKilled"), None)
    if name is None:
        return None
    return outcome("SidecarOOMKilled", f"the kernel killed the container {name} at its own memory limit")


def _crashed(case: Case) -> Outcome | None:
    """Fault 8: everything else is the worker's own failure."""
    tail = case.main.terminated_message if case.main else ""
    return outcome("WorkerError", f"the worker exited {case.exit_code}: {tail or 'no message'}")


RULES: tuple[Rule, ...] = (
    _succeeded,
    _oom_killed,
    _deadline,
    _evicted,
    _worker_exit,
    _ended_by_node,
    _disrupted,
    _deleted,
    _output_missing,
    _init_failed,
    _not_startable,
    _container_lost,
    _killed,
    _without_status,
    _crashed,
)
