"""Container images without any image registry: a Debian base with Python, and what Dockerfiles make on top of it.

    python -m harness.nodes.images localhost/name:tag=Dockerfile ...

builds what is not in the cache yet. That needs a network; tests in a network namespace (network.py) find the results.
The Dockerfiles are built as they are: only the base image, the certificates and pip's settings come from this machine,
and of those three none but the base image stays in what is built.
"""

import argparse
import ast
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import cache
from harness.programs import binaries, debian
from harness.waiting import HarnessError

BASE_TAG = "localhost/python-base:test"
PAUSE_TAG = "localhost/pause:test"
DOCKERFILES = Path(__file__).parent
"""The folder of the tests' own, and of what they copy."""

# As in the images named python:3.11-slim there is a `python`, and pip may install next to it.
_BASE_PACKAGES = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
_BASE_OPTIONS = ["--variant=minbase", f"--include={_BASE_PACKAGES}"]
_BASE_HOOK = '--customize-hook=rm "$1"/usr/lib/python3.11/EXTERNALLY-MANAGED'
_BASE_DOCKERFILE = 'FROM scratch\nADD root.tar /\nENV LANG=C.UTF-8\nCMD ["python3"]\n'
_PAUSE_DOCKERFILE = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
_PAUSE_SOURCE = Path(__file__).with_name("pause.c")

# The limits on open files and processes that a plain root may set; the defaults need rights that root lacks in here.
_CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def base_image() -> Path:
    """The archive of BASE_TAG."""

    def make(folder: Path) -> None:
        debian.ensure_installed(debian.IMAGES)
        with tempfile.TemporaryDirectory() as context:
            _run("mmdebstrap", *_BASE_OPTIONS, _BASE_HOOK, "bookworm", f"{context}/root.tar")
            _build(_BASE_DOCKERFILE, BASE_TAG, Path(context), folder)

    key = cache.key_of(*_BASE_OPTIONS, _BASE_HOOK, _BASE_DOCKERFILE)
    return cache.cached("image-python-base", key, make) / "image.tar"


def pause_image() -> Path:
    """The archive of PAUSE_TAG, the container that the runtime puts into every pod."""

    def make(folder: Path) -> None:
        debian.ensure_installed(debian.IMAGES)
        with tempfile.TemporaryDirectory() as context:
            _run("gcc", "-static", "-Os", "-s", "-o", f"{context}/pause", str(_PAUSE_SOURCE))
            _build(_PAUSE_DOCKERFILE, PAUSE_TAG, Path(context), folder)

    key = cache.key_of(_PAUSE_SOURCE.read_bytes(), _PAUSE_DOCKERFILE)
    return cache.cached("image-pause", key, make) / "image.tar"


def build_image(dockerfile: Path, tag: str, context: Path, base: Path | None = None) -> Path:
    """The archive of `tag`: from the cache as long as the Dockerfile and all that it copies are the same.

    `base` is the archive of the image that it stands on, by default BASE_TAG's; on any other, nothing is installed from
    the network, and the certificates are the image's own to change.
    """
    text, installs, base = dockerfile.read_text(), base is None, base or base_image()

    def make(folder: Path) -> None:
        debian.ensure_installed(debian.IMAGES)
        _buildah("pull", "--quiet", f"docker-archive:{base}")
        _build(text, tag, context, folder, installs=installs)

    files = (part for path in copied_files(text, context) for part in _identity(path, context))
    key = cache.key_of(text, tag, base.parent.name, *files)
    kind = tag.rpartition("/")[2].replace(":", "-")
    return cache.cached(f"image-{kind}", key, make) / "image.tar"


def copied_files(dockerfile: str, context: Path) -> list[Path]:
    """Every file of the context that the Dockerfile copies. Compiled Python is left out: it follows from its source."""
    found: set[Path] = set()
    for source in _copied_sources(dockerfile):
        for match in context.glob(source.strip("/")) if source.strip("/.") else [context]:
            found.update([match] if match.is_file() else (path for path in match.rglob("*") if path.is_file()))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _copied_sources(dockerfile: str) -> Iterator[str]:
    for line in dockerfile.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() not in ("COPY", "ADD"):
            continue
        words = shlex.split(rest.strip(" []").replace('", "', '" "'))
        if not any(word.startswith("--from=") for word in words):
            yield from [word for word in words if not word.startswith("--")][:-1]


def _identity(path: Path, context: Path) -> tuple[str, str, bytes]:
    return str(path.relative_to(context)), oct(path.stat().st_mode), path.read_bytes()


def _build(dockerfile: str, tag: str, context: Path, folder: Path, *, installs: bool = False) -> None:
    print(f"Building the image {tag}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as settings:
        file, pip = Path(settings, "Dockerfile"), Path(settings, "pip.conf")
        file.write_text(dockerfile)
        pip.write_text(_pip_settings())
        certificates = os.environ.get("SSL_CERT_FILE", _CERTIFICATES)
        mounts = [f"--volume={certificates}:{_CERTIFICATES}:ro", f"--volume={pip}:/etc/pip.conf:ro"]
        options = ["--network=host", "--layers", "--pull-never", f"--build-arg=BASE_IMAGE={BASE_TAG}"]
        _buildah("build", *options, *(mounts if installs else ()), f"--tag={tag}", f"--file={file}", str(context))
    _buildah("push", "--quiet", tag, f"docker-archive:{folder / 'image.tar'}:{tag}")


def _pip_settings() -> str:
    """How pip reaches its index on this machine, for the pip in the build; without the paths of this machine."""
    listed = subprocess.run([*binaries.pip(), "config", "list"], capture_output=True, text=True).stdout
    pairs = (line.split("=", 1) for line in listed.splitlines() if "=" in line)
    settings = {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, value in pairs}
    settings = {name: value for name, value in settings.items() if name not in ("cert", "find-links", "cache-dir")}
    return "\n".join(
        ["[global]", *(f"{name} = {value}" for name, value in settings.items()), f"cert = {_CERTIFICATES}\n"]
    )


def _buildah(*arguments: str) -> None:
    storage = cache.folder() / "buildah"
    storage.mkdir(exist_ok=True)
    configuration, policy = storage / "containers.conf", storage / "policy.json"
    configuration.write_text(_CONTAINERS_CONF)
    policy.write_text(_POLICY)
    command, *rest = arguments
    own = [f"--root={storage / 'storage'}", "--runroot=/run/spectrogram-buildah", "--storage-driver=overlay"]
    environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
    _run("buildah", *own, command, f"--signature-policy={policy}", *rest, environment=environment)


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stdout[-5000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", metavar="TAG=DOCKERFILE", help="the Dockerfile's folder is its context")
    images = [image.partition("=") for image in parser.parse_args().images]
    print(base_image(), pause_image(), sep="\n")
    for tag, _, dockerfile in images:
        print(build_image(Path(dockerfile), tag, Path(dockerfile).parent))


if __name__ == "__main__":
    main()
