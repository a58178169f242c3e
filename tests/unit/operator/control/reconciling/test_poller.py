"""The poller: whom it asks and how often, and that nobody waits for an answer."""

import asyncio

import pytest

from pods.reports import report
from spectrogram_operator.api.job import Job
from unit.operator.control.desk import Desk, in_virtual_time

KEY = "radio/fm-band"


@in_virtual_time
async def test_a_worker_is_asked_once_in_every_poll_interval_however_often_its_job_is_looked_at() -> None:
    desk = Desk(poll_seconds=5.0)
    await desk.start()
    (name,) = desk.pod_names()
    desk.answers[name] = answer(desk, percent=1)
    desk.asked.clear()
    for _ in range(30):
        await asyncio.sleep(1)
        await desk.reconcile()
    assert 6 <= len(desk.asked) <= 7


@in_virtual_time
async def test_a_worker_that_does_not_answer_is_asked_ever_more_rarely_and_again_every_minute() -> None:
    desk = Desk(poll_seconds=5.0)
    await desk.start()
    desk.asked.clear()
    await asyncio.sleep(600)
    assert 12 <= len(desk.asked) <= 15
    (name,) = desk.pod_names()
    desk.answers[name] = answer(desk, percent=1)
    await asyncio.sleep(60)
    desk.asked.clear()
    await asyncio.sleep(50)
    assert len(desk.asked) == 10


@in_virtual_time
async def test_what_a_worker_answers_wakes_its_job_and_is_in_the_status() -> None:
    desk = Desk(poll_seconds=5.0)
    await desk.start()
    (name,) = desk.pod_names()
    desk.sleep()
    desk.answers[name] = answer(desk, percent=43)
    await asyncio.sleep(60)
    assert desk.woken == [KEY]
    await desk.reconcile()
    progress = desk.status().progress
    assert progress is not None
    assert progress.percent == 43


@in_virtual_time
async def test_what_says_nothing_new_wakes_nobody_until_the_heartbeat_is_due() -> None:
    desk = Desk(poll_seconds=5.0, heartbeat_seconds=60.0)
    await desk.start()
    (name,) = desk.pod_names()
    desk.answers[name] = answer(desk, percent=43)
    await asyncio.sleep(60)
    await desk.reconcile()
    desk.sleep()
    await asyncio.sleep(50)
    assert desk.woken == []
    await asyncio.sleep(15)
    assert desk.woken == [KEY]


@pytest.mark.parametrize("shape", ["container-creating", "succeeded", "drained-terminating", "just-created"])
@in_virtual_time
async def test_a_worker_that_does_not_run_is_not_asked(shape: str) -> None:
    desk = Desk()
    await desk.start(shape="container-creating")
    if shape == "drained-terminating":
        desk.show("running")
        (name,) = desk.pod_names()
        desk.store.delete("pods", "radio", name)
        desk.look()
        desk.asked.clear()
    else:
        desk.show(shape)
    await asyncio.sleep(60)
    assert desk.asked == []


@in_virtual_time
async def test_a_hundred_workers_that_cannot_be_reached_delay_no_other_job() -> None:
    desk = Desk(slots=500, unreachable=True)
    for number in range(100):
        await desk.start(f"silent-{number}")
    await asyncio.sleep(10)
    desk.submit()
    began = asyncio.get_running_loop().time()
    await desk.reconcile()
    assert desk.status().attempt == 1
    assert asyncio.get_running_loop().time() - began < 1


@in_virtual_time
async def test_a_question_that_somebody_cancels_is_asked_again() -> None:
    """kopf cancels whatever was begun while it watched, when it begins its watches anew."""
    desk = Desk(unreachable=True)
    before = asyncio.all_tasks()
    await desk.start()
    await asyncio.sleep(0.1)
    (question,) = asyncio.all_tasks() - before
    question.cancel()
    await asyncio.sleep(6)
    assert asyncio.all_tasks() - before - {question}
    desk.controller.poller.stop()


def answer(desk: Desk, *, percent: float) -> bytes:
    """What the worker of fm-band says."""
    job = desk.controller.store.job(KEY)
    assert isinstance(job, Job)
    return report(percent=percent, job_uid=job.uid).to_json().encode()


@in_virtual_time
async def test_where_another_operator_serves_nobody_is_asked() -> None:
    desk = Desk(poll_seconds=5.0)
    await desk.start()
    await asyncio.sleep(20)
    assert desk.asked
    desk.served = False
    desk.controller.look_again("radio")
    desk.asked.clear()
    await asyncio.sleep(60)
    assert desk.asked == []
    desk.served = True
    desk.controller.look_again("radio")
    await asyncio.sleep(1)
    assert len(desk.asked) == 1
