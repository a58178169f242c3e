"""The configuration files of a node's programs. What is unusual in them, and why, is said beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.kubernetes.certificates import Certificates
from harness.nodes import images, network

CONTAINERD = f"""version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE_TAG}"
  # Root lacks CAP_SYS_RESOURCE on the machines that this is for; without this no container starts.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "%s"
"""


def write_containerd(folder: Path) -> Path:
    networks = folder / "cni"
    networks.mkdir(exist_ok=True)
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": network.POD_ADDRESSES}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods0", "isGateway": True, "ipMasq": False, "ipam": addresses}
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    pods = {"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}
    (networks / "pods.conflist").write_text(json.dumps(pods))
    return _write(folder / "containerd.toml", CONTAINERD % networks)


def write_kubelet(
    folder: Path,
    name: str,
    certificates: Certificates,
    *,
    control_group: str,
    taints: Sequence[Mapping[str, str]],
    changes: Mapping[str, Any],
) -> Path:
    server = certificates.issue(name, addresses=[network.ADDRESS, name])
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificates.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(server.certificate),
        "tlsPrivateKeyFile": str(server.key),
        "registerWithTaints": list(taints),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        # Of its own, so that two nodes on one machine do not take each other's pods for leftovers.
        "cgroupRoot": f"/{control_group}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # It tolerates what the kubelet may not set on such a machine (kernel settings, the kernel's log).
        "featureGates": {"KubeletInUserNamespace": True},
        # Nothing answers names in there; the host's name servers are out of reach.
        "resolvConf": "",
        # The machine's disk is not the node's: how full it is must not evict pods, nor delete imported images.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        **changes,
    }
    return _write(folder / "kubelet.yaml", yaml.safe_dump(content))


def write_kube_proxy(folder: Path, kubeconfig: Path) -> Path:
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        # Zero leaves the kernel's settings alone: those of connection tracking belong to the host.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return _write(folder / "kube-proxy.yaml", yaml.safe_dump(content))


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
