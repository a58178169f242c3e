"""Which cluster is meant, and what its refusals are in words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from spectrogram_operator.cli.cluster.access import Chosen, Target, choose_context, connect, kubeconfig_files
from spectrogram_operator.cli.cluster.words import in_words
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.control.cluster.protocol import ClusterError
from unit.operator.kubeconfigs import UNUSABLE

UNTRUSTED = {"server": "https://lab.example.org", "certificate-authority": "/nowhere/ca.crt"}


def config(current: str | None, **namespaces: str | None) -> dict[str, Any]:
    """A kubeconfig with these contexts."""
    contexts = [
        {"name": name, "context": {"cluster": name, "user": name, **({"namespace": space} if space else {})}}
        for name, space in namespaces.items()
    ]
    clusters = [{"name": name, "cluster": {"server": f"https://{name}.example.org"}} for name in namespaces]
    users = [{"name": name, "user": {"token": "secret"}} for name in namespaces]
    content = {"apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": clusters, "users": users}
    return content if current is None else {**content, "current-context": current}


def write(folder: Path, name: str, content: Any) -> Path:
    (folder / name).write_text(yaml.safe_dump(content))
    return folder / name


@pytest.mark.parametrize(
    ("documents", "given", "expected"),
    [
        ([config("lab", lab="radio")], None, Chosen("lab", "radio")),
        ([config("lab", lab=None)], None, Chosen("lab", None)),
        ([config("lab", lab="radio", field="sky")], "field", Chosen("field", "sky")),
        ([config(None, lab="radio"), config("field", field="sky")], None, Chosen("field", "sky")),
        ([config("lab", lab="radio"), config("field", field="sky")], None, Chosen("lab", "radio")),
        ([config("lab", lab="first"), config("lab", lab="second")], None, Chosen("lab", "first")),
    ],
)
def test_of_several_files_the_first_that_says_it_wins(
    documents: list[dict[str, Any]], given: str | None, expected: Chosen
) -> None:
    assert choose_context(documents, given) == expected


@pytest.mark.parametrize(
    ("documents", "given", "code", "words"),
    [
        ([config(None, lab="radio")], None, 78, "has no current context"),
        ([config("gone", lab="radio")], None, 78, "there is no context gone in the kubeconfig: known are lab"),
        ([config("lab", lab="radio")], "filed", 2, "there is no context filed"),
        ([{}], "lab", 2, "it has none"),
    ],
)
def test_a_context_that_is_not_there(documents: list[Any], given: str | None, code: int, words: str) -> None:
    with pytest.raises(CommandError, match=words) as error:
        choose_context(documents, given)
    assert error.value.exit_code == code


def test_the_files_are_those_of_kubectl(tmp_path: Path) -> None:
    first, second = write(tmp_path, "first", {}), write(tmp_path, "second", {})
    listed = {"KUBECONFIG": f"{first}:{tmp_path / 'missing'}::{second}"}
    assert kubeconfig_files(None, listed) == [first, second]
    assert kubeconfig_files(second, listed) == [second]
    with pytest.raises(CommandError, match="there is no such file") as error:
        kubeconfig_files(tmp_path / "missing", listed)
    assert error.value.exit_code == 2


def test_a_connection_has_the_server_and_the_namespace_of_its_context(tmp_path: Path) -> None:
    first = write(tmp_path, "first", config("lab", lab="radio"))
    second = write(tmp_path, "second", config("field", field=None))
    environ = {"KUBECONFIG": f"{first}:{second}"}
    lab = connect(Target(), environ)
    assert (lab.jobs.server, lab.namespace, lab.is_namespace_given) == ("https://lab.example.org", "radio", False)
    field = connect(Target(context="field"), environ)
    assert (field.jobs.server, field.namespace) == ("https://field.example.org", "default")
    named = connect(Target(namespace="sky"), environ)
    assert (named.namespace, named.is_namespace_given) == ("sky", True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- a list", "this is no kubeconfig"),
        ("{broken", "this is no kubeconfig"),
        (config("lab", lab="radio") | {"clusters": []}, "lab"),
        (config("lab", lab="radio") | {"clusters": [{"name": "lab", "cluster": UNTRUSTED}]}, "/nowhere/ca.crt"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, content: Any, words: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(CommandError, match=words) as error:
        connect(Target(kubeconfig=file))
    assert error.value.exit_code == 78
    assert len(error.value.lines) == 1


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_no_file_that_is_no_kubeconfig_is_a_bug(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    with pytest.raises(CommandError) as error:
        connect(Target(kubeconfig=file))
    assert error.value.exit_code == 78
    assert len(error.value.lines) == 1
    assert not re.search(r"object|NoneType", error.value.lines[0]), "an error of Python's says nothing to people"


def test_without_any_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no cluster is named") as error:
        connect(Target(), {"KUBECONFIG": str(tmp_path / "missing")})
    assert error.value.exit_code == 78


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (ClusterError(0, "Unreachable", "Connection refused"), "no answer from the cluster at SERVER: Connection", 69),
        (ClusterError(401, "Unauthorized", "Unauthorized"), "does not know who you are", 77),
        (ClusterError(403, "Forbidden", 'User "u" cannot list', kind="spectrogramjobs"), "ask for the role view", 77),
        (ClusterError(403, "Forbidden", "exceeded quota: few", kind="spectrogramjobs"), "exceeded quota: few", 77),
        (ClusterError(403, "NamespaceTerminating", "x"), "the namespace radio is being deleted", 73),
        (ClusterError(404, "NotFound", 'namespaces "radio" not found', kind="namespaces"), "no namespace radio", 66),
        (ClusterError(404, "", "no explanation"), "this cluster has no SpectrogramJobs", 69),
        (ClusterError(409, "AlreadyExists", "it already exists"), "metadata.generateName", 73),
        (ClusterError(422, "Invalid", "spec.input: Required"), "spec.input: Required", 64),
        (ClusterError(400, "BadRequest", "unable to parse"), "unable to parse", 2),
        (ClusterError(409, "Conflict", "quota"), "try again", 75),
        (ClusterError(429, "TooManyRequests", "busy"), "try again", 75),
        (ClusterError(503, "", "no explanation"), "try again", 75),
        (ClusterError(302, "", "no explanation"), "answers 302", 69),
    ],
)
def test_refusals_in_words(error: ClusterError, words: str, code: int) -> None:
    line, found = in_words(error, "SERVER", "radio")
    assert words in line
    assert found == code
