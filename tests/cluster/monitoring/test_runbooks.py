"""The commands of the runbooks, as they stand there: each is run where a job has failed, and finds something."""

import os
import re
import subprocess

import pytest

from cluster.actors.operator_process import Operator
from cluster.workspace import Workspace
from harness.pages.documentation import blocks, pages
from harness.programs import binaries
from pods.statuses import oom_killed

PAGES = [page for page in pages() if page.startswith("docs/runbooks/")]


def commands(page: str) -> list[str]:
    return [command for block in blocks(page) for command in block.commands]


def test_the_commands_of_every_page_work(workspace: Workspace, operator: Operator) -> None:
    workspace.submit()
    workspace.play(workspace.start(), oom_killed())
    assert workspace.wait_for_end().reason == "OOMKilled"
    environment = {
        "PATH": f"{binaries.tools()}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(workspace.client.kubeconfig),
        "HOME": str(workspace.folder),
    }
    said = {}
    for command in {command for page in PAGES for command in commands(page)}:
        here = command.replace("radio", workspace.namespace)
        done = subprocess.run(["sh", "-euc", here], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said[command] = done.stdout
    failed = [output for command, output in said.items() if "status.phase=Failed" in command]
    assert failed
    assert all("fm-band" in output and "OOMKilled" in output for output in failed)
    columns = [output for command, output in said.items() if "custom-columns" in command]
    assert columns
    assert all("fm-band" in output for output in columns)
    assert any(re.search(r"OOMKilled .* at its memory limit", output) for output in columns)
    assert any(re.search(r"OOMKilled .* 1073741824 ", output) for output in columns)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_commands(page: str) -> None:
    assert {block.language for block in blocks(page)} == {"sh"}
    assert len(commands(page)) >= 2
    assert all(command.startswith("kubectl ") for command in commands(page))
