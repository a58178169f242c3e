"""From a worker that is killed to whoever is on duty. The node tier does the same with a real worker."""

from pathlib import Path

from cluster.workspace import Workspace
from harness.alerting import alerting, check_told_of_a_kill, kills_in
from harness.prometheus import ON_DEBIAN, Target
from harness.waiting import wait_until
from pods.statuses import oom_killed


@ON_DEBIAN
def test_a_worker_that_is_killed_for_its_memory_is_told_to_whoever_is_on_duty(
    workspace: Workspace, tmp_path: Path
) -> None:
    operator = workspace.operator().start()
    operator.wait_until_ready()
    kills = kills_in(workspace.namespace)
    with alerting(workspace.client, tmp_path, Target(f"127.0.0.1:{operator.metrics_port}")) as (prometheus, heard):
        wait_until(lambda: prometheus.query(f"{kills} == 0"), what="the first scrape")
        workspace.submit()
        workspace.play(workspace.start(), oom_killed())
        assert workspace.wait_for_end().reason == "OOMKilled"
        wait_until(lambda: prometheus.query(f"{kills} == 1"), what="the kill in Prometheus")
        wait_until(lambda: heard, what="the alert")
    check_told_of_a_kill(heard, workspace.namespace)
