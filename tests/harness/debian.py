"""The Debian packages that tests need. Installs only what is missing, and never removes anything."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

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


def promtool() -> Path:
    """Prometheus' own checker, out of its package: to install that would start a server.

    Raises HarnessError where there is none to be had.
    """
    found = shutil.which("promtool")
    return Path(found) if found else cache.cached("promtool", cache.key_of("prometheus"), _unpack_promtool) / "promtool"


def _unpack_promtool(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise HarnessError("promtool is not installed, and this is no Debian system")
    with cache.locked("debian"), tempfile.TemporaryDirectory() as downloads:
        if os.geteuid() == 0:
            _apt_get("update", "--quiet=2")
            # apt-get downloads as a user of its own.
            shutil.chown(downloads, "_apt")
        _run("apt-get", "download", "--quiet=2", "prometheus", folder=Path(downloads))
        (package,) = Path(downloads).glob("prometheus_*.deb")
        _run("dpkg-deb", "--extract", str(package), downloads)
        shutil.copy2(Path(downloads, "usr/bin/promtool"), folder)


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


def _apt_get(*arguments: str) -> None:
    _run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments)


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
