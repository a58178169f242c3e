"""A job explained: one sentence to each reason and to each phase, and nothing of it is made up."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pods.jobs import CREATED, job_body, stored
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.api.status import RetryClass
from spectrogram_operator.cli.commands.explain import explanation, next_step, why_it_waits

NOW = datetime.fromisoformat(CREATED) + timedelta(minutes=10)
ATTEMPT = {
    "number": 1,
    "state": "Finished",
    "podName": "fm-band-a1",
    "pool": "default",
    "memoryBytes": 2**29,
    "startTime": "2026-11-23T12:00:05Z",
    "finishTime": "2026-11-23T12:01:35Z",
    "peakMemoryBytes": 2**28,
}
STALLED = {
    "type": "Stalled",
    "status": "True",
    "reason": "SchedulingGated",
    "message": "not noticed",
    "lastTransitionTime": "2026-11-23T12:00:20Z",
}


def explained(spec: dict[str, Any] | None = None, **status: Any) -> list[str]:
    return list(explanation(read_job(stored(job_body(**(spec or {})), status=status)), NOW))


def what_to_do(after: timedelta = timedelta(minutes=10), **status: Any) -> str:
    return next_step(read_job(stored(job_body(), status=status)), datetime.fromisoformat(CREATED) + after)


def test_a_limit_that_follows_from_the_estimate_is_shown_as_that() -> None:
    lines = explained({"resources": {"memory": "auto"}}, phase="Running", attempt=1, attempts=[ATTEMPT])
    assert not [line for line in lines if line.startswith("Memory")]
    lines = explained({"resources": {"memory": "auto"}}, phase="Running", memory={"limitBytes": 2**28})
    assert "Memory       limit 256Mi (auto)" in lines


def workload(**condition: str) -> dict[str, Any]:
    """What Kueue keeps of a pod, as far as it is read here."""
    return {"kind": "Workload", "status": {"conditions": [{"type": "QuotaReserved", **condition}]}}


def test_what_kueue_says_of_a_pod_that_it_holds() -> None:
    words = "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor any, 1 more needed"
    assert why_it_waits([{"status": {}}, workload(status="False", reason="Pending", message=words)]) == words
    assert why_it_waits([workload(status="True", message="Quota reserved in ClusterQueue a")]) == ""
    assert why_it_waits([{}, {"status": None}]) == ""
    job = read_job(stored(job_body(), status={"phase": "Queued", "reason": "SchedulingGated"}))
    assert f"Kueue        {words}" in explanation(job, NOW, gate=words)


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.name)
def test_every_reason_of_a_failure_has_a_meaning_and_a_step(reason: Any) -> None:
    if reason.retry_class is RetryClass.SUCCESS:
        return
    attempt = {**ATTEMPT, "reason": reason.name, "message": "what happened"}
    lines = explained(phase="Failed", reason=reason.name, message="what happened", attempt=1, attempts=[attempt])
    assert f"Why          {reason.name}: {reason.meaning}" in lines
    assert f"{'':13}what happened" in lines
    (step,) = [line for line in lines if line.startswith("To do ")]
    assert "{" not in step
    if reason.advice:
        assert reason.advice.partition("{")[0] in step
    assert ("`spectrogram retry fm-band --memory 1Gi`" in step) == ("{memory}" in reason.advice)
    if "{log}" in reason.advice:
        assert "`spectrogram logs fm-band` shows the end" in step


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "ask the platform team: no operator watches the namespace radio, or none runs"),
        ({"phase": "Pending", "reason": "PVCNotFound"}, "make what is missing there"),
        ({"phase": "Queued"}, "nothing: it starts by itself"),
        ({"phase": "Queued", "conditions": [STALLED]}, "show the platform team"),
        ({"phase": "Retrying", "attempt": 1, "nextAttemptAt": "2026-11-23T12:10:20Z"}, "attempt 2 starts in 20s"),
        ({"phase": "Retrying", "attempt": 1, "nextAttemptAt": "2026-11-23T12:00:20Z"}, "attempt 2 starts now"),
        ({"phase": "Suspended"}, "kubectl patch sgj fm-band --namespace radio"),
        ({"phase": "Cancelled", "reason": "Cancelled"}, "`spectrogram retry fm-band` runs it again"),
        ({"phase": "Failed", "reason": "OfANewerVersion"}, ""),
    ],
)
def test_every_phase_that_is_not_clear_has_a_step(status: dict[str, Any], words: str) -> None:
    assert words in what_to_do(**status)


def test_what_a_job_still_waits_for_did_not_fail_to_come() -> None:
    lines = explained(phase="Pending", reason="PVCNotFound", message="no PersistentVolumeClaim recodings")
    assert "Why          PVCNotFound: no PersistentVolumeClaim recodings" in lines


@pytest.mark.parametrize("phase", ["Starting", "Running", "Succeeded"])
def test_where_all_is_well_nothing_is_to_be_done(phase: str) -> None:
    assert what_to_do(phase=phase) == ""


def test_a_job_that_is_new_is_given_a_moment() -> None:
    assert "in a moment" in what_to_do(after=timedelta(seconds=3))


def test_a_job_that_runs() -> None:
    lines = explained(
        phase="Running",
        reason="PodRunning",
        message="43 of 100 columns",
        queue="default",
        attempt=1,
        heartbeatTime="2026-11-23T12:09:55Z",
        progress={
            "percent": 43,
            "stage": "spectrogram",
            "samplesPerSecond": 12e6,
            "etaSeconds": 83,
            "kernel": "compiled",
        },
        memory={"limitBytes": 2**29, "currentBytes": 2**28, "peakBytes": 500_000_000, "estimateBytes": 2**28},
        attempts=[{**ATTEMPT, "state": "Created", "finishTime": None, "peakMemoryBytes": None}],
        conditions=[_condition("MemoryWarning", "the worker used 93% of its memory limit")],
        warnings=["the range was clipped"],
        dataset={"samples": 1000, "gaps": 2, "missingSamples": 30},
    )
    assert lines == [
        "Job          radio/fm-band",
        "Phase        Running, submitted 10m ago",
        "Why          PodRunning: 43 of 100 columns",
        "Queue        default",
        "Progress     43 %, spectrogram, 12 MS/s, 1 min 23 s left",
        "Attempts     #   POOL      NODE   MEMORY   PEAK   TIME    ENDED   MESSAGE",
        "             1   default          512Mi           9m55s",
        "Memory       limit 512Mi, 256Mi expected, peak 477Mi (93 %), 256Mi now",
        "             warning: the worker used 93% of its memory limit",
        "Kernel       compiled",
        "Recording    2026-11/fm.drf in the claim recordings",
        "Dataset      1000 samples, 2 gaps (30 samples missing)",
        "Warnings     the range was clipped",
    ]


def test_silence_is_told() -> None:
    progress = {"percent": 43, "stage": "spectrogram"}
    lines = explained(phase="Running", progress=progress, heartbeatTime="2026-11-23T12:05:00Z")
    assert any("last heard of 5m ago: the worker does not answer, or no operator runs" in line for line in lines)


def test_a_stall_is_told_once() -> None:
    stalled = _condition("Stalled", "the node does not answer")
    assert "Stalled      the node does not answer" in explained(phase="Running", conditions=[stalled])
    said = explained(phase="Running", message="the node does not answer", conditions=[stalled])
    assert not any(line.startswith("Stalled") for line in said)


def test_where_results_are() -> None:
    outputs = [{"path": "fm-band/spectrogram.png", "bytes": 1200, "mediaType": "image/png", "sha256": "0" * 64}]
    lines = explained({"output": {"store": "archive"}}, phase="Succeeded", outputs=outputs)
    assert "Results      fm-band/spectrogram.png in the store archive    1.2 kB  image/png" in lines


def test_an_address_is_shown_without_its_secret() -> None:
    lines = explained({"input": {"url": "https://data.example.org/fm.sigmf?signature=secret"}})
    assert "Recording    https://data.example.org/fm.sigmf" in lines


def test_a_status_that_cannot_be_read_is_said_to_be_so() -> None:
    assert any("it may be of a newer version" in line for line in explained(attempts="many"))


def test_no_escape_reaches_the_terminal() -> None:
    assert "\x1b" not in "\n".join(explained(phase="Failed", message="\x1b[2J", warnings=["\x1b[2J"]))


def _condition(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": CREATED, "reason": kind, "message": message}
