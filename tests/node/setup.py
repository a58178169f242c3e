"""What stands in the cluster before the operator: namespaces, claims; and the values with which it is installed."""

from harness import installation
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes.node import Node
from harness.waiting import wait_until
from node.site import Claims

# Short where a test would only wait. The threshold is so low that a test can pass it and still be far from the limit.
SETTINGS = {
    "backoff": 1,
    "heartbeatInterval": 2,
    "imagePullTimeout": 5,
    "memorySafeguardThreshold": 70,
    "missingGrace": 2,
    "pollInterval": 1,
    "refusalWait": 1,
    "statusInterval": 1,
    "sweepInterval": 5,
}
# All jobs of the tests run at once; the node has two CPUs, and does not enforce limits of CPU.
POOLS = {"default": {"cpu": "50m", "memory": "256Mi", "maxConcurrent": 100}}


def create_namespace(control_plane: ControlPlane, name: str) -> Client:
    """In which nothing may run that could do more than Pod Security's `restricted` allows."""
    metadata = {"name": name, "labels": installation.RESTRICTED}
    control_plane.client().create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    client = control_plane.client(name)
    wait_until(lambda: client.find("serviceaccount", "default"), what="the default service account")
    return client


def create_claims(client: Client, claims: Claims, node: Node) -> None:
    for name, folder in claims.items():
        installation.create_claim(client, name, folder, node.name)
