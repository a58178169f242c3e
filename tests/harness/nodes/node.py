"""A real node: containerd, kubelet and kube-proxy, Ready in some ten seconds, in a network namespace (network.py).

They run in a process and mount namespace of their own, called the machine here. There they find their usual folders
(/var/lib/kubelet, …), which are not the host's, and with its first process everything ends at once: programs,
containers, mounts. Nothing of it outlives the test run, whatever ends that.
"""

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.kubernetes.control_plane import ControlPlane
from harness.nodes import configuration, control_groups, images, network
from harness.programs import binaries, debian
from harness.programs.program import Program, own_name
from harness.waiting import HarnessError

# What is written below these is kept in the node's folder, and so outlives a reboot; the others are empty after it.
_DISK_FOLDERS = ("/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods")
_MEMORY_FOLDERS = ("/run/containerd", "/var/lib/cni", "/var/log/containers")


_MACHINE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


class Node:
    """`labels` and `taints` are those with which the node registers; `kubelet` changes its KubeletConfiguration."""

    def __init__(
        self,
        folder: Path,
        control_plane: ControlPlane,
        *,
        name: str = "node0",
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
        kubelet: Mapping[str, Any] | None = None,
    ) -> None:
        network.require_inside()
        debian.ensure_installed(debian.NODE)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self._client = control_plane.client()
        self._control_group = own_name()
        self._machine = Program(
            "machine", [*_MACHINE, "sh", "-ec", self._boot_script()], folder / "machine.log", wrapped=True
        )
        self.parts: dict[str, Program] = {}
        certificates = control_plane.certificates
        containerd = configuration.write_containerd(folder)
        kubelet_file = configuration.write_kubelet(
            folder, name, certificates, control_group=self._control_group, taints=taints, changes=kubelet or {}
        )
        proxy = certificates.kubeconfig("system:kube-proxy", control_plane.server)
        user = certificates.kubeconfig(f"system:node:{name}", control_plane.server, group="system:nodes")
        self._commands: dict[str, list[str | Path]] = {
            "containerd": ["containerd", f"--config={containerd}"],
            "kubelet": [
                binaries.kubernetes() / "kubelet",
                f"--config={kubelet_file}",
                f"--kubeconfig={user}",
                f"--hostname-override={name}",
                f"--node-ip={network.ADDRESS}",
                f"--node-labels={','.join(f'{key}={value}' for key, value in (labels or {}).items())}",
            ],
            "kube-proxy": [
                binaries.kubernetes() / "kube-proxy",
                f"--config={configuration.write_kube_proxy(folder, proxy)}",
                f"--hostname-override={name}",
            ],
        }

    def start(self) -> Self:
        """Boot and wait until pods can run. After `stop` this is a reboot: images and the kubelet's files are there."""
        before = self._heartbeat()
        try:
            control_groups.create(self._control_group)
            self._machine.start()
            self._machine.wait_until(self._booted.exists, what="the machine")
            self.start_part("containerd")
            self.parts["containerd"].wait_until(self._containerd_answers, what="containerd")
            self.import_image(images.pause_image())
            self.start_part("kubelet")
            self.parts["kubelet"].wait_until(lambda: self._heartbeat() not in (None, before), what="a heartbeat")
            self.start_part("kube-proxy")
            self.parts["kube-proxy"].wait_until(_kube_proxy_is_healthy, what="kube-proxy")
            self._client.wait_for_node(self.name)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """As when its power fails: all that runs there is gone, and nobody is told."""
        self._machine.kill()
        for part in self.parts.values():
            part.kill()
        self.parts.clear()
        self._booted.unlink(missing_ok=True)
        control_groups.delete(self._control_group)

    def stop_part(self, name: str) -> None:
        """`kill -9` of containerd, kubelet or kube-proxy; the containers run on."""
        self.parts.pop(name).kill()

    def start_part(self, name: str) -> None:
        part = Program(name, self._inside(*self._commands[name]), self.folder / f"{name}.log", wrapped=True)
        part.start()
        self.parts[name] = part

    def import_image(self, archive: Path) -> None:
        """Make an image of images.py available to pods, by the tag that it was built with."""
        done = self._run("ctr", "--namespace=k8s.io", "images", "import", archive)
        if done.returncode:
            raise HarnessError(f"cannot import {archive}: {done.stderr}")

    def tag_image(self, tag: str, other: str) -> None:
        """Make an image that was imported available by another tag too."""
        done = self._run("ctr", "--namespace=k8s.io", "images", "tag", "--force", tag, other)
        if done.returncode:
            raise HarnessError(f"cannot tag {tag}: {done.stderr}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        # Images and volumes are large; the logs beside them stay.
        shutil.rmtree(self.folder / "disk", ignore_errors=True)

    def mount_disk(self, folder: Path, size: str) -> None:
        """A file system of its own, no larger than that, at a folder of this machine: for pods alone."""
        done = self._run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", folder)
        if done.returncode:
            raise HarnessError(f"cannot mount at {folder}: {done.stderr}")

    @property
    def _booted(self) -> Path:
        return self.folder / "booted"

    def _boot_script(self) -> str:
        lines = []
        for path in map(Path, _DISK_FOLDERS):
            disk = self.folder / "disk" / path.relative_to("/")
            lines += [f"mkdir -p {path} '{disk}'", f"mount --bind '{disk}' {path}"]
        for path in map(Path, _MEMORY_FOLDERS):
            lines += [f"mkdir -p {path}", f"mount -t tmpfs tmpfs {path}"]
        # Orphans become children of this process. To ignore their end makes the kernel clear them away.
        lines += [f"touch '{self._booted}'", "trap '' CHLD", "exec sleep infinity"]
        return "\n".join(lines)

    def _inside(self, *command: str | Path) -> list[str | Path]:
        return ["nsenter", f"--target={self._machine.pid}", "--mount", "--pid", "--", *command]

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._inside(*command), capture_output=True, text=True)

    def _containerd_answers(self) -> bool:
        return self._run("ctr", "version").returncode == 0

    def _heartbeat(self) -> str | None:
        node = self._client.find("node", self.name)
        conditions = node["status"].get("conditions", []) if node else []
        return next((str(one["lastHeartbeatTime"]) for one in conditions if one["type"] == "Ready"), None)


def _kube_proxy_is_healthy() -> bool:
    """Whether Services work: its answer is 200 once its rules are in the kernel."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:10256/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
