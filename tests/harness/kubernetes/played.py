"""Nodes that no kubelet stands behind: the real scheduler puts pods on them, and a test writes the pods' statuses.

For tests of what the control plane decides. What a container really does is for the node tier (node.py).
"""

from collections.abc import Mapping, Sequence

from harness.kubernetes.client import Client


def create_node(
    client: Client,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
    cpu: str = "8",
    memory: str = "16Gi",
    pods: str = "110",
) -> None:
    """Create a node and wait until the scheduler may use it."""
    resources = {"cpu": cpu, "memory": memory, "pods": pods}
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    client.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": list(taints)}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "played by a test"}
    client.patch_status("node", name, {"capacity": resources, "allocatable": resources, "conditions": [ready]})
    client.wait_for_node(name)
