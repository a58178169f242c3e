"""Two hundred jobs in three namespaces: all end, no slot is used twice, each namespace has its turn, few requests."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cluster.actors.player import FINISHED, Player, Seen, most_at_once
from cluster.audit import Audit
from cluster.conftest import opened
from cluster.workspace import ACCOUNT, Workspace, pools
from harness.kubernetes.control_plane import ApiServer
from harness.waiting import wait_until

JOBS = (12, 58, 130)
"""In each namespace, the first to come first."""
LIMIT = 3
MOST_BEFORE_ONES_TURN = 25
"""Starts of others in a row while a namespace has jobs in line. Some two are its due; by age alone it would be 58."""


@pytest.fixture
def workspaces(
    control_plane: ApiServer, operator_rules: list[dict[str, Any]], tmp_path: Path
) -> Iterator[list[Workspace]]:
    """Three, of which the first one's operator serves all."""
    made: list[Workspace] = []
    with ExitStack() as stack:
        for name in ("few", "some", "crowd"):
            folder = tmp_path / name
            folder.mkdir()
            made.append(stack.enter_context(opened(Workspace(control_plane, folder, operator_rules))))
        for other in made[1:]:
            other.admit(made[0])
        yield made


def test_many_jobs_submitted_at_once_all_end_and_never_more_than_the_limit_run(
    workspaces: list[Workspace], audit: Audit
) -> None:
    home, begin = workspaces[0], time.monotonic()
    operator = home.operator(
        SPECTROGRAM_NAMESPACES=",".join(workspace.namespace for workspace in workspaces),
        SPECTROGRAM_POOLS=pools(default={"maxConcurrent": LIMIT}),
    ).start()
    operator.wait_until_ready()
    submit(home, JOBS[0])
    wait_until(lambda: told_positions(home) == JOBS[0] - LIMIT, what="jobs in a short line to say where they stand")
    for workspace, count in zip(workspaces[1:], JOBS[1:], strict=True):
        submit(workspace, count)
    with ExitStack() as stack:
        players = [stack.enter_context(Player(workspace.api)) for workspace in workspaces]
        wait_until(lambda: succeeded(workspaces) == sum(JOBS), timeout=3000, what="the end of all jobs", interval=1)
    seconds = time.monotonic() - begin

    seen = sorted((event for player in players for event in player.seen), key=lambda event: event.version)
    assert most_at_once(seen) <= LIMIT
    assert [len(player.uids()) for player in players] == [*JOBS]
    assert {len(uids) for player in players for uids in player.uids().values()} == {1}
    assert all(event.phase in FINISHED for event in seen if event.type == "DELETED")
    assert {job["status"]["attempt"] for workspace in workspaces for job in jobs_of(workspace)} == {1}
    waits = [longest_wait(seen, player) for player in players]
    assert max(waits) <= MOST_BEFORE_ONES_TURN

    writes, requests = audit.writes(home.namespace, ACCOUNT), audit.requests(home.namespace, ACCOUNT)
    reads = Counter(f"{one.verb} {one.resource}" for one in requests if one.verb == "get")
    refused = Counter((one.code, one.verb, one.resource) for one in requests if one.code >= 400)
    print(
        f"{sum(JOBS)} jobs, at most {LIMIT} at once (seen: {most_at_once(seen)}): {seconds:.0f} s,"
        f" {sum(JOBS) / seconds:.1f} jobs/s, the pods' kubelet played by the same machine;"
        f" starts of others between two of one's own: {waits}"
    )
    for what, number in sorted((writes + reads).items()):
        print(f"  {number / sum(JOBS):5.2f} per job  {what}")
    print(f"  refused: {dict(refused)}")
    assert writes["create pods"] == sum(JOBS)
    # Queued, reserved, recorded, running, ended; the pod's UID and its node may come in two writes. A line that moves
    # costs none.
    assert writes["update spectrogramjobs/status"] <= 6 * sum(JOBS)


def longest_wait(seen: list[Seen], player: Player) -> int:
    """The most pods of others that were started in a row while jobs of this player's namespace stood in line."""
    own = {event.uid for event in player.seen}
    started = [uid in own for uid in dict.fromkeys(event.uid for event in seen)]
    last = max(number for number, is_own in enumerate(started) if is_own)
    return max(len(list(row)) for is_own, row in groupby([True, *started[:last]]) if not is_own)


def jobs_of(workspace: Workspace) -> list[dict[str, Any]]:
    return workspace.api.list("spectrogramjobs")


def submit(workspace: Workspace, count: int) -> None:
    for number in range(count):
        workspace.submit(f"job-{number:03}")


def told_positions(workspace: Workspace) -> int:
    """How many jobs say where in line they stand, and who runs."""
    where = re.compile(rf": \d ahead in default; {workspace.namespace} runs {LIMIT} of {LIMIT}$")
    return sum(bool(where.search(job.get("status", {}).get("message", ""))) for job in jobs_of(workspace))


def succeeded(workspaces: list[Workspace]) -> int:
    jobs = (job for workspace in workspaces for job in jobs_of(workspace))
    return sum(job.get("status", {}).get("phase") == "Succeeded" for job in jobs)
