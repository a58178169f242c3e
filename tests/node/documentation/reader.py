"""Somebody who reads a page of the documentation, at a shell in the checkout, and types every block of it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from harness.kubernetes.client import Client
from harness.nodes import images
from harness.pages.documentation import INSTEAD, ROOT, Block, blocks, is_object, is_of_a_spec
from harness.programs import binaries

CHART = ROOT / "helm" / "spectrogram-operator"
IN_THE_CHECKOUT = ("Dockerfile.operator", "Dockerfile.worker", "Makefile", "crds", "docs", "examples", "helm")
PLACES = {"input": {"claimName": "recordings", "path": "demo.drf"}, "output": {"claimName": "results"}}
_ENVIRONMENT = ".environment"


class Reader:
    """`folder` becomes what the reader sees: the checkout, and whatever the page makes in it."""

    def __init__(self, folder: Path, cluster: Client) -> None:
        self._folder = folder
        self._cluster = cluster
        for name in IN_THE_CHECKOUT:
            (folder / name).symlink_to(ROOT / name)
        (folder / _ENVIRONMENT).touch()

    def read(self, page: str) -> None:
        """Raises AssertionError at the first block that does not do what it says."""
        for block in blocks(page):
            getattr(self, f"_{block.language}")(block)

    def _sh(self, block: Block) -> None:
        self._type(block, [INSTEAD[one].command if one in INSTEAD else one for one in block.commands])

    def _console(self, block: Block) -> None:
        for command, shown in block.exchanges:
            printed = self._type(block, [INSTEAD[command].command if command in INSTEAD else command])
            if shown:
                lines = [line.split() for line in printed.splitlines()]
                assert shown[0].split() in lines, f"{block}: {command}\nprints\n{printed}"

    def _yaml(self, block: Block) -> None:
        if block.file_name:
            (self._folder / block.file_name).write_text(block.text)
        for document in yaml.safe_load_all(block.text):
            if is_object(document):
                self._dry_run(document)
            elif is_of_a_spec(document):
                spec = {**PLACES, **document}
                job = {"apiVersion": "spectrogram.dev/v1beta1", "kind": "SpectrogramJob", "metadata": {"name": "said"}}
                self._dry_run({**job, "spec": spec})
            else:
                options = ("--values=-", "--api-versions=monitoring.coreos.com/v1")
                self._cluster.helm("template", "radio", str(CHART), *options, input=yaml.safe_dump(document))

    def _python(self, block: Block) -> None:
        self._run(block, [sys.executable, "-c", block.text])

    def _dockerfile(self, block: Block) -> None:
        files = [path.read_text() for path in images.DOCKERFILES.glob("Dockerfile.*")]
        steps = block.text.partition("\n")[2]
        assert any(steps in file for file in files), f"{block}: no Dockerfile of the tests has these steps"

    def _text(self, block: Block) -> None:
        """No code."""

    def _dry_run(self, document: Any) -> None:
        self._cluster.kubectl("apply", "--dry-run=server", "--filename=-", input=yaml.safe_dump(document))

    def _type(self, block: Block, commands: list[str]) -> str:
        """What is printed. What is exported stays for the next block."""
        script = ["set -eu", f". ./{_ENVIRONMENT}", *commands, f"export -p > {_ENVIRONMENT}"]
        return self._run(block, ["sh", "-c", "\n".join(script)])

    def _run(self, block: Block, command: list[str]) -> str:
        paths = f"{Path(sys.executable).parent}{os.pathsep}{binaries.tools()}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **self._cluster.environment, "PATH": paths}
        # Where a chart is installed is what the page says, or the context.
        environment.pop("HELM_NAMESPACE", None)
        done = subprocess.run(
            command, cwd=self._folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, f"{block} ends with code {done.returncode}:\n{block.text}\n{done.stdout}"
        return done.stdout
