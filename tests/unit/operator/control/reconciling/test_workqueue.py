"""The work queue in virtual time: no key is lost, none is in flight twice, and failures wait longer and longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.control.reconciling.workqueue import WorkQueue, cancelled
from unit.operator.control.desk import in_virtual_time

UNAVAILABLE = ClusterError(503, "ServiceUnavailable", "try later")
Deed = float | None | Exception


class Diary:
    """What reconciles: it notes when each key came, takes `seconds` for it, and does with it what it was told.

    `deeds` are what comes of one reconcile after the other: an answer, or an exception. After them: None.
    """

    def __init__(self, *deeds: Deed, seconds: float = 0.0) -> None:
        self.deeds = list(deeds)
        self.seconds = seconds
        self.began: list[tuple[float, str]] = []
        self.in_flight: list[str] = []
        self.most_in_flight = 0
        self.errors = 0

    async def reconcile(self, key: str) -> float | None:
        assert key not in self.in_flight, f"{key} is in flight twice"
        self.began.append((now(), key))
        self.in_flight.append(key)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight.remove(key)
        deed = self.deeds.pop(0) if self.deeds else None
        if isinstance(deed, Exception):
            raise deed
        return deed

    def failed(self, error: Exception) -> None:
        self.errors += 1

    @property
    def times(self) -> list[float]:
        """When the reconciles began."""
        return [round(moment, 2) for moment, _ in self.began]


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def at_work(diary: Diary, workers: int = 16) -> AsyncIterator[WorkQueue]:
    """The queue that this reconciles, with workers at work. Raises what ended them, if anything did."""
    queue = WorkQueue(diary.reconcile, workers=workers, on_error=diary.failed)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        await cancelled(task)


# Coalescing


@in_virtual_time
async def test_a_key_that_is_added_often_before_it_is_taken_is_looked_at_once() -> None:
    diary = Diary()
    async with at_work(diary) as queue:
        for _ in range(5):
            queue.add("a")
        queue.add("b")
        await asyncio.sleep(1000)
    assert diary.began == [(0, "a"), (0, "b")]


@in_virtual_time
async def test_a_key_that_is_added_while_it_is_looked_at_is_looked_at_once_more_afterwards() -> None:
    diary = Diary(seconds=10)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        for _ in range(3):
            queue.add("a")
        assert len(queue.waiting) == 0
        await asyncio.sleep(1000)
    assert diary.times == [0, 10]


@in_virtual_time
async def test_a_key_that_is_added_while_its_look_fails_is_looked_at_again_at_once() -> None:
    diary = Diary(UNAVAILABLE, seconds=10)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        await asyncio.sleep(1000)
    assert diary.times == [0, 10]


@in_virtual_time
async def test_as_many_keys_are_looked_at_at_once_as_there_are_workers() -> None:
    diary = Diary(seconds=10)
    async with at_work(diary, workers=3) as queue:
        for number in range(7):
            queue.add(f"key {number}")
        await asyncio.sleep(1)
        assert len(queue.waiting) == 4
        await asyncio.sleep(1000)
    assert diary.most_in_flight == 3
    assert diary.times == [0, 0, 0, 10, 10, 10, 20]
    assert [key for _, key in diary.began] == [f"key {number}" for number in range(7)]


# When to look again


@in_virtual_time
async def test_the_answer_is_when_to_look_again() -> None:
    diary = Diary(30.0, 0.5, None)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1000)
    assert diary.times == [0, 30, 30.5]


@in_virtual_time
async def test_an_answer_of_no_time_is_at_once_and_lets_others_go_first() -> None:
    diary = Diary(0.0, None)
    async with at_work(diary, workers=1) as queue:
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(1000)
    assert [key for _, key in diary.began] == ["a", "b", "a"]
    assert diary.times == [0, 0, 0]


@pytest.mark.parametrize(
    ("wishes", "times"),
    [
        ([60.0, 5.0], [5]),
        ([5.0, 60.0], [5]),
        ([5.0, 5.0], [5]),
        ([60.0, 0.0], [0]),
        ([0.0, 60.0], [0]),
        ([60.0, 30.0, 10.0, 20.0], [10]),
    ],
)
@in_virtual_time
async def test_the_earliest_of_several_wishes_counts_and_it_alone(wishes: list[float], times: list[float]) -> None:
    diary = Diary()
    async with at_work(diary) as queue:
        for delay in wishes:
            queue.add("a", delay)
        await asyncio.sleep(1000)
    assert diary.times == times


@in_virtual_time
async def test_a_wish_for_later_is_kept_while_the_key_is_looked_at() -> None:
    diary = Diary(seconds=10)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a", 60.0)
        await asyncio.sleep(1000)
    assert diary.times == [0, 61]


@in_virtual_time
async def test_an_event_does_not_wait_for_a_wish_for_later() -> None:
    diary = Diary(3600.0)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(7)
        queue.add("a")
        await asyncio.sleep(10_000)
    assert diary.times == [0, 7]


# Failures


@pytest.mark.parametrize("error", [UNAVAILABLE, KeyError("a bug")])
@in_virtual_time
async def test_each_failure_in_a_row_waits_twice_as_long_up_to_a_minute(error: Exception) -> None:
    diary = Diary(*[error] * 9)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1000)
    waits = [after - before for before, after in zip(diary.times, diary.times[1:], strict=False)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert diary.errors == 9


@in_virtual_time
async def test_a_success_ends_the_row() -> None:
    diary = Diary(UNAVAILABLE, UNAVAILABLE, 10.0, UNAVAILABLE, None)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(1000)
    assert diary.times == [0, 1, 3, 13, 14]


@in_virtual_time
async def test_one_key_s_failures_do_not_delay_another() -> None:
    diary = Diary(UNAVAILABLE, UNAVAILABLE)
    async with at_work(diary, workers=1) as queue:
        queue.add("a")
        await asyncio.sleep(1.5)
        queue.add("b")
        await asyncio.sleep(1000)
    assert diary.began == [(0, "a"), (1, "a"), (1.5, "b"), (3, "a")]


@in_virtual_time
async def test_a_key_that_fails_for_days_is_looked_at_every_minute() -> None:
    diary = Diary(*[UNAVAILABLE] * 2000)
    async with at_work(diary) as queue:
        queue.add("a")
        await asyncio.sleep(2 * 86_400)
    assert len(diary.times) == 2001


# What the probe reads


@in_virtual_time
async def test_depth_and_age_are_those_of_the_keys_that_wait_for_a_worker() -> None:
    diary = Diary(seconds=100)
    async with at_work(diary, workers=1) as queue:
        assert (len(queue.waiting), queue.oldest_seconds()) == (0, 0)
        queue.add("in flight")
        await asyncio.sleep(10)
        queue.add("waits")
        queue.add("later", 50)
        await asyncio.sleep(20)
        queue.add("waits")
        queue.add("waits too")
        assert (len(queue.waiting), queue.oldest_seconds(), queue.done) == (2, 20, 0)
        await asyncio.sleep(80)
        assert (len(queue.waiting), queue.done) == (2, 1)


# The end


@in_virtual_time
async def test_a_queue_that_is_cancelled_looks_at_nothing_more() -> None:
    diary = Diary(seconds=10)
    queue = WorkQueue(diary.reconcile)
    task = asyncio.create_task(queue.run())
    queue.add("a")
    queue.add("later", 50)
    await asyncio.sleep(1)
    await cancelled(task)
    assert (task.cancelled(), diary.in_flight) == (True, [])
    await asyncio.sleep(1000)
    assert (diary.times, len(queue.waiting)) == ([0], 0)


@in_virtual_time
async def test_waiting_for_the_end_of_a_task_does_not_hide_what_it_raised() -> None:
    async def breaks() -> None:
        raise KeyError("a bug")

    task = asyncio.create_task(breaks())
    await asyncio.sleep(1)
    with pytest.raises(KeyError):
        await cancelled(task)


@in_virtual_time
async def test_who_waits_for_the_end_of_a_task_may_be_cancelled_too() -> None:
    async def takes_its_time() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(5)

    task = asyncio.create_task(takes_its_time())
    await asyncio.sleep(1)
    waiting = asyncio.create_task(cancelled(task))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.sleep(1)
    assert (waiting.cancelled(), task.done()) == (True, False)
    await asyncio.sleep(5)
    assert task.cancelled()
