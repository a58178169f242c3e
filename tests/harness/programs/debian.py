"""The Debian packages that tests need. Installs only what is missing, and never removes anything."""

import os
import shlex
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from harness import cache
from harness.waiting import HarnessError

NODE = ("containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2")
HERE = shutil.which("apt-get") is not None
IMAGES = ("mmdebstrap", "buildah", "runc", "gcc", "libc6-dev", "ca-certificates")


def ensure_installed(packages: tuple[str, ...]) -> None:
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    with cache.locked("debian"):
        _apt_get("update", "--quiet=2")
        _apt_get("install", "--quiet=2", "--yes", "--no-install-recommends", *missing)


def promtool() -> Path:
    """Prometheus' own checker."""
    return _program("promtool", "prometheus")


def prometheus() -> Path:
    """The server."""
    return _program("prometheus", "prometheus")


def alertmanager() -> list[str | Path]:
    """What sends alerts on: a command to which arguments can be added.

    It knows no other place of its templates than where its package puts them, so it sees a /usr/share of its own.
    """
    program = _unpacked("prometheus-alertmanager") / "usr/bin/prometheus-alertmanager"
    share = program.parents[1] / "share"
    see = f'mount --bind {shlex.quote(str(share))} /usr/share && exec "$0" "$@"'
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-euc", see, program]


def _program(name: str, package: str) -> Path:
    found = shutil.which(name)
    return Path(found) if found else _unpacked(package) / "usr/bin" / name


def _unpacked(package: str) -> Path:
    """The files of a package: to install it would start a server. Raises HarnessError where it is not to be had."""
    return cache.cached(package, cache.key_of(package, "usr"), partial(_unpack, package))


def _unpack(package: str, folder: Path) -> None:
    if not HERE:
        raise HarnessError(f"{package} is not installed, and this is no Debian system")
    with cache.locked("debian"), tempfile.TemporaryDirectory() as downloads:
        if os.geteuid() == 0:
            _apt_get("update", "--quiet=2")
            # apt-get downloads as a user of its own.
            shutil.chown(downloads, "_apt")
        _run("apt-get", "download", "--quiet=2", package, folder=Path(downloads))
        (archive,) = Path(downloads).glob(f"{package}_*.deb")
        _run("dpkg-deb", "--extract", str(archive), str(folder))


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


def _apt_get(*arguments: str) -> None:
    _run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments)


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
