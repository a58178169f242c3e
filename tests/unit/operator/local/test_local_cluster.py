"""Jobs without a cluster: every fate that a child process can meet, judged by the planner that judges pods."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.status import Phase
from spectrogram_operator.control.cluster.protocol import Body, Cluster
from spectrogram_operator.core.status import is_over
from spectrogram_operator.local import memory_group
from spectrogram_operator.local.memory_group import MemoryGroup
from unit.operator.local.machine import PATIENCE, POLICY, Machine, alive, exists, job, run, running


def enforces_memory() -> bool:
    """Whether this machine lets us make a control group with a memory limit."""
    try:
        return MemoryGroup.create("probe", 2**30).remove()
    except OSError:
        return False


needs_control_groups = pytest.mark.skipif(not enforces_memory(), reason="no control groups that this user may write")


async def test_it_is_what_the_reconciler_calls_a_cluster(tmp_path: Path) -> None:
    async with running(tmp_path, job("success")) as machine:
        cluster: Cluster = machine.cluster
        await machine.until(is_over)
        body = await pod_of(machine)
        assert (await cluster.read_pod("default", body["metadata"]["name"])) == body
        assert await cluster.read_pod("default", "another") is None
        assert await cluster.claim_exists("default", "recordings") is True
        assert await cluster.claim_exists("default", "another") is False


async def test_success(tmp_path: Path) -> None:
    status, machine = await run(tmp_path, job("success"))
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, "Completed")
    assert status.message == "10 of 10 columns are in job"
    assert (tmp_path / "results" / status.outputs[0].path).read_text() == "{}"
    assert machine.warnings == ["hopSize skips samples"]


async def test_the_document_of_the_pod_points_to_the_folders_of_this_machine(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, job("folders", resources={"memory": "100Mi", "cpu": "2"}))
    document = json.loads((tmp_path / "results/document.json").read_text())
    assert document["folders"]["input"] == str(tmp_path / "recordings")
    assert document["folders"]["output"] == str(tmp_path / "results")
    assert not any(exists(document["folders"][name]) for name in ("scratch", "termination_message"))
    assert (document["port"], document["limits"]["threads"]) == (0, 2)
    assert document["limits"]["memory_bytes"] == 100 * 2**20
    assert status.phase is Phase.SUCCEEDED


async def test_one_claim_for_input_and_output(tmp_path: Path) -> None:
    document = job("folders", output={"claimName": "recordings"})
    status, _ = await run(tmp_path, document)
    assert status.phase is Phase.SUCCEEDED
    assert (tmp_path / "recordings/document.json").exists()


async def test_progress_is_asked_for_over_http(tmp_path: Path) -> None:
    async with running(tmp_path, job("progress")) as machine:
        await machine.until(is_over)
        heard = next(status for status in machine.statuses if status.progress is not None)
    assert heard.phase is Phase.RUNNING
    assert heard.progress is not None
    assert (heard.progress.percent, heard.progress.stage) == (43.0, "spectrogram")


async def test_a_passing_error_is_tried_again_after_a_while(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, job("third-time"), replace(POLICY, backoff_seconds=0.2))
    assert status.phase is Phase.SUCCEEDED
    assert [attempt.reason for attempt in status.attempts] == ["TransientError", "TransientError", "Completed"]
    assert [attempt.exit_code for attempt in status.attempts] == [75, 75, 0]
    first, second, third = status.attempts
    for before, after, least in ((first, second, 0.18), (second, third, 0.36)):
        assert before.finish_time is not None
        assert after.reserved_time is not None
        assert (after.reserved_time - before.finish_time).total_seconds() >= least


async def test_a_passing_error_that_does_not_pass_fails_the_job(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, job("transient", retry={"limit": 1}))
    assert (status.phase, status.reason, status.attempt) == (Phase.FAILED, "TransientError", 2)


@needs_control_groups
@pytest.mark.parametrize(("fate", "exit_code"), [("memory", 137), ("child-memory", 70)])
async def test_the_kernel_enforces_the_memory_limit(tmp_path: Path, fate: str, exit_code: int) -> None:
    status, machine = await run(tmp_path, job(fate, resources={"memory": "64Mi"}))
    assert (status.phase, status.reason) == (Phase.FAILED, "OOMKilled")
    assert (status.attempts[-1].exit_code, status.attempt) == (exit_code, 1)
    assert machine.warnings == []
    assert own_groups() == []


@needs_control_groups
async def test_more_memory_after_a_kill_where_the_job_asks_for_it(tmp_path: Path) -> None:
    asked = {"resources": {"memory": "64Mi"}, "retry": {"limit": 1, "zombies": "Retry"}}
    status, _ = await run(tmp_path, job("memory", **asked))
    assert [attempt.reason for attempt in status.attempts] == ["OOMKilled", "OOMKilled"]
    assert status.attempts[1].memory_bytes > status.attempts[0].memory_bytes


async def test_a_limit_that_cannot_be_enforced_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_group, "MEMBERSHIPS", tmp_path / "none")
    status, machine = await run(tmp_path, job("third-time"))
    assert status.phase is Phase.SUCCEEDED
    (warning,) = machine.warnings
    assert "cannot enforce the memory limit" in warning
    assert "safeguard" in warning


@pytest.mark.parametrize("fate", ["stubborn", "hang"])
async def test_the_hard_limit_ends_a_worker_that_goes_on(tmp_path: Path, fate: str) -> None:
    policy = replace(POLICY, termination_grace_seconds=1)
    status, _ = await run(tmp_path, job(fate, timeLimits={"softSeconds": 1, "hardSeconds": 2}), policy)
    assert (status.phase, status.reason, status.attempt) == (Phase.FAILED, "DeadlineExceeded", 1)


async def test_the_soft_limit_keeps_what_is_complete_and_is_not_retried(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, job("soft"))
    assert (status.phase, status.reason, status.attempt) == (Phase.FAILED, "SoftTimeLimitExceeded", 1)
    assert status.attempts[-1].exit_code == 84
    assert [output.path for output in status.outputs] == ["job.partial/manifest.json"]


@pytest.mark.parametrize(
    ("fate", "reason", "exit_code", "message"),
    [
        ("crash", "WorkerError", 1, "RuntimeError: no such luck"),
        ("noise", "WorkerError", 3, "last line"),
        ("signal", "WorkerError", 139, ""),
        ("no-manifest", "OutputMissing", 0, ""),
    ],
)
async def test_a_worker_that_breaks(tmp_path: Path, fate: str, reason: str, exit_code: int, message: str) -> None:
    status, machine = await run(tmp_path, job(fate, retry={"limit": 0}))
    assert (status.phase, status.reason) == (Phase.FAILED, reason)
    (attempt,) = status.attempts
    assert attempt.exit_code == exit_code
    assert message in (attempt.message or "")
    assert "Traceback" not in (attempt.message or "")
    assert all("\x1b" not in line.message for line in machine.cluster.log_of(attempt.pod_name))


async def test_a_command_that_cannot_be_started(tmp_path: Path) -> None:
    async with running(tmp_path, job("success"), command=("/nonexistent/worker",)) as machine:
        status = await machine.until(is_over)
    assert (status.phase, status.reason, status.attempt) == (Phase.FAILED, "ContainerStartFailed", 1)
    assert "cannot start /nonexistent/worker" in (status.message or "")


async def test_cancelling_ends_the_worker_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, job("hang")) as machine:
        process = await machine.ready()
        machine.cluster.cancel("default/job")
        status = await machine.until(is_over)
        assert not alive(process)
    assert (status.phase, status.reason) == (Phase.CANCELLED, "Cancelled")
    assert status.attempts[-1].exit_code == 85
    assert [output.path for output in status.outputs] == ["job.partial/manifest.json"]


async def test_killing_does_not_wait_for_the_grace_period(tmp_path: Path) -> None:
    async with running(tmp_path, job("stubborn"), replace(POLICY, termination_grace_seconds=3600)) as machine:
        process = await machine.ready()
        machine.cluster.cancel("default/job")
        await machine.until(lambda status: (status.message or "").startswith("ending"))
        machine.cluster.kill()
        status = await machine.until(is_over)
        assert not alive(process)
    assert (status.phase, status.attempts[-1].exit_code) == (Phase.CANCELLED, 137)


async def test_a_deleted_pod_is_gone_once_it_has_ended(tmp_path: Path) -> None:
    async with running(tmp_path, job("hang", retry={"limit": 0})) as machine:
        await machine.ready()
        body = await pod_of(machine)
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        await machine.cluster.delete_pod("default", name, "another-uid")
        assert "deletionTimestamp" not in (await pod_of(machine))["metadata"]
        await machine.cluster.delete_pod("default", name, uid)
        status = await machine.until(is_over)
        async with asyncio.timeout(PATIENCE):
            while await machine.cluster.read_pod("default", name):
                await asyncio.sleep(0.01)
    assert (status.phase, status.reason) == (Phase.FAILED, "PodDeleted")


@pytest.mark.parametrize("memberships", [str(memory_group.MEMBERSHIPS), "/nonexistent"])
async def test_no_child_of_a_worker_outlives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memberships: str
) -> None:
    monkeypatch.setattr(memory_group, "MEMBERSHIPS", Path(memberships))
    status, _ = await run(tmp_path, job("child"))
    assert status.phase is Phase.SUCCEEDED
    assert not alive(int((tmp_path / "results/child").read_text()))


async def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path, job("stubborn"), replace(POLICY, termination_grace_seconds=3600)) as machine:
        process = await machine.ready()
        body = await pod_of(machine)
        scratch = os.readlink(f"/proc/{process}/cwd")
        assert exists(scratch)
    assert not alive(process)
    assert not exists(os.path.dirname(scratch))
    assert own_groups() == []
    assert body["status"]["phase"] == "Running"


async def test_a_status_of_an_older_job_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, job("hang")) as machine:
        await machine.ready()
        body = await machine.cluster.read_job("default", "job")
        assert body is not None
        old = read_job(body)
        machine.cluster.cancel("default/job")
        with pytest.raises(Exception, match="409 Conflict"):
            await machine.cluster.write_status(old, {})
        await machine.until(is_over)


async def pod_of(machine: Machine) -> Body:
    """The job's only pod."""
    job = await machine.cluster.read_job("default", "job")
    assert job is not None
    pod = await machine.cluster.read_pod("default", job["status"]["attempts"][0]["podName"])
    assert pod is not None
    return pod


def own_groups() -> list[Path]:
    """Control groups of this process that were left behind."""
    return [path for path in Path("/sys/fs/cgroup").rglob(f"{memory_group.PREFIX}.{os.getpid()}.*") if path.is_dir()]
