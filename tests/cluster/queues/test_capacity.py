"""A pool whose nodes say how many jobs run at once, from no node on: the real scheduler, nodes that come and go."""

import re
import urllib.request
from collections import Counter

from cluster.actors.operator_process import Operator
from cluster.actors.whole_cluster import of_all_namespaces
from cluster.conftest import OWN_CONTROL_PLANE
from cluster.workspace import POOL_LABEL, Workspace, pools
from harness.kubernetes.played import create_node
from harness.waiting import wait_until
from pods.shapes import Body
from pods.statuses import succeeded


@OWN_CONTROL_PLANE
def test_a_pool_grows_from_nothing_node_by_node_and_shrinks_again(own_workspace: Workspace) -> None:
    workspace = own_workspace
    with of_all_namespaces(
        workspace,
        "pools.default.maxConcurrent=auto",
        SPECTROGRAM_POOLS=pools(default={**nodes_of(workspace), "maxConcurrent": "auto", "memory": "1Gi", "cpu": "1"}),
        SPECTROGRAM_SWEEP_INTERVAL="1",
    ) as operator:
        for number in range(6):
            workspace.submit(f"job-{number}")
        wait_for(workspace, "a pod that asks for a node", {"": 1})
        wait_for_phases(workspace, {"Pending": 1, "Queued": 5})

        first = add_node(workspace, "first")
        wait_for(workspace, "two jobs on the first node, and one that asks for another", {first: 2, "": 1})
        wait_for_phases(workspace, {"Starting": 2, "Pending": 1, "Queued": 3})
        second = add_node(workspace, "second")
        wait_for(workspace, "two more on the second", {first: 2, second: 2, "": 1})
        assert limit(operator) == 5

        remove_node(workspace, second, operator, limit_then=3)
        workspace.submit("late")
        why = f"1 ahead in default; {workspace.namespace} runs 3 of 3"
        workspace.wait_for_status("late", phase="Queued", message=f"waiting for a slot in the queue default: {why}")

        remove_node(workspace, first, operator, limit_then=1)
        wait_for_phases(workspace, {"Succeeded": 4, "Pending": 1, "Queued": 2})


def nodes_of(workspace: Workspace) -> Body:
    """What binds a pool to nodes that only this test has."""
    taint = {"key": POOL_LABEL, "operator": "Equal", "value": workspace.namespace, "effect": "NoSchedule"}
    return {"nodeSelector": {POOL_LABEL: workspace.namespace}, "tolerations": [taint]}


def add_node(workspace: Workspace, name: str) -> str:
    """A node with room for two jobs by their memory; its name."""
    node = f"{workspace.namespace}-{name}"
    taint = {"key": POOL_LABEL, "value": workspace.namespace, "effect": "NoSchedule"}
    create_node(workspace.client, node, labels={POOL_LABEL: workspace.namespace}, taints=[taint], memory="2560Mi")
    disk = {"ephemeral-storage": "100Gi"}
    workspace.client.patch_status("node", node, {"capacity": disk, "allocatable": disk})
    return node


def remove_node(workspace: Workspace, node: str, operator: Operator, *, limit_then: int) -> None:
    """As an autoscaler does it: nothing new goes there, what runs ends, then it is deleted."""
    workspace.client.kubectl("cordon", node)
    wait_until(lambda: limit(operator) == limit_then, what=f"the limit without the node {node}")
    for pod in workspace.pods():
        if pod["spec"].get("nodeName") == node:
            workspace.play(pod, succeeded(pod))
    workspace.client.kubectl("delete", "node", node)


def wait_for(workspace: Workspace, what: str, expected: dict[str, int]) -> None:
    """Until so many pods that are not over are on each node; without a name, on none."""

    def on_nodes() -> bool:
        live = [pod for pod in workspace.pods() if pod["status"]["phase"] != "Succeeded"]
        return Counter(pod["spec"].get("nodeName", "") for pod in live) == expected

    wait_until(on_nodes, timeout=600, what=what)


def wait_for_phases(workspace: Workspace, expected: dict[str, int]) -> None:
    """Until so many jobs are in each phase."""

    def phases() -> Counter[str]:
        return Counter(job.get("status", {}).get("phase", "") for job in workspace.api.list("spectrogramjobs"))

    wait_until(lambda: phases() == expected, timeout=600, what=f"jobs in the phases {expected}")


def limit(operator: Operator) -> float:
    """How many jobs of the default queue may run at once, as the operator's metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.metrics_port}/metrics") as answer:
        found = re.search(r'^spectrogram_queue_limit{queue="default"} (\S+)$', answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])
