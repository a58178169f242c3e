"""A cluster to try things in, by hand: a control plane and a node in the background, until `down`.

    python -m harness.playground up [ARCHIVE ...]     archives of nodes/images.py to import; prints the KUBECONFIG line
    python -m harness.playground down

The host reaches the cluster's API server by a link of their own (nodes/network.py); nothing in there reaches the
internet. What belongs into every playground, such as the operator's chart, is installed by whoever calls `up`, after
it: `up` ends when the node takes pods and the images are there.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from harness import cache
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes import images, network
from harness.nodes.node import Node
from harness.programs import binaries
from harness.waiting import HarnessError, wait_until

NETWORK = "spectrogram-playground"


def folder() -> Path:
    return cache.folder() / "playground"


def kubeconfig() -> Path:
    return folder() / "kubeconfig"


def up(archives: list[Path]) -> None:
    if running_as() is None:
        down()
        # All that needs the internet happens here: the process in the background has none.
        binaries.kubernetes(), binaries.tools(), images.pause_image()
        network.create(NETWORK, reachable_from_host=True)
        _start_in_background([str(archive.resolve()) for archive in archives])


def environment() -> str:
    """What to type in a shell before kubectl."""
    return (
        f"export KUBECONFIG={kubeconfig()}\n"
        f"export PATH={binaries.tools()}:$PATH  # kubectl and helm, if there are no others"
    )


def down() -> None:
    """Also clears away what a killed playground left behind."""
    process = running_as()
    if process is not None:
        os.kill(process, signal.SIGTERM)
        wait_until(lambda: running_as() is None, what="the end of the playground")
    if network.exists(NETWORK):
        network.delete(NETWORK, reachable_from_host=True)
    shutil.rmtree(folder(), ignore_errors=True)


def running_as() -> int | None:
    """The process of the playground, if there is one."""
    try:
        process = int((folder() / "pid").read_text())
        command = Path("/proc", str(process), "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return process if "harness.playground" in command else None


def serve(archives: list[Path]) -> None:
    """What runs in the background, in the network of the playground."""
    signal.signal(signal.SIGTERM, _end)
    with (
        ControlPlane(folder() / "control-plane", address=network.ADDRESS) as control_plane,
        Node(folder() / "node", control_plane) as node,
    ):
        for archive in archives:
            node.import_image(archive)
        # Its appearance is the sign that all is ready.
        kubeconfig().hardlink_to(control_plane.kubeconfig)
        signal.pause()


def _start_in_background(archives: list[str]) -> None:
    folder().mkdir()
    log = folder() / "playground.log"
    command = network.entering(NETWORK, [sys.executable, "-m", "harness.playground", "serve", *archives])
    with log.open("w") as output:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    (folder() / "pid").write_text(str(process.pid))
    wait_until(lambda: kubeconfig().exists() or process.poll() is not None, timeout=300, what="the playground")
    if not kubeconfig().exists():
        reason = log.read_text()
        down()
        raise HarnessError(f"the playground did not start:\n{reason}")


def _end(_: int, __: FrameType | None) -> None:
    sys.exit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["up", "down", "serve"], help="`serve` is how `up` calls itself")
    parser.add_argument("archives", nargs="*", type=Path, metavar="ARCHIVE", help="images to import")
    arguments = parser.parse_args()
    if arguments.action == "down":
        down()
    elif arguments.action == "serve":
        serve(arguments.archives)
    else:
        up(arguments.archives)
        print(environment())


if __name__ == "__main__":
    main()
