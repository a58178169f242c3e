"""The blocks of code in README.md and docs/: which are run, and what is run instead where one cannot be.

The language of a block says what a test does with it:

- sh: a script. The blocks of a page are run in order, in one folder and with one environment.
- console: commands after `$ `, and what they print. They are run, and print the first line that is shown.
- yaml: a job, or other objects, which the API server takes (a dry run); some fields of a job's spec; or values of the
  chart. If its first line is a comment with a file's name, later blocks of the page find it as that file.
- python: a program, run in the folder of the page.
- dockerfile: it is in a Dockerfile that tests build.
- text: no code.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spectrogram_operator.api.spec import SpectrogramJobSpec

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = ("sh", "console", "yaml", "python", "dockerfile", "text")
_BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\S+\.yaml)\n")
_CONTINUED = re.compile(r"(?<!\\)\\\n")


class Instead(NamedTuple):
    """What a test runs in place of a command, and why; nothing: the command is left out."""

    why: str
    command: str = ""


_NO_REGISTRY = (
    "there is no docker here and no registry: nodes/images.py builds the same Dockerfiles, and the node has them"
)
_OTHER_CLUSTER = "the cluster of the tests is neither kind's nor minikube's: its node has the images"
_IMAGES = ('"$REGISTRY/spectrogram-operator:0.1.0"', '"$REGISTRY/spectrogram-worker:0.1.0"')
INSTEAD: Mapping[str, Instead] = {
    "export REGISTRY=registry.example.org/radio": Instead("so the images are called here", "export REGISTRY=localhost"),
    "export NODE=big-1": Instead("so the node is called here", "export NODE=node0"),
    'kubectl taint node "$NODE" spectrogram.dev/pool=large:NoSchedule': Instead(
        "there is one node here, and it must take other pods too",
        'kubectl taint node "$NODE" spectrogram.dev/pool=large:NoSchedule --dry-run=server',
    ),
    "make test": Instead("it is what runs this"),
    "make demo": Instead(
        "unit/operator/test_example.py runs it; here the recording is enough",
        "mkdir -p demo/recordings; python examples/make_recording.py demo/recordings --seconds 1",
    ),
    "pipx install '.[cli]'": Instead("unit/test_extras.py has an environment with this extra alone; here it is there"),
    "kubectl apply --server-side --force-conflicts --filename crds/spectrogramjobs.yaml": Instead(
        "the release here brings the definition, and it would not be the release's any more",
        "kubectl apply --server-side --force-conflicts --dry-run=server --filename crds/spectrogramjobs.yaml",
    ),
    "spectrogram submit --input recordings/2026/fm.drf --output results --set spec.transform.fftSize=4096": Instead(
        "that recording is not here",
        "spectrogram submit --input recordings/demo.drf --output results --set spec.transform.fftSize=4096",
    ),
    "spectrogram submit /mnt/recordings/2026/*.wav --mount recordings=/mnt/recordings --template job.yaml"
    " --label campaign=november": Instead(
        "the claim is not mounted here, and has another recording",
        "mkdir demo; python examples/make_recording.py demo --seconds 1;"
        " spectrogram submit demo/*.drf --mount recordings=demo --template examples/spectrogramjob.yaml"
        " --label campaign=november",
    ),
    'make images REGISTRY="$REGISTRY"': Instead(_NO_REGISTRY),
    **{
        f"docker build --file Dockerfile.{name} --build-arg VERSION=0.1.0 --tag {image} .": Instead(_NO_REGISTRY)
        for name, image in zip(("operator", "worker"), _IMAGES, strict=True)
    },
    **{f"docker push {image}": Instead(_NO_REGISTRY) for image in _IMAGES},
    f"kind load docker-image {' '.join(_IMAGES)}": Instead(_OTHER_CLUSTER),
    **{f"minikube image load {image}": Instead(_OTHER_CLUSTER) for image in _IMAGES},
}
"""Commands that are not run as they stand, by their text. A test fails where one of them is on no page."""

RUN_ELSEWHERE = {"docs/runbooks/*.md": "cluster/monitoring/test_runbooks.py"}
"""Pages whose blocks another test runs, which needs more than a page says."""


@dataclass(frozen=True)
class Block:
    """One block: the page, from the root of the repository, the line that it begins on, and its text, not indented."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """What a YAML block says to be called."""
        found = _FILE_NAME.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Of sh and console: each command in one line."""
        if self.language == "console":
            return [command for command, _ in self.exchanges]
        return commands(self.text) if self.language == "sh" else []

    @property
    def exchanges(self) -> list[tuple[str, list[str]]]:
        """Of console: each command, and the lines that it is said to print."""
        found: list[tuple[str, list[str]]] = []
        for line in _CONTINUED.sub("", self.text).splitlines():
            if line.startswith("$ "):
                found.append((_one_line(line[2:]), []))
            else:
                found[-1][1].append(line)
        return found


def commands(script: str) -> list[str]:
    """The lines of a script, continued ones joined, without comments."""
    return [line for line in map(_one_line, _CONTINUED.sub("", script).splitlines()) if line]


def _one_line(line: str) -> str:
    return re.sub(r"(^|\s+)# .*$", "", line).strip()


def pages() -> list[str]:
    """README.md and all of docs/, from the root of the repository."""
    return ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[2], textwrap.dedent(found[3]))


def is_object(document: Mapping[str, Any]) -> bool:
    """Whether a document of YAML is an object of a cluster."""
    return "kind" in document


def is_of_a_spec(document: Mapping[str, Any]) -> bool:
    """Whether a document of YAML is fields of a job's spec; what is no object either is values of the chart."""
    return document.keys() <= {field.alias or name for name, field in SpectrogramJobSpec.model_fields.items()}


def run_here(page: str) -> bool:
    """Whether the test of all pages runs the blocks of this one."""
    return not any(Path(page).match(pattern) for pattern in RUN_ELSEWHERE)
