"""Events are posted beside everything else: in order, at their pace, and whatever becomes of one of them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from harness import virtual_time
from spectrogram_operator.api.job import Job
from spectrogram_operator.control.reconciling.event_posts import MOST_AT_ONCE, MOST_WAITING, PER_SECOND, EventPosts
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.core.planning.observed import Event
from unit.operator.core.play import build_job


def clock() -> datetime:
    """Virtual time, as an hour of a day."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())


def event(number: int) -> Event:
    return Event(reason="Test", message=str(number))


def test_an_event_that_cannot_be_posted_stops_no_other() -> None:
    posted: list[str] = []

    async def post(job: Job, told: Event, at: datetime) -> None:
        if told.message == "1":
            raise ValueError("a bug")
        posted.append(told.message)

    async def story() -> None:
        posts = EventPosts(post, clock)
        task = asyncio.create_task(posts.run())
        for number in range(4):
            posts.tell(build_job(), event(number))
        await asyncio.sleep(1)
        await cancelled(task)

    virtual_time.run(story())
    assert posted == ["0", "2", "3"]


def test_the_events_of_a_job_are_posted_in_the_order_in_which_they_were_told() -> None:
    posted: list[str] = []

    async def post(job: Job, told: Event, at: datetime) -> None:
        await asyncio.sleep(0.5 if told.message == "0" else 0.1)
        posted.append(told.message)

    async def story() -> None:
        posts = EventPosts(post, clock)
        task = asyncio.create_task(posts.run())
        for number in range(6):
            posts.tell(build_job(), event(number))
        await asyncio.sleep(2)
        await cancelled(task)

    virtual_time.run(story())
    assert posted == [str(number) for number in range(6)]


def test_many_are_posted_at_a_pace_with_the_time_at_which_they_were_told() -> None:
    posted: list[tuple[float, datetime]] = []

    async def post(job: Job, told: Event, at: datetime) -> None:
        posted.append((asyncio.get_running_loop().time(), at))

    async def story() -> None:
        posts = EventPosts(post, clock)
        task = asyncio.create_task(posts.run())
        began, told = asyncio.get_running_loop().time(), clock()
        for number in range(MOST_AT_ONCE + 50):
            posts.tell(build_job(), event(number))
        await asyncio.sleep(1 / PER_SECOND / 2)
        assert len(posted) == MOST_AT_ONCE, "few wait for nothing"
        await asyncio.sleep(600)
        assert len(posted) == MOST_AT_ONCE + 50
        assert posted[-1][0] - began == pytest.approx(50 / PER_SECOND)
        assert {at for _, at in posted} == {told}
        for number in range(MOST_AT_ONCE):
            posts.tell(build_job(), event(number))
        await asyncio.sleep(1 / PER_SECOND / 2)
        assert len(posted) == 2 * MOST_AT_ONCE + 50, "after a quiet while as many again"
        await cancelled(task)

    virtual_time.run(story())


def test_what_is_too_much_is_dropped_and_nobody_waits() -> None:
    posted: list[str] = []

    async def post(job: Job, told: Event, at: datetime) -> None:
        posted.append(told.message)

    async def story() -> None:
        posts = EventPosts(post, clock)
        for number in range(MOST_WAITING + 5):
            posts.tell(build_job(), event(number))
        task = asyncio.create_task(posts.run())
        await asyncio.sleep(MOST_WAITING / PER_SECOND)
        await cancelled(task)

    virtual_time.run(story())
    assert (len(posted), posted[0]) == (MOST_WAITING, "0")
