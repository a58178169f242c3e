"""The Debian packages that the node and the images need. Installs only what is missing, and never removes anything."""

import subprocess

from harness import cache
from harness.waiting import HarnessError

NODE = ("containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2")
IMAGES = ("mmdebstrap", "buildah", "runc", "gcc", "libc6-dev", "ca-certificates")


def ensure_installed(packages: tuple[str, ...]) -> None:
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    with cache.locked("debian"):
        _apt_get("update", "--quiet=2")
        _apt_get("install", "--quiet=2", "--yes", "--no-install-recommends", *missing)


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


def _apt_get(*arguments: str) -> None:
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
