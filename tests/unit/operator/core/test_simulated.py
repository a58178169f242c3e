"""Whole lives of jobs in a hostile world: what holds at every moment, and that every job ends (faults.md §1)."""

from collections import Counter

import pytest

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.status import AttemptState, RetryClass
from spectrogram_operator.core.conditions import holds, is_over
from spectrogram_operator.core.policy import Policy
from unit.operator.core.simulator import SHAPE, Store
from unit.operator.core.world import SUCCESSES, World

MOMENTS = 60
CALM_MOMENTS = 400


@pytest.mark.parametrize("seed", range(30))
def test_one_operator_that_dies_often(seed: int) -> None:
    world = World(seed)
    live(world, check_limits=True)


@pytest.mark.parametrize("seed", range(20))
def test_two_operators_at_once(seed: int) -> None:
    live(World(seed, operators=2), check_limits=False)


@pytest.mark.parametrize("seed", range(10))
def test_operators_that_sleep_at_the_wrong_moment(seed: int) -> None:
    live(World(seed, operators=2, slow=True), check_limits=False, check_pods=False)


def live(world: World, *, check_limits: bool, check_pods: bool = True) -> None:
    """Play the script, then let the world calm down until every job has ended."""
    for _ in range(MOMENTS):
        world.step()
        check(world, check_limits=check_limits, check_pods=check_pods)
    world.resume_all()
    for _ in range(CALM_MOMENTS):
        if world.all_over():
            break
        world.step(calm=True)
        check(world, check_limits=check_limits, check_pods=check_pods)
    assert world.all_over(), [(job.name, job.status.phase, job.status.reason) for job in world.store.jobs()]


def check(world: World, *, check_limits: bool, check_pods: bool) -> None:
    """What is true at every moment."""
    pods = world.store.live_pods()
    if check_pods:
        assert max(Counter(pod.owner_uid for pod in pods).values(), default=0) <= 1, "two live pods of one job"
    if check_limits:
        for queue, count in Counter(pod.queue for pod in pods).items():
            assert count <= world.policy.pools[queue].max_concurrent, f"too many pods in {queue}"
    for job in world.store.jobs():
        check_budgets(job, world.policy)
        check_no_success_is_lost(job, world.store)
        check_history(world.store, job.name)


def check_budgets(job: Job, policy: Policy) -> None:
    """No budget is overdrawn, and each attempt but the first is paid for, or was suspended."""
    assert job.spec is not None
    retries = job.status.retries
    assert retries.user <= job.spec.retry.limit
    assert retries.infra <= policy.infrastructure_retries
    assert retries.reroutes <= 1


def check_no_success_is_lost(job: Job, store: Store) -> None:
    """An attempt that was judged is a success if and only if its pod, while it is there to be seen, is one."""
    shapes = {body["metadata"]["uid"]: body["metadata"][SHAPE] for body in store.pods.values()}
    for attempt in job.status.attempts:
        if attempt.state is AttemptState.FINISHED and attempt.pod_uid in shapes:
            assert (attempt.retry_class is RetryClass.SUCCESS) == (shapes[attempt.pod_uid] in SUCCESSES)
    if is_over(job.status):
        succeeded = any(attempt.retry_class is RetryClass.SUCCESS for attempt in job.status.attempts)
        assert holds(job.status, "Complete") is (True if succeeded else None)


def check_history(store: Store, name: str) -> None:
    """From one version to the next: attempts only rise, an end is for good, a pod's UID never changes."""
    if len(store.history[name]) < 3:
        return
    old, new = store.job(name, versions_ago=1).status, store.job(name).status
    assert new.attempt >= old.attempt
    if is_over(old):
        assert (new.phase, new.completion_time, new.attempts) == (old.phase, old.completion_time, old.attempts)
    recorded = {attempt.number: attempt.pod_uid for attempt in old.attempts if attempt.pod_uid}
    for attempt in new.attempts:
        assert recorded.get(attempt.number, attempt.pod_uid) == attempt.pod_uid
