"""Reading the job file: every mistake becomes one line with the place in the file and what to write instead."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from spectrogram_operator.api.job import LONGEST_VALUE
from spectrogram_operator.api.names import API_VERSION, KIND
from spectrogram_operator.api.spec import ClaimName, SpectrogramJobSpec
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.reading.fields import known_fields, likely_field
from spectrogram_operator.cli.reading.yaml_nodes import compose, construct, line_of, repeated_keys
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.base import REFUSED_VALUE, Model
from spectrogram_worker.contract.report import clean_text

STANDARD_INPUT = Path("-")
_MOST_COMPLAINTS = 5
_LONGEST_LINE = 1024
_NOTHING = "tag:yaml.org,2002:null"
_EMPTY = "the file is empty: write a SpectrogramJob, as in examples/spectrogramjob.yaml"
_RECORDING = "; of a recording, say which claim it is in, as in --input recordings"
_NAME = "is no name: write lower-case letters, digits, - and ., with a letter or digit at both ends"

Change = Callable[[dict[str, Any]], dict[str, Any]]
Where = Callable[[Sequence[int | str]], str]
"""What stands before a complaint about the field at this place."""


class Metadata(Model):
    """What is needed of the metadata; what else Kubernetes keeps there does not matter here."""

    model_config = ConfigDict(extra="ignore")
    name: ClaimName
    namespace: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] = "default"


class JobFile(Model):
    """A SpectrogramJob as a file holds it."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: SpectrogramJobSpec
    status: Any = None

    def document(self) -> dict[str, Any]:
        """What is submitted."""
        return {"metadata": self.metadata.to_document(), "spec": self.spec.to_document()}


@dataclass(frozen=True)
class Submission:
    """A job of a file: as it is written, which is what a cluster gets, and as it is understood."""

    content: dict[str, Any]
    job: JobFile


def read_job_file(path: Path) -> JobFile:
    """The one job in the file, to be run here. Raises CommandError: 2 where there is no file to read, else 64."""
    node = _only_document(path)
    job = _read_job(path, node, may_generate=False).job
    for field, value in (("suspend", job.spec.suspend), ("cancelled", job.spec.cancelled)):
        if value:
            message = f"spec.{field}: the job would not run: set it to false, or remove it"
            raise _invalid(path, message, line_of(node, ("spec", field)))
    return job


def _only_document(path: Path) -> yaml.Node:
    node, *others = _read_yaml(path, _read_text(path))
    if others:
        message = "a second YAML document starts here: put each job in a file of its own"
        raise _invalid(path, message, others[0].start_mark.line + 1)
    return node


def read_template(path: Path) -> dict[str, Any]:
    """The content of a file that holds one job, which may lack what flags will add. Raises as read_job_file."""
    return _read_content(path, _only_document(path))


def read_submissions(path: Path, change: Change = lambda content: content) -> list[Submission]:
    """The jobs in the file, one in each document, each as `change` makes it; `-` is standard input.

    Raises as read_job_file.
    """
    text = sys.stdin.read() if path == STANDARD_INPUT else _read_text(path)
    nodes = [node for node in _read_yaml(path, text) if node.tag != _NOTHING]
    if not nodes:
        raise _invalid(path, _EMPTY)
    return [_read_job(path, node, change, may_generate=True) for node in nodes]


def check_job(content: dict[str, Any]) -> Submission:
    """A job that is in no file. Raises CommandError (64)."""
    return _understand(content, lambda place: "", may_generate=True)


def _read_job(
    path: Path, node: yaml.Node, change: Change = lambda content: content, *, may_generate: bool
) -> Submission:
    content = change(_read_content(path, node))
    return _understand(content, lambda place: f"{path}:{line_of(node, place)}: ", may_generate=may_generate)


def _read_content(path: Path, node: yaml.Node) -> dict[str, Any]:
    """The content of a document that says that it is a job."""
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise _invalid(path, "not a SpectrogramJob: write fields and values, as in apiVersion: …", line)
    content = _plain(path, node)
    found = content.get("apiVersion"), content.get("kind")
    if found != (API_VERSION, KIND):
        line = line_of(node, ("apiVersion",) if found[0] != API_VERSION else ("kind",))
        message = f"apiVersion {found[0]} and kind {found[1]} are not a {KIND}"
        raise _invalid(path, f"{message}: write apiVersion: {API_VERSION} and kind: {KIND}", line)
    return content


def _understand(content: dict[str, Any], where: Where, *, may_generate: bool) -> Submission:
    """The job. With `may_generate` the API server may make its name of metadata.generateName."""
    try:
        # As strict as the API server: a file that runs here is a file that a cluster takes.
        document = json.dumps(_with_a_name(content) if may_generate else content)
        job = JobFile.model_validate_json(document, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        complaints = dict.fromkeys(_complaints(where, error))
        raise CommandError(*list(complaints)[:_MOST_COMPLAINTS], exit_code=ExitCode.INVALID_SPEC) from None
    return Submission(content, job)


def _with_a_name(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a name such as metadata.generateName would lead to."""
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or "name" in metadata or "generateName" not in metadata:
        return content
    return {**content, "metadata": {**metadata, "name": f"{metadata['generateName']}x"}}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", exit_code=WRONG_USAGE) from None
    except UnicodeDecodeError:
        raise _invalid(path, f"not a text file: write the job as YAML in UTF-8{_RECORDING}") from None


def _read_yaml(path: Path, text: str) -> list[yaml.Node]:
    """The documents, at least one."""
    try:
        documents = compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" {error.context}" if error.context else ""
        message = f"broken YAML: {error.problem}{context}"
        raise _invalid(path, message, mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise _invalid(path, f"broken YAML: {error}") from None
    if not documents:
        raise _invalid(path, _EMPTY)
    return documents


def _plain(path: Path, node: yaml.MappingNode) -> dict[str, Any]:
    """The content as JSON could hold it."""
    try:
        content = construct(node)
        json.dumps(content)
    except yaml.MarkedYAMLError as error:
        raise _invalid(path, f"broken YAML: {error.problem}") from None
    except (TypeError, ValueError) as error:
        raise _invalid(path, f"cannot be written as JSON, which the API needs: {error}") from None
    for key in repeated_keys(node):
        raise _invalid(path, f"{key.value} stands here a second time: remove one of them", key.start_mark.line + 1)
    plain: dict[str, Any] = _without_nulls(content)
    return plain


def _without_nulls(content: Any) -> Any:
    """A field without a value counts as absent, as for the API server."""
    if isinstance(content, dict):
        return {key: _without_nulls(value) for key, value in content.items() if value is not None}
    return [_without_nulls(entry) for entry in content] if isinstance(content, list) else content


def _complaints(where: Where, error: ValidationError) -> Iterator[str]:
    """One line for each mistake. What only follows from another one is left out."""
    details = error.errors(include_url=False)
    unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
    meant = {(*detail["loc"][:-1], _likely(detail)[1]) for detail in unknown}
    said = set()
    for detail in (*unknown, *(detail for detail in details if detail not in unknown)):
        loc, field = detail["loc"], _where(detail)
        is_around_another = any(other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in details)
        if loc not in meant and not is_around_another and field not in said:
            said.add(field)
            what = f"{field}: {_what(detail)}" if field else _what(detail)
            yield clean_text(f"{where(loc)}{what}", _LONGEST_LINE)


def _what(detail: ErrorDetails) -> str:
    """What to change, in the words of somebody who writes a job."""
    match detail["type"]:
        case "extra_forbidden":
            return _likely(detail)[0]
        case "missing":
            return "this field is required: add it"
        case "string_pattern_mismatch":
            return f"{detail['input']!r} {_NAME}"
        case _ if detail["type"] == REFUSED_VALUE:
            return f"{clean_text(repr(detail['input']), LONGEST_VALUE)} {detail['msg']}"
    if detail["loc"][-1:] in (("int",), ("str",)) and detail["type"].endswith("_type"):
        return "write a quantity: a number with an optional unit, as in 512Mi or 2"
    return detail["msg"].removeprefix("Value error, ")


def _likely(detail: ErrorDetails) -> tuple[str, str]:
    """What to say of an unknown field, and the field of the same object that was probably meant."""
    loc = detail["loc"]
    path, name = likely_field(JobFile, tuple(str(part) for part in loc))
    if path:
        return f"unknown field; did you mean {path}?", name
    return f"unknown field; known here: {', '.join(known_fields(JobFile, loc[:-1]))}", ""


def _where(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"] if part not in ("int", "str"))


def _invalid(path: Path, message: str, line: int | None = None) -> CommandError:
    return CommandError(_line(path, message, line), exit_code=ExitCode.INVALID_SPEC)


def _line(path: Path, message: str, line: int | None) -> str:
    return clean_text(f"{path}:{line}: {message}" if line else f"{path}: {message}", _LONGEST_LINE)
