"""The state machine: a pod that waits for a node, an image or a container."""

from dataclasses import replace

import pytest

from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.status import AttemptState, Phase, RetryClass
from spectrogram_operator.core.planning.observed import QUICK_START_SECONDS
from spectrogram_operator.core.policy import GIBIBYTE, Policy
from unit.operator.core.fixtures import pod
from unit.operator.core.play import (
    Play,
    deleted,
    events,
)

KUEUE = Policy(kueue=True)

WAITING = [
    # fixture, phase, reason, seconds until it is ended, reason then, class
    ("unschedulable", Phase.PENDING, "Unschedulable", 3600, "PendingTimeout", RetryClass.FATAL),
    ("claim-not-found", Phase.PENDING, "PVCNotFound", 3600, "PendingTimeout", RetryClass.FATAL),
    ("just-created", Phase.STARTING, "Scheduling", 3600, "PendingTimeout", RetryClass.FATAL),
    ("empty-status", Phase.STARTING, "Scheduling", 3600, "PendingTimeout", RetryClass.FATAL),
    ("image-pull-error", Phase.STARTING, "ImagePullFailed", 300, "ImagePullFailed", RetryClass.FATAL),
    ("image-pull-back-off", Phase.STARTING, "ImagePullFailed", 300, "ImagePullFailed", RetryClass.FATAL),
    ("registry-busy", Phase.STARTING, "ImagePullFailed", 300, "RegistryBusy", RetryClass.INFRASTRUCTURE),
    ("registry-unreachable", Phase.STARTING, "ImagePullFailed", 300, "RegistryBusy", RetryClass.INFRASTRUCTURE),
    ("registry-pull-qps", Phase.STARTING, "ImagePullFailed", 300, "RegistryBusy", RetryClass.INFRASTRUCTURE),
    ("registry-denied", Phase.STARTING, "ImagePullFailed", 300, "ImagePullFailed", RetryClass.FATAL),
    ("config-error", Phase.STARTING, "ContainerConfigError", 900, "SecretNotFound", RetryClass.INFRASTRUCTURE),
    ("secret-cache", Phase.STARTING, "ContainerConfigError", 900, "SecretNotFound", RetryClass.INFRASTRUCTURE),
    ("config-error-non-root", Phase.STARTING, "ContainerConfigError", 60, "ContainerConfigError", RetryClass.FATAL),
    ("create-error", Phase.STARTING, "ContainerCreateError", 180, "ContainerCreateError", RetryClass.INFRASTRUCTURE),
    ("container-creating", Phase.STARTING, "ContainerCreating", 900, "StartupTimeout", RetryClass.INFRASTRUCTURE),
]


@pytest.mark.parametrize(("name", "phase", "reason", "seconds", "ends_as", "retry_class"), WAITING)
def test_a_pod_that_does_not_start_is_explained_then_ended(
    name: str, phase: Phase, reason: str, seconds: float, ends_as: str, retry_class: RetryClass
) -> None:
    play = Play()
    first = play.run(name)
    quick = QUICK_START_SECONDS if play.status.reason == "CreatingPod" else 0.0
    if quick:
        assert (first.actions, first.requeue_after) == ((), quick), "it may still start unremarked"
        first = play.see(name, after=quick)
    assert (play.status.phase, play.status.reason) == (phase, reason)
    assert play.holds("Running") == f"False {reason}"
    look = {"container-creating": 120, "unschedulable": 30}.get(name, seconds)
    assert (first.actions, first.requeue_after) == ((), look - quick)
    assert play.see(name, after=seconds - quick - 1).actions == ()
    ending = play.see(name, after=1)
    assert (deleted(ending), events(ending)) == ([POD_UID], ["EndingPod"])
    assert (play.attempt().state, play.attempt().reason) == (AttemptState.CREATED, ends_as)
    assert events(play.see(name, after=1)) == [], "said once"
    play.miss(after=10)
    play.miss(after=10, since=10)
    assert (play.attempt().reason, play.attempt().retry_class) == (ends_as, retry_class)
    assert play.status.phase is (Phase.FAILED if retry_class is RetryClass.FATAL else Phase.RETRYING)


@pytest.mark.parametrize(
    "words", ["0/3 nodes are available: 3 Insufficient memory.", "0/1 nodes are available: 1 Too many pods."]
)
def test_the_one_job_more_than_a_pool_s_nodes_have_room_for_goes_back_into_line(words: str) -> None:
    """Its turn came early so that an autoscaler sees it, and it may have come although no node will."""
    pools = {name: replace(pool, auto_concurrent=True) for name, pool in Policy().pools.items()}
    play = Play(Policy(pools=pools))
    play.run("unschedulable")
    seen = pod("unschedulable")
    scheduled = replace(seen.conditions["PodScheduled"], message=words)
    waiting = replace(seen, conditions={**seen.conditions, "PodScheduled": scheduled})
    assert deleted(play.step(after=3600, pod=waiting, pods=(waiting,))) == [POD_UID]
    play.miss(after=10)
    play.miss(after=10, since=10)
    assert (play.status.phase, play.attempt().reason) == (Phase.RETRYING, "NodesFull")
    assert (play.attempt().retry_class, play.status.retries.user) == (RetryClass.INFRASTRUCTURE, 0)


def test_what_no_node_helps_is_not_waited_for_in_such_a_pool_either() -> None:
    """A claim that is not there."""
    pools = {name: replace(pool, auto_concurrent=True) for name, pool in Policy().pools.items()}
    play = Play(Policy(pools=pools))
    play.run("claim-not-found")
    play.see("claim-not-found", after=3600)
    assert play.attempt().reason == "PendingTimeout"


def test_a_secret_that_does_not_exist_is_named_while_the_pod_waits_and_at_the_end() -> None:
    play = Play()
    play.run("config-error")
    words = 'CreateContainerConfigError: secret "store-credentials" not found'
    assert (play.status.message, play.holds("Stalled")) == (words, "True ContainerConfigError")
    play.see("config-error", after=900)
    play.miss(after=10)
    play.miss(after=10, since=10)
    assert (play.status.phase, play.status.reason) == (Phase.RETRYING, "SecretNotFound")
    assert 'secret "store-credentials" not found' in (play.status.message or "")


@pytest.mark.parametrize("name", ["image-never-pull", "image-name-invalid"])
def test_an_image_that_can_never_be_pulled_is_given_up_at_once(name: str) -> None:
    play = Play()
    assert deleted(play.run(name)) == [POD_UID]
    assert play.attempt().reason == "ImagePullFailed"


def test_the_image_s_grace_counts_from_the_first_failure_and_across_its_faces() -> None:
    play = Play()
    play.run("container-creating")
    assert play.see("image-pull-error", after=600).actions == (), "a long download is no failure"
    assert play.holds("Stalled") == "True ImagePullFailed"
    play.see("image-pull-back-off", after=150)
    play.see("container-creating", after=10)
    assert deleted(play.see("image-pull-error", after=140)) == [POD_UID]


def test_row_7_the_cause_last_seen_stays_while_the_node_backs_off() -> None:
    play = Play()
    play.run("registry-unreachable")
    play.see("registry-unreachable-back-off", after=299)
    assert "no such host" in (play.status.message or "")
    assert deleted(play.see("registry-unreachable-back-off", after=1)) == [POD_UID]
    assert (play.attempt().reason, play.attempt().retry_class) == ("RegistryBusy", RetryClass.INFRASTRUCTURE)


def test_row_3_a_worker_that_runs_is_judged_by_its_own_container() -> None:
    play = Play()
    assert play.run("sidecar-image-pull-error").actions == ()
    assert (play.status.phase, play.holds("Running")) == (Phase.RUNNING, "True PodRunning")
    assert play.see("sidecar-image-pull-error", after=901, report=report(percent=40)).actions == ()
    assert play.status.message == "40 % done"


def test_row_14_the_lower_memory_limit_counts() -> None:
    play = Play()
    play.run("running-with-less-memory")
    assert play.attempt().memory_bytes == GIBIBYTE // 2
    play.see("running-with-less-memory", report=report(current_bytes=int(0.46 * GIBIBYTE)))
    assert play.holds("MemoryWarning") == "True HighMemoryUsage"
    play.see("exit-137-unlabelled", after=5)
    assert play.attempt().reason == "SuspectedOOM"


@pytest.mark.parametrize("running", ["preempted-by-volcano", "preempted-by-kueue"])
@pytest.mark.parametrize("ended", ["deleted-exit-143", "deleted-exit-137", "deleted-exit-85"])
def test_row_6_preempted_by_a_queue_is_paid_for_by_the_infrastructure(running: str, ended: str) -> None:
    play = Play()
    play.run(running)
    play.see("deleted-terminating", after=1)
    play.see(ended, after=5)
    assert (play.attempt().reason, play.attempt().retry_class) == ("Preempted", RetryClass.INFRASTRUCTURE)
    assert (play.status.retries.user, play.status.retries.infra) == (0, 1)


MULTI_ATTACH = 'Multi-Attach error for volume "pvc-1": volume is already used by pod(s) fm-band-a0'


@pytest.mark.parametrize(
    ("name", "trouble", "words"),
    [
        ("container-creating", "", "volumes and its network"),
        ("container-creating", MULTI_ATTACH, "Multi-Attach error"),
        ("init-hangs", "", "init container proxy-init has not ended"),
        ("sidecar-crashes", "", "container proxy crashes again and again: back-off 5m0s"),
    ],
)
def test_row_13_a_pod_that_does_not_start_says_why(name: str, trouble: str, words: str) -> None:
    play = Play()
    play.step()
    first = play.see(name, after=QUICK_START_SECONDS, told_by_events=trouble)
    assert first.requeue_after == 120 - QUICK_START_SECONDS
    assert (play.status.message, play.holds("Stalled")) == ("the node is starting the pod", "-")
    play.see(name, after=first.requeue_after, told_by_events=trouble)
    assert words in (play.status.message or "")
    assert play.holds("Stalled") == "True ContainerCreating"
    play.see(name, after=780, told_by_events=trouble)
    assert play.attempt().reason == "StartupTimeout"
    assert words in (play.attempt().message or "")


def test_an_image_that_can_be_pulled_after_all_is_no_trouble_any_more() -> None:
    play = Play()
    play.run("image-pull-error")
    play.see("running", after=100)
    assert play.holds("Stalled") == "False PodRunning"


def test_the_clock_stands_still_while_a_gate_holds_the_pod() -> None:
    play = Play()
    result = play.run("scheduling-gated")
    assert (play.status.phase, play.holds("Admitted")) == (Phase.QUEUED, "False SchedulingGated")
    assert result.requeue_after is None
    play.see("scheduling-gated", after=100_000)
    assert play.see("unschedulable", after=1).actions == ()
    assert play.see("unschedulable", after=3599).actions == ()
    assert deleted(play.see("unschedulable", after=1)) == [POD_UID]


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ("scheduling-gated", "its scheduling gates hold the pod back: example.org/approval"),
        ("gated-by-kueue", "waiting until Kueue admits the pod to team-a"),
    ],
)
def test_a_gated_pod_says_who_holds_it_back(pod: str, words: str) -> None:
    play = Play(KUEUE, queueName="team-a")
    play.run(pod)
    assert (play.status.reason, play.status.message, play.holds("Stalled")) == ("SchedulingGated", words, "-")


def test_a_pod_that_kueue_did_not_notice_needs_a_person_and_waits_for_them() -> None:
    play = Play(KUEUE, queueName="team-a")
    play.run("gated-unnoticed")
    assert play.holds("Stalled") == "True SchedulingGated"
    assert (play.status.message or "").startswith("Kueue, whose queue team-a the job names, did not notice its pod: ")
    play.see("running", after=500)
    assert play.holds("Stalled") == "False PodRunning"
    play = Play(KUEUE, queueName="team-a")
    play.run("gated-unnoticed")
    assert play.see("gated-unnoticed", after=100_000).actions == ()


def test_a_queue_of_kueues_is_refused_where_nobody_allows_it() -> None:
    play = Play(queueName="team-a")
    assert play.step().actions == ()
    assert (play.status.phase, play.status.reason, play.status.attempt) == (Phase.FAILED, "InvalidSpec", 0)
    assert play.status.message == (
        "spec.queueName: the platform team does not leave queueing to Kueue (the chart's settings.kueue): remove"
        " queueName, and the operator queues the job"
    )


def test_kueue_that_is_given_up_ends_an_attempt_without_a_pod_and_no_other() -> None:
    play = Play(KUEUE, queueName="team-a")
    play.step()
    play.policy = Policy()
    assert play.miss().actions == ()
    assert (play.status.reason, play.attempt().retry_class) == ("InvalidSpec", RetryClass.FATAL)
    play = Play(KUEUE, queueName="team-a")
    play.run("gated-by-kueue")
    play.policy = Policy()
    assert play.see("running").actions == ()
    assert play.status.phase == Phase.RUNNING
