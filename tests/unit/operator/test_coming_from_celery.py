"""docs/coming-from-celery.md: the old settings are those that are understood, the sentences those that are written."""

import ast
import re
from pathlib import Path

import yaml

from spectrogram_operator.settings.catalogue import SETTINGS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/coming-from-celery.md").read_text()
PROGRAMS = {"operator": ROOT / "operator/spectrogram_operator", "worker": ROOT / "worker_image/spectrogram_worker"}


def test_every_old_name_of_a_setting_is_there_with_its_value_of_the_chart() -> None:
    replaced = yaml.safe_load((ROOT / "helm/spectrogram-operator/files/checks.yaml").read_text())["replaced"]
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| `settings\.(\w+)` \|", PAGE, re.MULTILINE))
    assert told == {setting.replaces: replaced[setting.replaces]["setting"] for setting in SETTINGS if setting.replaces}


def test_every_sentence_is_one_that_the_program_writes() -> None:
    rows = re.findall(r"^\| `([A-Z][^`]* [^`]*)` \| (operator|worker) \|", PAGE, re.MULTILINE)
    assert len(rows) > 10
    written = {program: sentences(folder) for program, folder in PROGRAMS.items()}
    assert [sentence for sentence, program in rows if sentence not in written[program]] == []


def sentences(folder: Path) -> set[str]:
    """Every text of the sources, as a log line: what is filled in is an ellipsis."""
    texts = {
        node.value
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {re.sub(r"%[.\d]*[sdfg]", "…", text).replace("%%", "%") for text in texts}
