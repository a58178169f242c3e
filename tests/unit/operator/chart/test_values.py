"""Values: a wrong one is refused in words before anything is changed; what the chart takes, the operator takes."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.pages import documentation
from harness.programs import binaries
from spectrogram_operator.settings import SETTINGS, Settings, read_settings
from unit.operator.chart.rendering import CHART, RefusedError, environment, refusal, render, run_helm
from unit.operator.chart.wrong import NEIGHBOURS, WRONG, Wrong

REGISTRY = '"$REGISTRY"'
DEPLOYMENT = "--show-only=templates/deployment.yaml"
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


def read(values: dict[str, Any], *options: str, release: str = "radio") -> Settings:
    """What the operator reads of the chart's environment. Raises RefusedError, never SettingsError."""
    return read_settings(environment(render(values, DEPLOYMENT, *options, release=release)))


@pytest.mark.parametrize("wrong", [pytest.param(wrong, id=name) for name, wrong in (WRONG | NEIGHBOURS).items()])
def test_a_wrong_value_is_refused_in_words_that_name_it(wrong: Wrong) -> None:
    assert wrong.says in refusal(wrong.values, release=wrong.release)


def test_helm_3_refuses_too() -> None:
    """Its words for a wrong type are others; those of the chart are the same."""
    for name, wrong in WRONG.items():
        options = ("template", wrong.release, "--namespace=system")
        done = run_helm(*options, values=wrong.values, program=str(binaries.helm_3()))
        assert done.returncode != 0, name
        by_type = wrong.says.startswith(("'/", "at '", "additional properties"))
        assert by_type or wrong.says in done.stderr, (name, done.stderr)


@pytest.mark.parametrize("file", sorted((CHART / "ci").iterdir()), ids=lambda file: file.stem)
def test_helm_3_renders_the_same(file: Path) -> None:
    values = yaml.safe_load(file.read_text())
    options = ("template", "radio", "--namespace=system", "--api-versions=monitoring.coreos.com/v1")
    three, four = (
        run_helm(*options, values=values, program=program).stdout for program in (str(binaries.helm_3()), "")
    )
    assert [*yaml.load_all(three, yaml.CSafeLoader)] == [*yaml.load_all(four, yaml.CSafeLoader)]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    words = refusal({"image": {"tag": "a b"}, "watchNamespaces": ["B", "c", "D"]})
    assert re.findall(r"^- (\S+):", words, re.MULTILINE) == ["image.tag", "watchNamespaces[0]", "watchNamespaces[2]"]


def test_an_old_kubernetes_is_refused() -> None:
    assert "incompatible with Kubernetes v1.30" in refusal({}, "--kube-version=1.30")


def test_an_installation_is_refused_as_a_template_is() -> None:
    done = run_helm("install", "radio", "--dry-run=client", values={"image": {"tag": "a b"}})
    assert 'image.tag: "a b" is no tag' in done.stderr


RIGHT: dict[str, dict[str, Any]] = {
    "defaults": {},
    "cluster": {"scope": "Cluster"},
    "several": {"watchNamespaces": ["lab", "team-a", "lab"]},
    "namespaces that YAML takes for numbers": {"watchNamespaces": ["2026", "1e3", "on", "null"]},
    "cpu float": {"pools": {"default": {"cpu": 1.5}}},
    "cpu whole": {"pools": {"default": {"cpu": 2}, "large": {"cpu": "500m"}}},
    "bytes": {"pools": {"default": {"memory": 2**31, "maxMemory": 2**32, "totalMemory": 2**36}}},
    "units": {"pools": {"default": {"memory": "1.5Gi", "maxMemory": "4e9", "totalMemory": "1Ti"}}},
    "memory auto": {"pools": {"default": {"memory": "auto"}, "large": {"memory": "auto", "maxMemory": "2Gi"}}},
    "memory auto, beside a size": {
        "pools": {"default": {"memory": "auto"}},
        "settings": {"defaultMemory": "2Gi"},
    },
    "default memory auto": {"settings": {"defaultMemory": "auto"}},
    "memory alone": {"pools": {"default": {"memory": "8Gi", "maxMemory": None}}},
    "total as much as one": {"pools": {"default": {"maxMemory": "4Gi", "totalMemory": "4096Mi"}}},
    "no total": {"pools": {"default": {"totalMemory": 0}}},
    "same memory twice": {"pools": {"default": {"memory": "2Gi"}}, "settings": {"defaultMemory": "2Gi"}},
    "hosts ip": {"allowedUrlHosts": ["10.0.0.1", "A.org", "*.b.org:8443"]},
    "store bucket upper": {"stores": {"a": {"bucket": "ABC"}}},
    "store name long": {"stores": {"a" * 70: {"bucket": "abc"}}},
    "store with a dollar": {"stores": {"a": {"bucket": "abc", "prefix": "$(SPECTROGRAM_POOLS)/$$x/$"}}},
    "store with nulls": {"stores": {"a": {"claimName": "tape", "bucket": None, "endpoint": None}}},
    "extraEnv": {
        "extraEnv": [
            {"name": "HTTPS_PROXY", "value": "http://p:3128"},
            {"name": "X", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            {"name": "EMPTY"},
        ]
    },
    "digest": {"image": {"digest": "sha256:" + "0" * 64}},
    "registry with port and path": {"image": {"registry": "reg.example.org:5000/team", "repository": "a/b-c_d"}},
    "registry in repository": {"image": {"repository": "localhost:5000/spectrogram-operator"}},
    "priority": {"priorityClassName": "system-cluster-critical"},
    "settings null": {"settings": None},
    "watch null": {"watchNamespaces": None},
    "stores null": {"stores": None, "allowedUrlHosts": None},
    "resources null": {"resources": None},
    "nothing at all": {name: None for name in ("extraEnv", "tolerations", "affinity", "podLabels", "commonLabels")},
    "global": {"global": {"imageRegistry": "reg.example.org", "somebodyElse": {"a": 1}}},
    "as a part of another chart": {"enabled": True},
    "worker account cluster": {"scope": "Cluster", "worker": {"serviceAccount": {"name": "w"}}},
    "worker account nocreate": {"worker": {"serviceAccount": {"create": False}}},
    "soft of the one, hard of the other system": {
        "settings": {"softTimeLimit": 1000},
        "extraEnv": [{"name": "CELERY_TASK_TIME_LIMIT", "value": "1200"}],
    },
    "labels of both": {"commonLabels": {"team": "a"}, "podLabels": {"team": "b"}},
    "toleration of everything": {"tolerations": [{"operator": "Exists"}]},
    "a name that is no word": {"fullnameOverride": "true", "priorityClassName": "on"},
}


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in RIGHT.items()])
def test_right_values_are_taken_by_chart_and_operator(values: dict[str, Any]) -> None:
    read(values)


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("a" * 20 + "b" * 33, {}),
        ("rrrrrrrrrr", {"nameOverride": "a" * 50}),
        ("my.radio", {"fullnameOverride": "radio"}),
        ("2026", {"fullnameOverride": "radio"}),
    ],
)
def test_names_of_releases_that_are_taken(release: str, values: dict[str, Any]) -> None:
    objects = render(values, release=release)
    assert all(len(item["metadata"]["name"]) <= 63 for item in objects)
    assert {item["metadata"]["labels"]["app.kubernetes.io/instance"] for item in objects} == {release}


def shown_as_values() -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks of YAML on the pages that are neither objects nor fields of a job."""
    for block in (block for page in documentation.pages() for block in documentation.blocks(page)):
        for document in yaml.safe_load_all(block.text) if block.language == "yaml" else ():
            if not documentation.is_object(document) and not documentation.is_of_a_spec(document):
                yield str(block), document


@pytest.mark.parametrize("values", [pytest.param(values, id=where) for where, values in shown_as_values()])
def test_the_values_that_pages_show_are_right(values: dict[str, Any]) -> None:
    read(values, "--api-versions=monitoring.coreos.com/v1")


@pytest.mark.parametrize("page", documentation.pages())
def test_what_pages_set_on_the_command_line_is_right(page: str) -> None:
    commands = [command for block in documentation.blocks(page) for command in block.commands]
    options = [option for command in commands if "helm" in command for option in re.findall(r"--set (\S+)", command)]
    assert options or page != "README.md"
    if options:
        read({}, *(f"--set={option.replace(REGISTRY, 'registry.example.org')}" for option in options))


def test_the_table_of_replaced_names_is_the_operator_s() -> None:
    table = yaml.safe_load((CHART / "files/checks.yaml").read_text())["replaced"]
    replaces = {setting.replaces: setting.name for setting in SETTINGS if setting.replaces}
    own = {name: "SPECTROGRAM_" + re.sub(r"([A-Z])", r"_\1", row["setting"]).upper() for name, row in table.items()}
    assert own == replaces


def leaves(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The ways to all maps and values of values.yaml, and to what is not there by default."""
    below = (
        [way for key, value in tree.items() for way in leaves(value, (*path, key))] if isinstance(tree, dict) else []
    )
    return [*([path] if path else []), *below]


def changed(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(values)
    at = result
    for key in path[:-1]:
        at[key] = at[key] if isinstance(at.get(key), dict) else {}
        at = at[key]
    at[path[-1]] = value
    return result


@pytest.mark.parametrize("path", leaves(DEFAULTS), ids=".".join)
def test_null_is_the_default_or_refused_in_words(path: tuple[str, ...]) -> None:
    values = changed({}, path, None)
    try:
        read(values)
    except RefusedError:
        assert f"{'.'.join(path)}: null" in refusal(values)


SCHEMA = json.loads((CHART / "values.schema.json").read_text())
PATHS = [
    *leaves(DEFAULTS),
    *(("settings", name) for name in SCHEMA["properties"]["settings"]["properties"]),
    *(("stores", "archive", name) for name in SCHEMA["definitions"]["store"]["properties"]),
    *(("pools", pool, name) for pool in ("default", "large") for name in SCHEMA["definitions"]["pool"]["properties"]),
]
TEXTS = (
    *("", " ", "a", "A", "abc", "a.b", "a b", "a\n", "-", "1", "0", "-1", "1.5", "1e3", "1e99", "01", "true", "null"),
    *("1Gi", "64Mi", "63Mi", "4Gi", "4.5Gi", "8Gi", "16Gi", "1GB", "100m", "1m", "1Ei", "0.1Gi", "4294967296.5", "inf"),
    *("https://s3.example.org", "http://s3:9000", "https://a.org:65536", "s3://a", "a/../b", "a/b", "$(X)", "{}", "[]"),
    *("é", "\u0000", "a" * 64, "a" * 300, "debug", "Cluster", "Always", "Exists", "default", "large_jobs"),
)
NUMBERS = (-1, 0, 1, 2, 10, 63, 80, 600, 900, 901, 1024, 8080, 9090, 65535, 65536, 10**6, 2**26, 2**31, 2**33, 10**12)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from((0.01, 0.5, 1.5, 95.5, 1e22, 1e-7)),
    st.lists(st.sampled_from(TEXTS), max_size=2),
    st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(TEXTS), max_size=2),
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from([name for setting in SETTINGS for name in setting.names])},
            optional={"value": st.sampled_from(TEXTS)},
        ),
        max_size=2,
    ),
    st.from_regex(r"\A[0-9]{1,16}(\.[0-9]{1,4})?(m|k|M|G|T|Ki|Mi|Gi|Ti|e[0-9])?\Z"),
)


AMOUNTS = st.sampled_from(
    (
        "64Mi",
        "1Gi",
        "1024Mi",
        "1.5Gi",
        "2Gi",
        "2147483648",
        2**31,
        2**31 + 1,
        "2147483648.5",
        "4Gi",
        "4e9",
        "5G",
        "16Gi",
    )
)
SECONDS = st.sampled_from((1, 5, 10, 11, 599, 600, 601, 899, 900, 901))
PORTS = st.sampled_from((1024, 8080, 9090))


def perhaps(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


POOL = perhaps(memory=AMOUNTS, maxMemory=st.none() | AMOUNTS, totalMemory=AMOUNTS, cpu=st.sampled_from((1, 1.5, "50m")))
REPLACED = {setting.replaces: SECONDS.map(str) for setting in SETTINGS if setting.replaces}
REPLACED["CELERY_WORKER_MAX_MEMORY_PER_CHILD"] = AMOUNTS.map(str)
# Values that depend on each other, most of them right by themselves.
TOGETHER = perhaps(
    settings=perhaps(
        softTimeLimit=SECONDS,
        hardTimeLimit=SECONDS,
        backoff=SECONDS,
        maxBackoff=SECONDS,
        refusalWait=SECONDS,
        maxRefusalWait=SECONDS,
        defaultMemory=AMOUNTS,
    ),
    pools=perhaps(default=POOL, large=POOL),
    ports=perhaps(health=PORTS, metrics=PORTS),
    extraEnv=perhaps(**REPLACED).map(lambda env: [{"name": name, "value": value} for name, value in env.items()]),
)


def check(values: dict[str, Any]) -> None:
    try:
        read(values)
    except RefusedError:
        refusal(values)


@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
@settings(max_examples=60)
def test_what_the_chart_takes_the_operator_takes(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    values: dict[str, Any] = {}
    for path, value in changes:
        values = changed(values, path, value)
    check(values)


@given(TOGETHER)
@settings(max_examples=60)
def test_what_the_chart_takes_together_the_operator_takes(values: dict[str, Any]) -> None:
    check(values)
