"""The control plane is a real one: each of its parts does its own work, and a part that is killed comes back."""

from typing import Any

import pytest

from cluster.conftest import OWN_CONTROL_PLANE
from harness.kubernetes.client import Client, CommandError
from harness.kubernetes.control_plane import ApiServer, ControlPlane
from harness.kubernetes.played import create_node
from harness.programs import binaries
from harness.waiting import HarnessError, wait_until


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"limits": {"memory": "64Mi", "cpu": "100m"}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def test_the_api_server_is_ready_and_says_its_version(control_plane: ApiServer) -> None:
    assert control_plane.ready()
    version = control_plane.client().kubectl_json("version")["serverVersion"]
    assert version["gitVersion"] == binaries.kubernetes_version()
    assert version["gitVersion"].startswith(f"v1.{version['minor']}.")


def test_a_new_namespace_gets_its_default_service_account(namespace: Client) -> None:
    assert namespace.find("serviceaccount", "default") is not None


def test_the_api_server_refuses_what_does_not_fit_its_schema(namespace: Client) -> None:
    with pytest.raises(CommandError, match=r"spec\.containers"):
        namespace.create(pod("empty", containers=[]))


def test_the_scheduler_obeys_node_selectors_and_taints(namespace: Client) -> None:
    taint = {"key": "pool", "value": "large", "effect": "NoSchedule"}
    create_node(namespace, "plain")
    create_node(namespace, "large", labels={"pool": "large"}, taints=[taint])
    try:
        tolerations = [{"key": "pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"}]
        namespace.create(pod("anywhere"))
        namespace.create(pod("selective", nodeSelector={"pool": "large"}, tolerations=tolerations))
        namespace.create(pod("intolerant", nodeSelector={"pool": "large"}))

        assert wait_until(lambda: node_of(namespace, "anywhere"), what="a node") == "plain"
        assert wait_until(lambda: node_of(namespace, "selective"), what="a node") == "large"
        wait_until(lambda: "Unschedulable" in reasons(namespace, "intolerant"), what="Unschedulable")
        assert node_of(namespace, "intolerant") is None
    finally:
        namespace.kubectl("delete", "node", "plain", "large")


def test_what_belongs_to_a_deleted_owner_is_deleted(namespace: Client) -> None:
    uid = namespace.create(config_map("owner"))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    namespace.create(config_map("dependent", ownerReferences=[owner]))
    namespace.create(config_map("independent"))

    namespace.kubectl("delete", "configmap", "owner")

    wait_until(lambda: namespace.find("configmap", "dependent") is None, what="the garbage collector")
    assert namespace.find("configmap", "independent") is not None


@OWN_CONTROL_PLANE
def test_the_api_server_comes_back_on_the_same_port_with_the_same_data(own_control_plane: ControlPlane) -> None:
    control_plane, client = own_control_plane, own_control_plane.client()
    client.create(config_map("lasting"))
    before = control_plane.parts["kube-apiserver"].pid

    control_plane.stop_part("kube-apiserver")
    assert not control_plane.ready()
    with pytest.raises(CommandError):
        client.kubectl("get", "configmaps")
    control_plane.start_part("kube-apiserver")

    assert control_plane.parts["kube-apiserver"].pid != before
    assert client.find("configmap", "lasting") is not None


def test_a_start_that_fails_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("broken")
    with pytest.raises(HarnessError, match="unknown flag: --no-such-flag"):
        ControlPlane(folder, flags={"kube-apiserver": ["--no-such-flag"]}).start()


def node_of(namespace: Client, name: str) -> str | None:
    found = namespace.find("pod", name)
    return None if found is None else found["spec"].get("nodeName")


def reasons(namespace: Client, name: str) -> list[str]:
    conditions = namespace.find("pod", name)["status"].get("conditions", [])
    return [condition["reason"] for condition in conditions if condition.get("reason")]
