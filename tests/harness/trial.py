"""A cluster to try the operator in: a playground with the chart, and what the example needs. `make cluster`.

python -m harness.trial up       start it, unless it runs, bring the chart up to date, say what to try
python -m harness.trial down     end it; results and recording stay in demo/cluster
"""

import argparse
import os
import sys
from pathlib import Path

from harness import installation, playground
from harness.kubernetes.client import Client
from harness.waiting import HarnessError

FOLDER = installation.ROOT / "demo" / "cluster"
NAMESPACE = "spectrogram-system"
RELEASE = "spectrogram-operator"
PICTURE = FOLDER / "results" / "fm-band" / "spectrogram.png"

WHAT_TO_TRY = """
The cluster runs, and the operator in it takes care of the namespace `default`. In this shell, type

{environment}

and then, for example,

kubectl apply -f {example}
kubectl get sgj -w
{viewer} {picture}

The last one opens the picture, once the job has succeeded; Ctrl-C ends the watch. `make cluster-down` ends all of it.
"""


def up() -> None:
    """Every step may have been done before."""
    archives = installation.image_archives()
    print("Starting the cluster: a minute or two", flush=True)
    playground.up(archives)
    everywhere = Client(playground.kubeconfig())
    installation.write_recording(FOLDER / "recordings")
    (FOLDER / "results").mkdir(exist_ok=True)
    (node,) = everywhere.kubectl_json("get", "nodes")["items"]
    for name in ("recordings", "results"):
        installation.create_claim(everywhere, name, FOLDER / name, node["metadata"]["name"])
    everywhere.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": installation.RESTRICTED}}
    )
    values = {"watchNamespaces": ["default"], "replicas": 1}
    installation.install(Client(playground.kubeconfig(), NAMESPACE), RELEASE, values)
    example, picture = (os.path.relpath(path) for path in (installation.EXAMPLE, PICTURE))
    viewer = "open" if sys.platform == "darwin" else "xdg-open"
    print(WHAT_TO_TRY.format(environment=playground.environment(), example=example, viewer=viewer, picture=picture))
    if _images_are_old(archives):
        print("Its images are older than the sources: `make cluster-down cluster` makes it anew.")


def _images_are_old(archives: list[Path]) -> bool:
    """Whether the cluster was started with other images than these."""
    note = playground.folder() / "images"
    names = "\n".join(map(str, archives))
    if not note.exists():
        note.write_text(names)
    return note.read_text() != names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["up", "down"])
    try:
        if os.geteuid() != 0:
            raise HarnessError("a cluster of your own needs root, for network namespaces and control groups")
        {"up": up, "down": playground.down}[parser.parse_args().action]()
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
