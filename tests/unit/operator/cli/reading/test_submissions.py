"""The jobs that `submit` reads: several in a file, of standard input, with names that the API server makes."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from pods.jobs import job_body
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.job_file import STANDARD_INPUT, read_submissions


def nameless(prefix: Any) -> dict[str, Any]:
    return {**job_body(), "metadata": {"generateName": prefix, "labels": {"team": "radio"}}}


def read(folder: Path, text: str) -> list[dict[str, Any]]:
    (folder / "jobs.yaml").write_text(text)
    return [submission.content for submission in read_submissions(folder / "jobs.yaml")]


def test_what_is_written_is_what_is_submitted(tmp_path: Path) -> None:
    bodies = [job_body("first"), {**job_body("second", suspend=True), "status": {}}, nameless("sweep-")]
    assert read(tmp_path, yaml.safe_dump_all(bodies)) == bodies


@pytest.mark.parametrize("text", ["---\n{}---\n", "# a comment\n---\n{}", "{}---\n# nothing more\n---\n"])
def test_documents_without_content_are_no_jobs(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text.replace("{}", yaml.safe_dump(job_body()))) == [job_body()]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(job_body())))
    assert [submission.content for submission in read_submissions(STANDARD_INPUT)] == [job_body()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("---\n---\n", "the file is empty"),
        (yaml.safe_dump_all([job_body(), {"kind": "Pod"}]), "apiVersion None and kind Pod are not a SpectrogramJob"),
        (yaml.safe_dump_all([job_body(), ["a list"]]), "jobs.yaml:12: not a SpectrogramJob"),
        (yaml.safe_dump(nameless("Sweep_")), "'Sweep_x' is no name"),
        (yaml.safe_dump(nameless(7) | {"metadata": {}}), "metadata.name: this field is required"),
    ],
)
def test_a_mistake_in_any_of_them_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CommandError) as error:
        read(tmp_path, text)
    assert words in error.value.lines[0]
    assert error.value.exit_code == 64
