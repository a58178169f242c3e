"""What workers took is kept in a ConfigMap of their namespace, whatever becomes of that."""

from collections.abc import Mapping
from typing import Any

import pytest

from pods.jobs import job_body, stored
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.status import Attempt, AttemptState, RetryClass, SpectrogramJobStatus
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from spectrogram_operator.control.reconciling.corrections import CONFIG_MAP, Corrections
from spectrogram_operator.core.policy import Policy
from unit.operator.control.desk import in_virtual_time

NAMESPACE = "radio"


class Maps:
    """One namespace's ConfigMap; `fate` is raised instead of the next answers."""

    def __init__(self) -> None:
        self.data: dict[str, str] | None = None
        self.version = 0
        self.writes = 0
        self.fate: ClusterError | None = None

    def edit(self, **data: str) -> None:
        self.data, self.version = {**(self.data or {}), **data}, self.version + 1

    async def read_config_map(self, namespace: str, name: str) -> Body | None:
        assert (namespace, name) == (NAMESPACE, CONFIG_MAP)
        if self.fate is not None:
            raise self.fate
        return None if self.data is None else {"data": dict(self.data), "version": self.version}

    async def write_config_map(self, namespace: str, name: str, data: Mapping[str, str], read: Body | None) -> None:
        if (None if self.data is None else self.version) != (None if read is None else read["version"]):
            raise ClusterError(409, "Conflict", "somebody else wrote first")
        self.writes += 1
        self.data, self.version = dict(data), self.version + 1


class ConflictOnce(Maps):
    """Another operator writes between reading and writing, once."""

    async def read_config_map(self, namespace: str, name: str) -> Body | None:
        found = await super().read_config_map(namespace, name)
        if self.writes == 0 and self.version == 1:
            self.edit(**{"Auto.small": "100 100"})
        return found


def job() -> Job:
    return read_job(stored(job_body(resources={"memory": "auto"})))


def told(corrections: Corrections, reason: str = "MemoryError", times: int = 1) -> None:
    """So many attempts ended."""
    for _ in range(times):
        attempt: dict[str, Any] = {"number": 1, "pod_name": "a1", "pool": "default", "memory_bytes": 160 * 2**20}
        running = Attempt(state=AttemptState.CREATED, **attempt)
        over = Attempt(state=AttemptState.FINISHED, reason=reason, retry_class=RetryClass.MEMORY, **attempt)
        corrections.record(job(), SpectrogramJobStatus(attempts=(running,)), SpectrogramJobStatus(attempts=(over,)))


@in_virtual_time
async def test_enough_of_them_correct_and_outlive_the_operator() -> None:
    maps = Maps()
    first = Corrections(Policy(), maps)
    told(first, times=8)
    assert first.policy(NAMESPACE).memory_corrections == {}
    await first.save()
    assert maps.data == {"Auto.small": " ".join(["189"] * 8)}
    assert first.policy(NAMESPACE).memory_corrections == {"Auto.small": 1.89}
    await first.save()
    assert maps.writes == 1
    assert first.policy("others") == Policy(), "what one namespace took concerns no other"

    second = Corrections(Policy(), maps)
    assert second.policy(NAMESPACE) == Policy()
    await second.save()
    assert second.policy(NAMESPACE).memory_corrections == {"Auto.small": 1.89}


@in_virtual_time
async def test_what_is_judged_once_counts_once_and_other_ends_count_for_nothing() -> None:
    maps = Maps()
    corrections = Corrections(Policy(), maps)
    told(corrections, reason="Drained")
    over = SpectrogramJobStatus(
        attempts=(
            Attempt(
                number=1,
                state=AttemptState.FINISHED,
                pod_name="a1",
                pool="default",
                memory_bytes=2**28,
                reason="OOMKilled",
                retry_class=RetryClass.ZOMBIE,
            ),
        )
    )
    corrections.record(job(), over, over)
    await corrections.save()
    assert maps.data is None


@in_virtual_time
async def test_a_config_map_that_is_lost_or_spoilt_is_begun_anew() -> None:
    maps = Maps()
    corrections = Corrections(Policy(), maps)
    told(corrections, times=8)
    await corrections.save()
    maps.data = None
    told(corrections)
    await corrections.save()
    assert maps.data == {"Auto.small": "189"}
    assert corrections.policy(NAMESPACE).memory_corrections == {}
    maps.data = {"Auto.small": "rubbish", "else": "x" * 100_000}
    told(corrections)
    await corrections.save()
    assert maps.data == {"Auto.small": "189"}


@in_virtual_time
async def test_after_a_conflict_it_is_read_again_and_nothing_is_lost() -> None:
    maps = ConflictOnce()
    maps.edit(**{"Auto.small": "100"})
    corrections = Corrections(Policy(), maps)
    told(corrections)
    await corrections.save()
    assert maps.data == {"Auto.small": "100 100"}
    await corrections.save()
    assert maps.data == {"Auto.small": "100 100 189"}


@in_virtual_time
async def test_without_the_right_estimates_stand_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    maps = Maps()
    maps.fate = ClusterError(403, "Forbidden", "configmaps is forbidden")
    corrections = Corrections(Policy(), maps)
    told(corrections, times=2000)
    for _ in range(3):
        await corrections.save()
    assert corrections.policy(NAMESPACE) == Policy()
    assert len(corrections._unsaved[NAMESPACE]) == 1000, "what is not kept must not pile up"
    assert [record.getMessage() for record in caplog.records if "is not kept" in record.getMessage()] == [
        "What jobs of radio took of memory is not kept: 403 Forbidden: configmaps is forbidden"
    ]
    maps.fate = None
    await corrections.save()
    assert len((maps.data or {})["Auto.small"].split()) == 32


@in_virtual_time
async def test_where_another_operator_has_served_its_reports_are_read() -> None:
    maps = Maps()
    corrections = Corrections(Policy(), maps)
    corrections.policy(NAMESPACE)
    await corrections.save()
    maps.edit(**{"Auto.small": " ".join(["170"] * 8)})
    await corrections.save()
    assert corrections.policy(NAMESPACE).memory_corrections == {}
    corrections.forget(None)
    assert corrections.policy(NAMESPACE) == Policy()
    await corrections.save()
    assert corrections.policy(NAMESPACE).memory_corrections == {"Auto.small": 1.7}
