"""What events say of a pod that does not start: of the node that it waits for, or of its volumes (faults 19 and 26)."""

from collections.abc import Iterable, Mapping
from typing import Any

from spectrogram_operator.core.judging.pod import Pod
from spectrogram_worker.contract.report import clean_text

_VOLUME_TROUBLES = ("FailedAttachVolume", "FailedMount")
_LATER_TROUBLE = "FailedCreatePodSandBox"
"""What a node says of a pod that has its volumes, and no network."""

_AUTOSCALERS = {
    "TriggeredScaleUp": "the cluster autoscaler adds a node for it",
    "NotTriggerScaleUp": "the cluster autoscaler adds no node for it",
    "FailedScaleUp": "the cluster autoscaler could not add a node for it",
    "Nominated": "Karpenter has a node for it",
}
"""What the reason of an autoscaler's event means. All but FailedScaleUp are of type Normal."""
_KARPENTERS_REFUSAL = "FailedScheduling"
"""The scheduler's events have this reason too; what they say stands in the pod's condition."""
_KARPENTER = ("karpenter", "eks-auto-mode/compute")
"""What it calls itself in its events, by itself and as a part of a provider's cluster."""

MAXIMUM_WORDS = 256
"""Characters of an autoscaler's event that are told: the scheduler's words follow."""


def told_by(events: Iterable[Mapping[str, Any]], pod: Pod) -> str:
    """What the newest event about what this pod waits for says, in one bounded line; empty where none is.

    That is a node while none has taken it, its volumes afterwards. Whoever may write events may have written these.
    """
    return _volumes(events) if pod.has_node else _autoscaling(events)


def _volumes(events: Iterable[Mapping[str, Any]]) -> str:
    newest = _newest(event for event in events if event.get("reason") in (*_VOLUME_TROUBLES, _LATER_TROUBLE))
    return _words(newest) if newest.get("reason") in _VOLUME_TROUBLES else ""


def _autoscaling(events: Iterable[Mapping[str, Any]]) -> str:
    newest = _newest(event for event in events if _meaning(event))
    return f"{_meaning(newest)}: {clean_text(_words(newest), MAXIMUM_WORDS)}" if newest else ""


def _meaning(event: Mapping[str, Any]) -> str:
    reason = event.get("reason")
    if reason == _KARPENTERS_REFUSAL and _component(event) in _KARPENTER:
        return "Karpenter adds no node for it"
    return _AUTOSCALERS.get(str(reason), "")


def _component(event: Mapping[str, Any]) -> str:
    source = event.get("source")
    told = source.get("component") if isinstance(source, Mapping) else None
    return str(told or event.get("reportingComponent") or "")


def _words(event: Mapping[str, Any]) -> str:
    return clean_text(str(event.get("message") or ""))


def _newest(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """An event that happens again is written again: what was written last happened last."""
    return max(events, key=_version, default={})


def _version(event: Mapping[str, Any]) -> int:
    text = str((event.get("metadata") or {}).get("resourceVersion") or "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0
