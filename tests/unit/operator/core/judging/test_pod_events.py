"""Which of a pod's events says what it waits for."""

from collections.abc import Mapping
from typing import Any

import pytest

from spectrogram_operator.core.judging.pod import Pod, PodCondition
from spectrogram_operator.core.judging.pod_events import told_by

WAITS = Pod(namespace="radio", name="fm-band-a1", uid="u-1", conditions={"PodScheduled": PodCondition(status="False")})
TAKEN = Pod(namespace="radio", name="fm-band-a1", uid="u-1", conditions={"PodScheduled": PodCondition(status="True")})


def event(
    reason: Any, version: Any = "7", message: Any = "words", component: str = "", **fields: Any
) -> dict[str, Any]:
    return {
        "reason": reason,
        "message": message,
        "metadata": {"resourceVersion": version},
        "source": {"component": component},
        **fields,
    }


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (event("TriggeredScaleUp"), "the cluster autoscaler adds a node for it: words"),
        (event("NotTriggerScaleUp"), "the cluster autoscaler adds no node for it: words"),
        (event("FailedScaleUp"), "the cluster autoscaler could not add a node for it: words"),
        (event("Nominated", component="karpenter"), "Karpenter has a node for it: words"),
        (event("FailedScheduling", component="karpenter"), "Karpenter adds no node for it: words"),
        (
            event("FailedScheduling", reportingComponent="eks-auto-mode/compute"),
            "Karpenter adds no node for it: words",
        ),
        (event("FailedScheduling", component="default-scheduler"), ""),
        (event("FailedScheduling", source=None), ""),
        (event("FailedMount"), ""),
        (event(["TriggeredScaleUp"]), ""),
        (event(None), ""),
        ({}, ""),
    ],
)
def test_who_says_what_of_a_node(told: Mapping[str, Any], said: str) -> None:
    assert told_by([told], WAITS) == said
    assert told_by([], WAITS) == ""


@pytest.mark.parametrize("reason", ["TriggeredScaleUp", "Nominated", "FailedScheduling"])
def test_of_a_pod_that_has_its_node_only_volumes_are_told(reason: str) -> None:
    told = event(reason, "9", component="karpenter")
    assert told_by([told], TAKEN) == ""
    assert told_by([event("FailedMount", "8", "no such secret"), told], TAKEN) == "no such secret"


def test_what_was_written_last_counts() -> None:
    adds, fails = event("TriggeredScaleUp", "99"), event("FailedScaleUp", "100")
    for events in ([adds, fails], [fails, adds]):
        assert told_by(events, WAITS) == "the cluster autoscaler could not add a node for it: words"
    for odd in ("x", None, -1, "9" * 40, "²"):
        assert told_by([event("FailedScaleUp", odd), adds], WAITS) == "the cluster autoscaler adds a node for it: words"
