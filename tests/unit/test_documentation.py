"""README.md and docs/: every block is run or is no code, links lead somewhere, and the index has every page.

That what is run does what it says is the node tier's to show (node/documentation/).
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.pages.documentation import INSTEAD, LANGUAGES, ROOT, RUN_ELSEWHERE, Block, blocks, commands, pages
from harness.pages.reference import REFERENCE, reference

BLOCKS = [block for page in pages() for block in blocks(page)]
COMMANDS = {command for block in BLOCKS for command in block.commands}
TITLE = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_a_block_is_found_with_its_line_and_without_its_indent() -> None:
    (block,) = [block for block in blocks("docs/jobs.md") if "import json, numpy" in block.text]
    assert block.language == "python"
    assert block.text.startswith("import json")
    line = (ROOT / block.page).read_text().splitlines()[block.line - 1]
    assert line.strip() == "```python"


def test_a_script_is_taken_apart_into_commands() -> None:
    script = "a --b \\\n  c   # why\n# all of it\n\nd '#e' f#g\n"
    assert commands(script) == ["a --b   c", "d '#e' f#g"]
    block = Block("page", 1, "console", "$ a    # why\nHEAD\nrow\n$ b\n")
    assert block.exchanges == [("a", ["HEAD", "row"]), ("b", [])]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_is_done_with_it(block: Block) -> None:
    assert block.language in LANGUAGES
    if block.language in ("sh", "console"):
        assert block.commands


def test_nothing_that_looks_like_a_command_is_called_text() -> None:
    programs = ("kubectl", "helm", "spectrogram", "make", "docker", "pip", "pipx", "uv", "$")
    for block in BLOCKS:
        if block.language == "text":
            assert not any(line.split()[0] in programs for line in block.text.splitlines() if line.strip()), str(block)


def test_what_is_not_run_as_it_stands_is_on_a_page() -> None:
    assert INSTEAD.keys() <= COMMANDS, "these exceptions are not needed any more"


def test_other_tests_run_pages_that_exist() -> None:
    for pattern in RUN_ELSEWHERE:
        assert any(Path(page).match(pattern) for page in pages())


def test_make_images_does_what_the_quick_start_writes_out() -> None:
    written = [command for block in blocks("docs/quick-start.md") for command in block.commands]
    dry_run = ["make", "--no-print-directory", "--dry-run", "images", "REGISTRY=$REGISTRY", "BUILDER=docker"]
    done = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.replace("EGISTRY", "$REGISTRY").splitlines() == [c for c in written if c.startswith("docker ")]


@pytest.mark.parametrize("page", pages())
def test_whoever_waits_says_how_long(page: str) -> None:
    """Without a timeout `kubectl wait` gives up after 30 seconds."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    assert [line for line in re.findall(r".*kubectl wait .*", text) if "--timeout" not in line] == []


@pytest.mark.parametrize("page", [*pages(), "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in links(page):
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text()), target


def test_the_index_has_every_page() -> None:
    linked = {str((ROOT / "docs" / target).resolve().relative_to(ROOT)) for target in links("docs/README.md")}
    runbooks = {page for page in pages() if page.startswith("docs/runbooks/")}
    assert set(pages()) - runbooks - {"docs/README.md"} <= linked
    assert "docs/runbooks" in linked


def links(page: str) -> Iterator[str]:
    """Where the page leads to in this repository."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    yield from (target for target in LINK.findall(text) if "://" not in target)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the titles of a page."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in TITLE.findall(text)}


def test_the_reference_is_that_of_the_models() -> None:
    assert REFERENCE.read_text() == reference(), "make reference"


def test_the_reference_has_every_field_and_what_every_rule_says() -> None:
    (version,) = yaml.safe_load((ROOT / "crds/spectrogramjobs.yaml").read_text())["spec"]["versions"]
    parts = version["schema"]["openAPIV3Schema"]["properties"]
    found = [one for part in ("spec", "status") for one in names_and_messages(parts[part])]
    assert len(found) > 200
    assert [one for one in found if one not in REFERENCE.read_text()] == []


def names_and_messages(schema: dict[str, Any]) -> Iterator[str]:
    """Of the fields of a schema, and of all below."""
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    for name, field in schema.get("properties", {}).items():
        yield f"`{name}`"
        yield from names_and_messages(field)
    yield from names_and_messages(schema["items"]) if "items" in schema else ()
