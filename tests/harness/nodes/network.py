"""A network namespace for a cluster with a real node: its ports and pod addresses never meet the host's.

It has no route to anywhere else, so nothing in it reaches the internet; images are built outside, before. The whole
cluster runs in there, and so do the tests that talk to it:

    python -m harness.nodes.network run -- python -m pytest tests/node

creates a namespace, runs the command in it, and deletes it afterwards.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from harness.programs import debian
from harness.programs.program import end_with_parent, is_abandoned, own_name
from harness.waiting import HarnessError

ADDRESS = "10.88.8.1"
# The host's own address on the same link, in a namespace that the host is to reach.
HOST_ADDRESS = "10.88.8.2"
POD_ADDRESSES = "10.88.7.0/24"
_HOST_LINK = "spectrogram0"


def create(name: str, *, reachable_from_host: bool = False) -> None:
    """The bridge stands for the network card of the node: it alone has the address that the node goes by."""
    debian.ensure_installed(debian.NODE)
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "link", "add", "node0", "type", "bridge")
    _ip("-n", name, "address", "add", f"{ADDRESS}/24", "dev", "node0")
    _ip("-n", name, "link", "set", "node0", "up")
    # It leads nowhere. Kubernetes' parts take the address of the default route for that of the node.
    _ip("-n", name, "route", "add", "default", "dev", "node0")
    if reachable_from_host:
        _ip("link", "add", _HOST_LINK, "type", "veth", "peer", "name", "host0", "netns", name)
        _ip("-n", name, "link", "set", "host0", "master", "node0", "up")
        _ip("address", "add", f"{HOST_ADDRESS}/24", "dev", _HOST_LINK)
        _ip("link", "set", _HOST_LINK, "up")


def delete(name: str, *, reachable_from_host: bool = False) -> None:
    """What still runs in there keeps its network until it ends; the name is free at once."""
    if reachable_from_host and Path("/sys/class/net", _HOST_LINK).exists():
        _ip("link", "delete", _HOST_LINK)
    _ip("netns", "delete", name)


def exists(name: str) -> bool:
    return _path(name).exists()


def entering(name: str, command: Sequence[str]) -> list[str]:
    """The command line that runs `command` in there.

    Not `ip netns exec`: that mounts a /sys of its own, in which the kubelet finds no cgroups.
    """
    return ["nsenter", f"--net={_path(name)}", "--", *command]


def require_inside() -> None:
    """Raise, with the way out, if this process does not run in such a namespace."""
    shown = subprocess.run(["ip", "-brief", "address", "show", "dev", "node0"], capture_output=True, text=True)
    if f" {ADDRESS}/" not in shown.stdout:
        raise HarnessError("a node needs a network of its own: python -m harness.nodes.network run -- COMMAND")


@contextmanager
def temporary() -> Iterator[str]:
    """A namespace that is named after this process, so that a later run can tell when nobody needs it any more."""
    _delete_abandoned()
    name = own_name()
    create(name)
    try:
        yield name
    finally:
        delete(name)


def run(command: Sequence[str]) -> int:
    """Run a command in a namespace of its own; returns its exit code."""
    with temporary() as name:
        child: subprocess.Popen[bytes] | None = None

        def pass_on(number: int, _: FrameType | None) -> None:
            # Ctrl-C reaches the command by itself; this process must only live on until it has ended.
            if child is not None and number == signal.SIGTERM:
                child.terminate()

        signal.signal(signal.SIGINT, pass_on)
        signal.signal(signal.SIGTERM, pass_on)
        child = subprocess.Popen(entering(name, command), preexec_fn=end_with_parent)
        return child.wait()


def _delete_abandoned() -> None:
    for path in _path("").glob("spectrogram-*"):
        if is_abandoned(path.name):
            delete(path.name)


def _path(name: str) -> Path:
    return Path("/run/netns") / name


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"ip {' '.join(arguments)}: {done.stderr.strip()} (are you root?)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run"])
    parser.add_argument("command", nargs="+", help="after --")
    return run(parser.parse_args().command)


if __name__ == "__main__":
    sys.exit(main())
