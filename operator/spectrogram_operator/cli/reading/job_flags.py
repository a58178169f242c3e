"""Jobs that are made of flags: of none or a template, for a recording or for each of several."""

import os
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from spectrogram_operator.api.names import API_VERSION, KIND
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.reading.yaml_nodes import compose, construct
from spectrogram_worker.contract.addresses import file_name
from spectrogram_worker.contract.report import clean_text

Content = dict[str, Any]
EMPTY: Content = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": {"input": {}, "output": {}}}
_PLACES = ("claimName", "store", "url", "path")
_PATTERN = re.compile(r"[*?\[]")
_PARTS = ("spec", "metadata")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What is typed beside a job's file: --input, --output, --name, --set, --label, --mount."""

    source: str | None = None
    target: str | None = None
    name: str | None = None
    fields: Sequence[str] = ()
    labels: Sequence[str] = ()
    mount: str | None = None


def changed(content: Content, flags: Flags) -> Content:
    """The job as the flags want it. Raises CommandError: 2 for a flag that cannot be understood."""
    content = deepcopy(content)
    for place, text in (("input", flags.source), ("output", flags.target)):
        if text is not None:
            _set_place(content, place, text)
    if flags.name is not None:
        _object(content, "metadata", "--name").pop("generateName", None)
        content["metadata"]["name"] = flags.name
    for label in flags.labels:
        key, value = _pair("--label", label, "KEY=VALUE, as in campaign=november")
        _object(_object(content, "metadata", "--label"), "labels", "--label")[key] = value
    for field in flags.fields:
        _set_field(content, field)
    return content


def made(template: Content, flags: Flags) -> Content:
    """One job; where nothing names it, it is named after its recording."""
    content = changed(template, flags)
    metadata = _object(content, "metadata", "--name")
    source = _object(_object(content, "spec", "--set"), "input", "--input")
    path = source.get("path") or file_name(str(source.get("url") or ""))
    if not {"name", "generateName"} & metadata.keys() and path:
        metadata["name"] = name_of(PurePosixPath(str(path)))
    return content


def made_for(recordings: Sequence[str], template: Content, flags: Flags) -> list[Content]:
    """A job for each recording, named after it below the name of the template or of --name; its results go to a folder
    of its name. Raises CommandError: 2 for what lies in no claim, and for two recordings of one name.
    """
    base = changed(template, flags)
    named = bool(_object(base, "metadata", "--name").get("generateName"))
    prefix = base["metadata"].pop("name", "")
    made: dict[str, str] = {}
    jobs = []
    for recording in recordings:
        job = deepcopy(base)
        source = _object(_object(job, "spec", "--set"), "input", "--input")
        path = _path_in_claim(recording, source, flags)
        source.pop("url", None)
        source["path"] = str(path)
        name = name_of(path, prefix)
        if name in made:
            message = f"{made[name]} and {recording} would both be the job {name}: submit them with different --name"
            raise _wrong(message)
        made[name] = recording
        if not named:
            job["metadata"]["name"] = name
        target = _object(job["spec"], "output", "--output")
        if target.get("path"):
            target["path"] = f"{str(target['path']).rstrip('/')}/{name}"
        jobs.append(job)
    return jobs


def name_of(path: PurePosixPath, prefix: str = "") -> str:
    """The name of a recording's job: its path without suffix, in the letters that a name may have."""
    words = [prefix, *path.with_suffix("").parts]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, words)).lower()).strip("-")


def _path_in_claim(recording: str, source: Content, flags: Flags) -> PurePosixPath:
    """Where the recording is in its claim or store: below the folder of --mount, else below the path of --input."""
    if flags.mount is None:
        if _PATTERN.search(recording):
            raise _wrong(f"{recording}: no file here is called like that, so the shell has left the pattern as it is")
        if os.path.isabs(recording):
            advice = "say which folder of this machine the claim is, as in --mount recordings=/mnt/recordings"
            raise _wrong(f"{recording}: where is this in the claim? {advice}")
        return PurePosixPath(source.get("path") or "", recording)
    name, folder = _pair("--mount", flags.mount, "NAME=DIR, as in recordings=/mnt/recordings")
    if flags.source is not None:
        raise _wrong("--input and --mount both say which claim the recordings are in: write one of them")
    if source.get("store") != name:
        for other in ("store", "claimName"):
            source.pop(other, None)
        source["claimName"] = name
    found, root = Path(recording).absolute(), Path(folder).expanduser().absolute()
    if not found.exists():
        raise _wrong(f"{recording}: there is no such file")
    if not found.is_relative_to(root):
        raise _wrong(f"{recording}: this is not in {folder}, the folder of the claim {name}")
    return PurePosixPath(found.relative_to(root))


def _set_place(content: Content, place: str, text: str) -> None:
    """`text` is CLAIM/PATH, or for a recording an https address."""
    option = f"--{place}"
    where = _object(_object(content, "spec", option), place, option)
    for field in _PLACES:
        where.pop(field, None)
    if "://" in text:
        where["url"] = text
        return
    claim, _, path = text.partition("/")
    if not claim:
        raise _wrong(f"{option} {text}: write CLAIM/PATH, as in recordings/fm.drf")
    where["claimName"] = claim
    if path:
        where["path"] = path


def _set_field(content: Content, text: str) -> None:
    field, value = _pair("--set", text, "FIELD=VALUE, as in spec.transform.fftSize=4096")
    *above, last = field.split(".")
    if not above or above[0] not in _PARTS or not all(above) or not last:
        raise _wrong(f"--set {text}: write the whole name of the field, as in spec.transform.fftSize=4096")
    here = content
    for part in above:
        here = _object(here, part, f"--set {text}")
    try:
        documents = compose(value)
        here[last] = construct(documents[0]) if documents else ""
    except yaml.YAMLError:
        raise _wrong(f"--set {text}: the value is no YAML: quote it, as in --set 'FIELD=\"VALUE\"'") from None


def _object(content: Content, field: str, option: str) -> Content:
    """The object in this field, made where there is none."""
    found = content.get(field)
    if found is None:
        found = content[field] = {}
    if not isinstance(found, dict):
        raise _wrong(f"{option}: {field} has no fields")
    return found


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise _wrong(f"{option} {text}: write {form}")
    return key, value


def _wrong(message: str) -> CommandError:
    return CommandError(clean_text(message, 1024), exit_code=WRONG_USAGE)
