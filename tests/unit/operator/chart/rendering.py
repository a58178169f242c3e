"""The chart rendered with some values, as tests look at it."""

import functools
import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.programs import binaries

ROOT = Path(__file__).parents[4]
CHART = ROOT / "helm" / "spectrogram-operator"
Object = dict[str, Any]
Values = Mapping[str, Any]

# What Helm says where a template stumbled over a value that nobody had checked.
STUMBLED = ("nil pointer", "error calling", "wrong type", "can't evaluate", "parse error", "YAML parse", "panic")
STORES: dict[str, dict[str, str | None]] = {
    "shelf": {"claimName": "tape"},
    "archive": {
        "bucket": "recordings",
        "endpoint": "https://s3.example.org:9000",
        "prefix": "survey/2026",
        "region": "eu-central-1",
        "credentialsSecret": "archive-keys",
        "serviceAccount": "archive-reader",
    },
    "own": {"bucket": "radio", "endpoint": None},
}
"""Of each kind one."""


class RefusedError(Exception):
    """Helm said no, with these words."""


@functools.cache
def _helm() -> str:
    return str(binaries.tools() / "helm")


def run_helm(*arguments: str, values: Values, program: str = "") -> subprocess.CompletedProcess[str]:
    """Helm, or another `program`, with the chart and these values."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        command = [program or _helm(), *arguments, str(CHART), "--values", file.name]
        return subprocess.run(command, capture_output=True, text=True)


def template(values: Values, *options: str, release: str = "radio") -> str:
    """What `helm template` writes. Raises RefusedError."""
    done = run_helm("template", release, "--namespace", "system", *options, values=values)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def render(values: Values, *options: str, release: str = "radio", hooks: bool = False) -> list[Object]:
    """The objects that the chart installs; with `hooks`, those of `helm test` instead. Raises RefusedError."""
    documents = yaml.load_all(template(values, *options, release=release), yaml.CSafeLoader)
    return [one for one in documents if one and is_hook(one) is hooks]


def is_hook(item: Object) -> bool:
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def refusal(values: Values, *options: str, release: str = "radio") -> str:
    """Why these values are refused; fails where they are not, or where a template stumbled."""
    try:
        render(values, *options, release=release)
    except RefusedError as refused:
        words = str(refused)
        assert not [stumble for stumble in STUMBLED if stumble in words], words
        return words
    raise AssertionError(f"{values} of release {release} are taken")


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


def the(objects: Iterable[Object], kind: str) -> Object:
    (found,) = of_kind(objects, kind)
    return found


def operator_pod(objects: Iterable[Object]) -> Object:
    """The spec of the operator's pod."""
    pod: Object = the(objects, "Deployment")["spec"]["template"]["spec"]
    return pod


def environment(objects: Iterable[Object]) -> dict[str, str]:
    """The operator's environment as the kubelet makes it: $$ is a $. What comes from elsewhere is left out."""
    container = next(one for one in operator_pod(objects)["containers"] if one["name"] == "operator")
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), "a variable is there twice"
    return {entry["name"]: entry.get("value", "").replace("$$", "$") for entry in container["env"]}


class Chart:
    """The chart, in short."""

    def helm(self, *arguments: str, **values: Any) -> subprocess.CompletedProcess[str]:
        return run_helm(*arguments, values=values)

    def render(self, **values: Any) -> list[Object]:
        return render(values)
