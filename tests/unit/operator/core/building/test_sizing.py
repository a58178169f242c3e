"""Memory, pools and threads of an attempt (rules 24 and 29)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_operator.api.reasons import OUT_OF_MEMORY
from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, AttemptState, SpectrogramJobStatus
from spectrogram_operator.core.building.estimate import enough_for, planned_peak
from spectrogram_operator.core.building.sizing import (
    attempt_cpu,
    attempt_memory,
    current_queue,
    estimated_memory,
    first_queue,
    granted_memory,
    grown_memory,
    queue_after,
    refused_memory,
    transform_threads,
)
from spectrogram_operator.core.policy import GIBIBYTE, MEBIBYTE, Policy, Pool, Store
from spectrogram_worker.contract.document import Bucket
from spectrogram_worker.contract.framing import MAXIMUM_COLUMNS
from spectrogram_worker.contract.memory import level_of
from spectrogram_worker.contract.parameters import InputFormat
from unit.operator.core.play import SPEC, build_job

DEFAULT, LARGE = QueueName.DEFAULT, QueueName.LARGE_JOBS
POLICY = Policy()


def spec(*, size: str | None = None, queue: str = "auto", **resources: Any) -> SpectrogramJobSpec:
    """A spec with this size hint, queue and resources."""
    recording = SPEC["input"] | ({"size": size} if size else {})
    found = build_job(input=recording, queue=queue, resources=resources).spec
    assert found is not None
    return found


def attempt(memory: int, *, pool: str = "default", reason: str = "MemoryError", peak: int | None = None) -> Attempt:
    """A finished attempt with this memory limit."""
    return Attempt(
        number=1,
        state=AttemptState.FINISHED,
        pod_name="a1",
        pool=pool,
        memory_bytes=memory,
        reason=reason,
        peak_memory_bytes=peak,
    )


@pytest.mark.parametrize(
    ("given_spec", "queue"),
    [
        (spec(), DEFAULT),
        (spec(size="500M"), DEFAULT),
        (spec(size="500000001"), LARGE),
        (spec(size="12Gi"), LARGE),
        (spec(size="12Gi", queue="default"), DEFAULT),
        (spec(queue="large_jobs"), LARGE),
        (spec(memory="4Gi"), DEFAULT),
        (spec(memory="4.1Gi"), LARGE),
        (spec(memory="4.1Gi", queue="default"), DEFAULT),
    ],
)
def test_the_queue_a_job_starts_in(given_spec: SpectrogramJobSpec, queue: QueueName) -> None:
    assert first_queue(given_spec, POLICY) is queue


@pytest.mark.parametrize(
    ("named", "queue"), [(None, LARGE), ("default", DEFAULT), ("large_jobs", LARGE), ("x", DEFAULT)]
)
def test_the_queue_in_status_beats_the_hint(named: str | None, queue: QueueName) -> None:
    assert current_queue(spec(size="12Gi"), SpectrogramJobStatus(queue=named), POLICY) is queue


@pytest.mark.parametrize(
    ("given_spec", "queue", "refused"),
    [
        (spec(memory="4Gi"), DEFAULT, False),
        (spec(memory="4.1Gi"), DEFAULT, True),
        (spec(memory="16Gi"), LARGE, False),
        (spec(memory="17Gi"), LARGE, True),
        (spec(), DEFAULT, False),
    ],
)
def test_memory_that_no_pod_of_the_queue_may_have(
    given_spec: SpectrogramJobSpec, queue: QueueName, refused: bool
) -> None:
    assert bool(refused_memory(given_spec, queue, POLICY)) is refused


@pytest.mark.parametrize(
    ("given_spec", "queue", "previous", "gibibytes"),
    [
        (spec(), DEFAULT, None, 1),
        (spec(), LARGE, None, 4),
        (spec(memory="2Gi"), DEFAULT, None, 2),
        (spec(), LARGE, attempt(GIBIBYTE, reason="RerouteLarge"), 4),
        (spec(), DEFAULT, attempt(GIBIBYTE), 1.5),
        (spec(), DEFAULT, attempt(GIBIBYTE, reason="OOMKilled"), 1.5),
        (spec(), DEFAULT, attempt(2 * GIBIBYTE, reason="Drained"), 2),
        (spec(), DEFAULT, attempt(3 * GIBIBYTE), 4),
        (spec(), LARGE, attempt(4 * GIBIBYTE), 6),
    ],
)
def test_the_memory_of_an_attempt(
    given_spec: SpectrogramJobSpec, queue: QueueName, previous: Attempt | None, gibibytes: float
) -> None:
    assert attempt_memory(given_spec, queue, previous, POLICY) == gibibytes * GIBIBYTE


@pytest.mark.parametrize(
    ("limit", "peak", "mebibytes"),
    [(1024, None, 1536), (1024, 1024, 1536), (1024, 2000, 2560), (64, None, 256), (64, 200, 512), (300, 0, 512)],
)
def test_growth_is_half_as_much_again_or_a_fifth_above_the_peak(limit: int, peak: int | None, mebibytes: int) -> None:
    last = attempt(limit * MEBIBYTE, peak=None if peak is None else peak * MEBIBYTE)
    assert grown_memory(last) == mebibytes * MEBIBYTE


@pytest.mark.parametrize(
    ("queue", "limit", "after"),
    [
        (DEFAULT, 1, DEFAULT),
        (DEFAULT, 3, LARGE),
        (DEFAULT, 4, LARGE),
        (LARGE, 10, LARGE),
        (LARGE, 15, LARGE),
        (LARGE, 16, None),
        (DEFAULT, 16, None),
    ],
)
def test_where_more_memory_is_to_be_had(queue: QueueName, limit: int, after: QueueName | None) -> None:
    assert queue_after(queue, attempt(limit * GIBIBYTE), POLICY) is after


@settings(deadline=None)
@given(st.integers(1, 20 * GIBIBYTE), st.sampled_from([DEFAULT, LARGE]), st.sampled_from(sorted(OUT_OF_MEMORY)))
def test_after_running_out_the_next_attempt_has_more_or_there_is_none(
    limit: int, queue: QueueName, reason: str
) -> None:
    last = attempt(limit, reason=reason)
    after = queue_after(queue, last, POLICY)
    if after is None:
        assert limit >= POLICY.pools[LARGE].max_memory_bytes
    else:
        assert limit < attempt_memory(spec(), after, last, POLICY) <= POLICY.pools[after].max_memory_bytes


AUTO_POOLS = {name: replace(pool, auto_memory=True) for name, pool in POLICY.pools.items()}
HUNGRY = {"fftSize": 2**20, "hopSize": 2**19, "precision": "double"}


def auto(**fields: Any) -> SpectrogramJobSpec:
    """A spec that leaves its memory to its estimate."""
    found = build_job(**{"resources": {"memory": "auto"}} | fields).spec
    assert found is not None
    return found


def test_a_job_that_leaves_it_to_its_estimate_gets_that_and_a_quarter_more() -> None:
    peak = planned_peak(auto(), 1, POLICY)
    memory = attempt_memory(auto(), DEFAULT, None, POLICY)
    assert peak / 0.8 <= memory < peak / 0.8 + 16 * MEBIBYTE
    assert memory == 128 * MEBIBYTE
    assert level_of(peak, memory) == "moderate"


def test_the_pool_may_say_so_and_a_job_s_own_size_wins() -> None:
    policy = replace(POLICY, pools=AUTO_POOLS)
    assert attempt_memory(spec(), DEFAULT, None, policy) == attempt_memory(auto(), DEFAULT, None, POLICY)
    assert attempt_memory(spec(memory="1Gi"), DEFAULT, None, policy) == GIBIBYTE
    assert estimated_memory(spec(), DEFAULT, POLICY) is None


def test_where_the_format_is_not_known_it_is_the_largest_of_them() -> None:
    policy = Policy(stores={"archive": Store(bucket=Bucket(store="archive", bucket="recordings"))})
    for place in ({"claimName": "recordings"}, {"store": "archive"}):
        peaks = {
            name: planned_peak(auto(input={**place, "path": "fm", "format": name}), 2, policy) for name in InputFormat
        }
        assert peaks[InputFormat.AUTO] == max(peaks.values())
        assert min(peaks.values()) < peaks[InputFormat.AUTO]


def test_more_threads_and_what_lies_in_a_bucket_ask_for_more() -> None:
    policy = Policy(stores={"archive": Store(bucket=Bucket(store="archive", bucket="recordings"))})
    remote = auto(input={"store": "archive", "path": "fm.wav"})
    plain, threads, far = (planned_peak(*one, policy) for one in ((auto(), 1), (auto(), 8), (remote, 1)))
    assert 0 < plain < min(threads, far)
    sent = planned_peak(auto(output={"store": "archive"}), 1, policy)
    assert plain < sent < far, "a bucket's client takes as much, whether recordings come from there or results go there"
    two = attempt_memory(auto(resources={"memory": "auto", "cpu": 8}), DEFAULT, None, policy)
    assert two == enough_for(threads)


def test_where_every_frame_is_a_column_there_is_memory_for_the_most_of_them() -> None:
    every, many = auto(reduce={"time": ["none"]}), auto(reduce={"time": ["max"], "columns": 65_536})
    memory = attempt_memory(every, DEFAULT, None, POLICY)
    assert memory >= attempt_memory(many, DEFAULT, None, POLICY) + 32 * MAXIMUM_COLUMNS
    assert memory < GIBIBYTE / 2


def test_an_estimate_is_never_refused_and_never_above_the_pool() -> None:
    hungry = auto(transform=HUNGRY)
    small = {name: replace(pool, max_memory_bytes=128 * MEBIBYTE) for name, pool in POLICY.pools.items()}
    policy = replace(POLICY, pools=small)
    assert refused_memory(hungry, DEFAULT, policy) == ""
    assert attempt_memory(hungry, DEFAULT, None, policy) == 128 * MEBIBYTE


def test_an_estimate_beyond_the_default_pool_goes_to_the_large_one() -> None:
    narrow = {**POLICY.pools, DEFAULT: Pool(memory_bytes=96 * MEBIBYTE, max_memory_bytes=112 * MEBIBYTE)}
    policy = replace(POLICY, pools=narrow)
    assert first_queue(auto(), policy) is LARGE
    assert first_queue(auto(queue="default"), policy) is DEFAULT
    assert first_queue(auto(), POLICY) is DEFAULT


def test_after_a_memory_error_an_estimated_attempt_has_half_as_much_again() -> None:
    first = attempt_memory(auto(), DEFAULT, None, POLICY)
    second = attempt_memory(auto(), DEFAULT, attempt(first), POLICY)
    assert second >= first * 3 // 2
    assert attempt_memory(auto(), DEFAULT, attempt(second, reason="Drained"), POLICY) == second


@pytest.mark.parametrize(("recorded", "bytes_"), [(0, GIBIBYTE), (2**30, 2**30), (2**62, 4 * GIBIBYTE)])
def test_a_pod_never_gets_no_limit_nor_more_than_its_pool(recorded: int, bytes_: int) -> None:
    assert granted_memory(attempt(recorded), POLICY) == bytes_


@pytest.mark.parametrize(
    ("cpu", "threads"), [("50m", 1), ("1", 1), ("1500m", 1), ("2", 2), ("2.9", 2), ("1e3", 256), ("1e60", 256)]
)
def test_whole_cores_are_threads(cpu: str, threads: int) -> None:
    assert transform_threads(cpu) == threads


def test_cpu_is_the_job_s_else_the_pool_s() -> None:
    pool = Pool(memory_bytes=GIBIBYTE, max_memory_bytes=GIBIBYTE, cpu="3")
    policy = Policy(pools={DEFAULT: pool, LARGE: pool})
    assert attempt_cpu(spec(), DEFAULT, policy) == "3"
    assert attempt_cpu(spec(cpu=2), DEFAULT, policy) == "2"
