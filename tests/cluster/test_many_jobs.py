"""Two hundred jobs at once: all end, no slot is used twice, no pod is made twice, and few requests are made for it."""

import time
from collections import Counter

from cluster.audit import Audit
from cluster.player import FINISHED, Player
from cluster.workspace import ACCOUNT, Workspace, pools
from harness.waiting import wait_until

JOBS = 200
LIMIT = 2


def test_many_jobs_submitted_at_once_all_end_and_never_more_than_the_limit_run(
    workspace: Workspace, audit: Audit
) -> None:
    jobs = [f"job-{number:03}" for number in range(JOBS)]
    for job in jobs:
        workspace.submit(job)
    begin = time.monotonic()
    workspace.operator(SPECTROGRAM_POOLS=pools(default={"maxConcurrent": LIMIT})).start()
    with Player(workspace.api) as player:
        wait_until(lambda: phases(workspace)["Succeeded"] == JOBS, timeout=3000, what="the end of all jobs", interval=1)
    seconds = time.monotonic() - begin

    assert player.most_at_once() <= LIMIT
    assert {len(uids) for uids in player.uids().values()} == {1}
    assert len(player.uids()) == JOBS
    assert all(event.phase in FINISHED for event in player.seen if event.type == "DELETED")
    assert {workspace.status(job).attempt for job in jobs} == {1}
    writes = audit.writes(workspace.namespace, ACCOUNT)
    conflicts = [one for one in audit.requests(workspace.namespace, ACCOUNT) if one.code >= 400]
    reads = Counter(
        f"{one.verb} {one.resource}" for one in audit.requests(workspace.namespace, ACCOUNT) if one.verb == "get"
    )
    print(
        f"{JOBS} jobs, at most {LIMIT} at once (seen: {player.most_at_once()}): {seconds:.0f} s,"
        f" {JOBS / seconds:.1f} jobs/s, the pods' kubelet played by the same machine"
    )
    for what, count in sorted((writes + reads).items()):
        print(f"  {count / JOBS:5.2f} per job  {what}")
    print(f"  refused: {dict(Counter((one.code, one.verb, one.resource) for one in conflicts))}")
    assert writes["create pods"] == JOBS
    # Queued, reserved, recorded, running, ended; the pod's UID and its node may come in two writes.
    assert writes["update spectrogramjobs/status"] <= 6 * JOBS


def phases(workspace: Workspace) -> Counter[str]:
    jobs = workspace.api.list("spectrogramjobs")
    return Counter(job.get("status", {}).get("phase", "") for job in jobs)
