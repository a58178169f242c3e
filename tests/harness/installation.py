"""The operator in a cluster as its users get it: images made by its Dockerfiles, its chart, and what the example needs.

python -m harness.installation             builds both images, unless the cache has them, and prints where they are
python -m harness.installation for-tests   and what the node tier needs besides
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trustme

from harness import cache
from harness.kubernetes.client import Client
from harness.nodes import images
from harness.programs import debian
from harness.waiting import HarnessError

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "spectrogram-operator"
EXAMPLE = ROOT / "examples" / "spectrogramjob.yaml"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

_REGISTRY, _TAG = "localhost", "test"
_SHARED = {"accessModes": ["ReadWriteMany", "ReadWriteOnce"], "storageClassName": ""}


def image_archives() -> list[Path]:
    """The archives of both images. What is not in the cache is built, which needs a network."""
    return [
        images.build_image(ROOT / f"Dockerfile.{name}", f"{_REGISTRY}/spectrogram-{name}:{_TAG}", ROOT)
        for name in ("operator", "worker")
    ]


def worker_with_authority() -> tuple[Path, Path]:
    """The worker's image as a site with a certificate authority of its own extends it; and that authority.

    Returns the image's archive, of the tag `with-authority`, and the folder with authority.pem and authority-key.pem.
    The authority is worth nothing: its key is where the image is, and nothing but a test uses either.
    """

    def make(folder: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.private_key_pem.write_to_path(folder / "authority-key.pem")

    authority = cache.cached("authority", cache.key_of("1"), make)
    dockerfile = images.DOCKERFILES / "Dockerfile.authority"
    tag = f"{_REGISTRY}/spectrogram-worker:with-authority"
    return images.build_image(dockerfile, tag, authority, base=image_archives()[1]), authority


def faulty_workers() -> list[Path]:
    """Archives of the worker's image with the tags `faulty` and `unstartable`: what Dockerfiles of these names say."""
    here, worker = images.DOCKERFILES, image_archives()[1]
    return [
        images.build_image(here / f"Dockerfile.{tag}", f"{_REGISTRY}/spectrogram-worker:{tag}", here, base=worker)
        for tag in ("faulty", "unstartable")
    ]


def install(client: Client, release: str, values: Mapping[str, Any]) -> None:
    """Install the chart into the client's namespace, or upgrade it; ends when the operator is ready."""
    image = {"registry": _REGISTRY, "tag": _TAG}
    content = {**values, "image": image, "worker": {"image": {**image, **values.get("workerImage", {})}}}
    content.pop("workerImage", None)
    command = ("upgrade", "--install", release, str(CHART), "--values=-", "--wait", "--timeout=5m")
    client.helm(*command, input=json.dumps(content))


def create_claim(client: Client, name: str, folder: Path, node: str) -> None:
    """A claim of the client's namespace, and the volume behind it: a folder of this machine, on this node."""
    create_volume(client, f"{client.namespace}-{name}", folder, node, claim=name)
    spec = {**_SHARED, "resources": {"requests": {"storage": "10Gi"}}}
    client.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})


def create_volume(client: Client, name: str, folder: Path, node: str, *, claim: str | None = None) -> None:
    """A volume for a claim of the client's namespace, or for the first that fits: a folder of this machine.

    A `local` volume and not a `hostPath`: only there does the kubelet honour fsGroup.
    """
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    volume: dict[str, Any] = {
        **_SHARED,
        "capacity": {"storage": "10Gi"},
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    if claim is not None:
        volume["claimRef"] = {"namespace": client.namespace, "name": claim}
    client.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume})


def write_recording(folder: Path) -> None:
    """The recording that the example reads, unless it is there. Everybody may read it: workers are not root."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "demo.drf").exists():
        command = [sys.executable, str(ROOT / "examples" / "make_recording.py"), str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise HarnessError(f"the recording could not be written:\n{done.stdout}")
    for path in (folder, *folder.rglob("*")):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    print(*image_archives(), sep="\n")
    if sys.argv[1:] == ["for-tests"]:
        print(worker_with_authority()[0], *faulty_workers(), sep="\n")
        debian.ensure_installed(debian.NODE)
        debian.prometheus()
        debian.alertmanager()
