"""The Helm chart: what it renders, what it refuses, and that it cannot drift from the CRD and the settings."""

import dataclasses
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spectrogram_operator.api.names import LABEL_PUBLISHES, LEASE, LEASE_OF_ALL, PLACE_OF_ALL
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.cli.view.reader import WorkerPods, read_published
from spectrogram_operator.control.reconciling.corrections import CONFIG_MAP
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings import SETTINGS, read_settings
from unit.operator.chart.rendering import CHART, ROOT, Object, environment, of_kind, render, run_helm, the

CRD = ROOT / "crds" / "spectrogramjobs.yaml"


class Chart:
    """The chart, in short."""

    def helm(self, *arguments: str, **values: Any) -> subprocess.CompletedProcess[str]:
        return run_helm(*arguments, values=values)

    def render(self, **values: Any) -> list[Object]:
        return render(values)


@pytest.fixture
def chart() -> Chart:
    return Chart()


def test_lint(chart: Chart) -> None:
    done = chart.helm("lint", "--strict")
    assert done.returncode == 0, done.stdout


def test_the_chart_s_copy_of_the_crd_is_the_crd() -> None:
    copy = CHART / "files" / "spectrogramjobs.yaml"
    assert copy.read_bytes() == CRD.read_bytes(), f"copy {CRD} to {copy}"


@pytest.mark.parametrize("keep", [True, False])
def test_the_crd_is_rendered_as_it_is(chart: Chart, keep: bool) -> None:
    rendered = the(chart.render(crds={"install": True, "keep": keep}), "CustomResourceDefinition")
    assert rendered["metadata"].pop("labels")["app.kubernetes.io/instance"] == "radio"
    annotations = rendered["metadata"].pop("annotations", {})
    assert annotations == ({"helm.sh/resource-policy": "keep"} if keep else {})
    assert rendered == yaml.safe_load(CRD.read_text())


def test_the_crd_can_be_left_out(chart: Chart) -> None:
    assert not of_kind(chart.render(crds={"install": False}), "CustomResourceDefinition")


LEASES = "coordination.k8s.io"
OPERATOR_RULES = {
    ("spectrogram.dev", "spectrogramjobs", ""): {"get", "list", "watch", "delete"},
    ("spectrogram.dev", "spectrogramjobs/status", ""): {"update"},
    ("spectrogram.dev", "spectrogramjobs/finalizers", ""): {"update"},
    ("", "pods", ""): {"get", "list", "watch", "create", "delete"},
    ("", "events", ""): {"list", "create"},
    ("", "persistentvolumeclaims", ""): {"get"},
}
RULES_OF_ONE_NAMESPACE = OPERATOR_RULES | {
    (LEASES, "leases", ""): {"create"},
    (LEASES, "leases", LEASE): {"get", "update"},
}


def rules(role: Object) -> dict[tuple[str, str, str], set[str]]:
    """Verbs by group, resource, and the names of objects where a rule has them."""
    assert all({"apiGroups", "resources", "verbs"} <= set(rule) for rule in role["rules"])
    return {
        (rule["apiGroups"][0], resource, ", ".join(rule.get("resourceNames", ()))): set(rule["verbs"])
        for rule in role["rules"]
        for resource in rule["resources"]
    }


def test_by_default_the_operator_may_only_what_it_needs_and_only_in_its_namespace(chart: Chart) -> None:
    objects = chart.render()
    role, binding = the(objects, "Role"), the(objects, "RoleBinding")
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "system"
    assert rules(role) == RULES_OF_ONE_NAMESPACE
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    account = the(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "system"}]
    assert not of_kind(objects, "ClusterRoleBinding")
    assert environment(objects)["SPECTROGRAM_NAMESPACES"] == "system"


def test_the_table_of_rights_is_what_the_operator_has() -> None:
    table = (ROOT / "docs/operating/security.md").read_text().partition("The operator's rights")[2]
    rows = re.findall(r"^\| `([\w/]+)` \| ([\w, ]+) \|", table, re.MULTILINE)
    told = {resource: set(verbs.split(", ")) for resource, verbs in rows}
    granted: dict[str, set[str]] = {}
    for (_, resource, _), verbs in RULES_OF_ONE_NAMESPACE.items():
        granted.setdefault(resource, set()).update(verbs)
    assert told == granted


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_rights_to_keep_what_workers_took_come_with_the_setting(chart: Chart, scope: str) -> None:
    kind = "Role" if scope == "Namespaced" else "ClusterRole"
    values = {"scope": scope, "rbac": {"userRoles": False}}
    without, with_it = (
        rules(of_kind(chart.render(**values, settings={"memoryCorrection": on}), kind)[0]) for on in (False, True)
    )
    assert not [rule for rule in without if "configmaps" in rule]
    assert with_it == without | {
        ("", "configmaps", ""): {"create"},
        ("", "configmaps", CONFIG_MAP): {"get", "update"},
    }


@pytest.mark.parametrize("pool", ["default", "large"])
def test_nodes_are_read_only_where_a_limit_follows_from_them(chart: Chart, pool: str) -> None:
    auto = chart.render(scope="Cluster", rbac={"userRoles": False}, pools={pool: {"maxConcurrent": "auto"}})
    without = rules(the(chart.render(scope="Cluster", rbac={"userRoles": False}), "ClusterRole"))
    assert rules(the(auto, "ClusterRole")) == without | {("", "nodes", ""): {"list"}}
    pools = read_settings(environment(auto)).policy.pools
    queue = {"default": "default", "large": "large_jobs"}[pool]
    assert {name for name, one in pools.items() if one.auto_concurrent} == {queue}


def test_watched_namespaces_each_get_a_role_and_a_worker_account(chart: Chart) -> None:
    objects = chart.render(watchNamespaces=["lab", "team-a"])
    for kind in ("Role", "RoleBinding"):
        assert [item["metadata"]["namespace"] for item in of_kind(objects, kind)] == ["lab", "team-a"]
    accounts = {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in of_kind(objects, "ServiceAccount")}
    worker, operator = "radio-spectrogram-operator-worker", "radio-spectrogram-operator"
    assert accounts == {("system", operator), ("lab", worker), ("team-a", worker)}
    assert environment(objects)["SPECTROGRAM_NAMESPACES"] == "lab,team-a"
    assert environment(objects)["SPECTROGRAM_WORKER_SERVICE_ACCOUNT"] == worker


def test_scope_cluster_binds_one_cluster_role_and_makes_no_worker_accounts(chart: Chart) -> None:
    objects = chart.render(scope="Cluster", rbac={"userRoles": False})
    assert rules(the(objects, "ClusterRole")) == OPERATOR_RULES | {(LEASES, "leases", LEASE): {"list"}}
    assert the(objects, "ClusterRoleBinding")["roleRef"]["kind"] == "ClusterRole"
    assert len(of_kind(objects, "ServiceAccount")) == 1
    assert environment(objects)["SPECTROGRAM_NAMESPACES"] == ""
    assert environment(objects)["SPECTROGRAM_WORKER_SERVICE_ACCOUNT"] == "default"


def test_scope_cluster_has_the_lease_of_all_namespaces_and_no_other(chart: Chart) -> None:
    objects = chart.render(scope="Cluster", rbac={"userRoles": False})
    role, binding = the(objects, "Role"), the(objects, "RoleBinding")
    namespace, name = LEASE_OF_ALL
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == namespace
    assert rules(role) == {(LEASES, "leases", ""): {"create"}, (LEASES, "leases", name): {"get", "update"}}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == the(objects, "ClusterRoleBinding")["subjects"]


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("radio", {}, "radio-spectrogram-operator"),
        ("spectrogram", {}, "spectrogram-operator"),
        ("spectrogram-operator", {}, "spectrogram-operator"),
        ("spectrogram-operator-2", {}, "spectrogram-operator-2"),
        ("spec", {}, "spec-spectrogram-operator"),
        ("radio", {"nameOverride": "radio-jobs"}, "radio-jobs"),
        ("radio", {"fullnameOverride": "jobs"}, "jobs"),
    ],
)
def test_names_do_not_repeat_a_word(release: str, values: dict[str, Any], name: str) -> None:
    assert the(render(values, release=release), "Deployment")["metadata"]["name"] == name


def test_a_new_operator_is_ready_before_the_old_one_goes(chart: Chart) -> None:
    """So a value that no check has found stops nothing; and the pod's status says what is wrong with it."""
    deployment = the(chart.render(), "Deployment")["spec"]
    assert deployment["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_nobody_may_read_secrets_exec_or_use_wildcards(chart: Chart, scope: str) -> None:
    objects = chart.render(scope=scope) + render({"scope": scope}, hooks=True)
    roles = of_kind(objects, "Role") + of_kind(objects, "ClusterRole")
    cleaning = ("pods/proxy", {"get"})  # of the people who clean up: what a worker says of itself
    granted = [item for role in roles for item in rules(role).items() if (item[0][1], item[1]) != cleaning]
    for (_, resource, _), verbs in granted:
        assert not resource.startswith(("secrets", "pods/", "*")), resource
        assert not verbs & {"*", "escalate", "bind", "impersonate"}


def test_only_the_operator_has_a_token(chart: Chart) -> None:
    objects = chart.render()
    assert [account["automountServiceAccountToken"] for account in of_kind(objects, "ServiceAccount")] == [False, False]
    assert the(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    (worker,) = (a for a in of_kind(objects, "ServiceAccount") if a["metadata"]["name"].endswith("-worker"))
    bound = {subject["name"] for binding in of_kind(objects, "RoleBinding") for subject in binding["subjects"]}
    assert worker["metadata"]["name"] not in bound


def test_users_roles_are_added_to_those_of_the_cluster(chart: Chart) -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-"
    roles = {
        name.removeprefix(label): rules(role)
        for role in of_kind(chart.render(), "ClusterRole")
        for name in role["metadata"]["labels"]
        if name.startswith(label)
    }
    jobs, status = (("spectrogram.dev", f"spectrogramjobs{part}", "") for part in ("", "/status"))
    assert roles == {
        "view": {jobs: {"get", "list", "watch"}, status: {"get"}},
        "edit": {jobs: {"create", "delete", "deletecollection", "patch", "update"}},
        "admin": {
            jobs: {"get", "list"},
            status: {"patch", "update"},
            ("", "pods", ""): {"get", "delete"},
            ("", "pods/proxy", ""): {"get"},
        },
    }


def test_what_a_pod_that_reads_must_know_is_published_where_jobs_are(chart: Chart) -> None:
    image = {"registry": "registry.example.org", "tag": "1.2"}
    account = {"name": "readers", "imagePullSecrets": [{"name": "one"}]}
    worker = {"image": image, "serviceAccount": account}
    objects = render(
        {"watchNamespaces": ["radio", "survey"], "worker": worker, "global": {"imagePullSecrets": ["two"]}}
    )
    published = [one for one in of_kind(objects, "ConfigMap") if one["metadata"]["labels"].get(LABEL_PUBLISHES)]
    assert [one["metadata"]["namespace"] for one in published] == ["radio", "survey"]
    assert {read_published(one["data"]) for one in published} == {
        WorkerPods(
            image="registry.example.org/spectrogram-worker:1.2",
            pull_secrets=("one", "two"),
            service_account="readers",
        )
    }
    (alone,) = (one for one in of_kind(chart.render(scope="Cluster"), "ConfigMap"))
    assert alone["metadata"]["namespace"] == PLACE_OF_ALL
    assert alone["metadata"]["labels"][LABEL_PUBLISHES] == "worker-of-all"


def test_the_operator_runs_restricted(chart: Chart) -> None:
    pod = the(chart.render(), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [set(volume) for volume in pod["volumes"]] == [{"name", "emptyDir"}]
    assert container["resources"]["limits"]["memory"]
    # Variables of Services would be taken for settings.
    assert pod["enableServiceLinks"] is False


def test_an_operator_s_ports_are_probed_and_served(chart: Chart) -> None:
    objects = chart.render(ports={"health": 8081, "metrics": 9091})
    deployment, service = the(objects, "Deployment"), the(objects, "Service")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8081, "metrics": 9091}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "health"}
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 9091, "targetPort": "metrics"}]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    settings = read_settings(environment(objects))
    assert (settings.health_port, settings.metrics_port) == (8081, 9091)


def test_the_default_values_give_the_operator_s_defaults(chart: Chart) -> None:
    settings = read_settings(environment(chart.render()))
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    account = "radio-spectrogram-operator-worker"
    assert settings.policy == Policy(worker_image=f"spectrogram-worker:{version}", service_account=account)
    assert settings.namespaces == ("system",)


# One value other than the default for each entry of `settings`; numbers so large that Go would write 3.1536e+07.
SET = {
    "kueue": True,
    "logLevel": "debug",
    "defaultMemory": 2**31,
    "memoryCorrection": True,
    "softTimeLimit": 20_000_000,
    "hardTimeLimit": 31_536_000,
    "memorySafeguardThreshold": 92.5,
    "terminationGrace": 3600,
    "leaseDuration": 3600,
    "infrastructureRetries": 0,
    "backoff": 0,
}


def schema_of_settings() -> dict[str, Any]:
    schema = json.loads((CHART / "values.schema.json").read_text())
    properties: dict[str, Any] = schema["properties"]["settings"]["properties"]
    return properties


def test_every_setting_can_be_set_by_values_and_every_variable_is_a_setting(chart: Chart) -> None:
    values = {name: SET.get(name, 1_234_567) for name in schema_of_settings()}
    worker = {"runAsUser": 1_000_650_000, "fsGroup": 1_000_650_001, "scratchSize": 2**31}
    variables = environment(chart.render(settings=values, worker=worker))
    assert set(variables) == {setting.name for setting in SETTINGS}
    settings = read_settings(variables)
    policy = settings.policy
    assert (policy.soft_seconds, policy.hard_seconds, policy.safeguard_percent) == (20_000_000, 31_536_000, 92.5)
    assert (policy.run_as_user, policy.fs_group, policy.scratch_bytes) == (1_000_650_000, 1_000_650_001, 2**31)
    assert (policy.infrastructure_retries, policy.backoff_seconds, policy.stale_seconds) == (0, 0, 1_234_567)
    assert policy.pools["default"].memory_bytes == 2**31
    assert (settings.log_level, settings.lease_seconds, policy.kueue) == ("debug", 3600, True)


def test_the_defaults_in_the_comments_are_the_operator_s() -> None:
    commented = dict(re.findall(r"^  # (\w+): (\S+) +#", (CHART / "values.yaml").read_text(), re.MULTILINE))
    assert set(commented) == set(schema_of_settings())
    environ = {"SPECTROGRAM_" + re.sub(r"([A-Z])", r"_\1", name).upper(): text for name, text in commented.items()}
    assert environ.keys() <= {setting.name for setting in SETTINGS}
    written, default = (dataclasses.replace(read_settings(variables), rows=()) for variables in (environ, {}))
    assert written == default


def test_the_replaced_system_s_names_reach_the_operator(chart: Chart) -> None:
    environ = environment(
        chart.render(
            extraEnv=[
                {"name": "CELERY_TASK_TIME_LIMIT", "value": "1200"},
                {"name": "CELERY_WORKER_MAX_MEMORY_PER_CHILD", "value": "2147483648"},
            ]
        )
    )
    policy = read_settings(environ).policy
    assert (policy.hard_seconds, policy.pools["default"].memory_bytes) == (1200, 2**31)


def test_pools_reach_the_operator(chart: Chart) -> None:
    toleration = {"key": "spectrogram.dev/pool", "operator": "Equal", "value": "large", "effect": "NoSchedule"}
    large = {"nodeSelector": {"spectrogram.dev/pool": "large"}, "tolerations": [toleration], "maxConcurrent": 0}
    pools = read_settings(environment(chart.render(pools={"large": large, "default": {"memory": "2Gi"}}))).policy.pools
    assert pools["large_jobs"].node_selector == {"spectrogram.dev/pool": "large"}
    assert pools["large_jobs"].tolerations == (toleration,)
    assert pools["large_jobs"].max_concurrent == 0
    assert pools["default"].memory_bytes == 2 * 2**30


def test_memory_auto_reaches_the_operator(chart: Chart) -> None:
    rendered = chart.render(pools={"large": {"memory": "auto"}}, settings={"defaultMemory": "auto"})
    pools = read_settings(environment(rendered)).policy.pools
    assert (pools["default"].auto_memory, pools["large_jobs"].auto_memory) == (True, True)


STORES: dict[str, dict[str, str | None]] = {
    "shelf": {"claimName": "tape"},
    "archive": {
        "bucket": "recordings",
        "endpoint": "https://s3.example.org:9000",
        "prefix": "survey/2026",
        "region": "eu-central-1",
        "credentialsSecret": "archive-keys",
        "serviceAccount": "archive-reader",
    },
    "own": {"bucket": "radio", "endpoint": None},
}


def test_stores_and_allowed_hosts_reach_the_operator(chart: Chart) -> None:
    hosts = ["data.example.org", "*.sdr.example:8443"]
    environ = environment(chart.render(stores=STORES, allowedUrlHosts=hosts))
    policy = read_settings(environ).policy
    written = {name: {key: value for key, value in store.items() if value} for name, store in STORES.items()}
    assert policy == read_settings(environ | {"SPECTROGRAM_STORES": json.dumps(written)}).policy
    assert set(policy.stores) == set(STORES)
    assert policy.stores["archive"].credentials_secret == "archive-keys"
    assert policy.allowed_url_hosts == tuple(hosts)


def test_the_example_of_the_values_comments_is_a_right_one(chart: Chart) -> None:
    text = (CHART / "values.yaml").read_text()
    lines = text.partition("#   stores:\n")[2].partition("\nstores: {}")[0]
    example = yaml.safe_load("stores:\n" + "\n".join(line.removeprefix("#   ") for line in lines.splitlines()))
    policy = read_settings(environment(chart.render(**example))).policy
    assert (policy.stores["results"].claim_name, policy.stores["archive"].credentials_secret) == (
        "team-results",
        "archive-keys",
    )


def test_images_by_registry_tag_and_digest(chart: Chart) -> None:
    digest = "sha256:" + "0" * 64
    image = {"registry": "registry.example.org", "repository": "radio/operator", "tag": "9", "digest": digest}
    worker = {"image": {"registry": "localhost", "tag": "test", "pullPolicy": "Never"}}
    objects = chart.render(image=image, worker=worker)
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.org/radio/operator:9@{digest}"
    policy = read_settings(environment(objects)).policy
    assert (policy.worker_image, policy.image_pull_policy) == ("localhost/spectrogram-worker:test", "Never")


def test_the_schema_is_closed_and_of_the_draft_that_helm_3_reads() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    named = {"$ref": "#/definitions/store"}

    def check(name: str, node: Any) -> None:
        if isinstance(node, dict):
            # Other charts' globals are none of this one's business.
            if "object" in node.get("type", ()) and name not in ("global", "asInAPod", "anyObject"):
                assert node.get("additionalProperties") in (False, {"type": "string"}, named), name
            for key, value in node.items():
                check(key, value)

    check("", schema)


def test_every_object_has_the_release_s_and_the_common_labels(chart: Chart) -> None:
    objects = chart.render(commonLabels={"team": "radio"}, crds={"install": False})
    for item in objects:
        labels = item["metadata"]["labels"]
        assert (labels["app.kubernetes.io/instance"], labels["team"]) == ("radio", "radio")


def test_the_notes_tell_where_to_put_the_first_job(chart: Chart) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", watchNamespaces=["lab", "b"])
    notes = done.stdout.partition("NOTES:")[2]
    assert "runs the SpectrogramJobs of lab, b." in notes
    assert "kubectl --namespace lab apply" in notes
    assert "store" not in notes


KUBECTL = """#!/bin/bash
printf '%s\\n' "$*" >> "$0.calls"
case "$*" in *"--filename -"*) cat > "$0.input";; esac
"""


def test_the_notes_can_be_copied_as_printed(chart: Chart, tmp_path: Path) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", watchNamespaces=["lab"])
    notes = done.stdout.partition("NOTES:")[2]
    commands, here_document = [], False
    for line in notes.splitlines():
        if here_document or line.startswith(("kubectl ", "helm --")):
            commands.append(line)
            here_document = line.endswith("<<END") or (here_document and line != "END")
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text(KUBECTL)
        (tmp_path / name).chmod(0o755)
    shell = subprocess.run(
        ["bash", "-eu"],
        input="\n".join(commands),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stderr == ""
    job = yaml.safe_load((tmp_path / "kubectl.input").read_text())
    assert SpectrogramJobSpec.model_validate(job["spec"]).output.claim_name == "results"
    calls = (tmp_path / "kubectl.calls").read_text().splitlines()
    assert [call.split()[2] for call in calls] == ["rollout", "apply", "get", "exec"]
    assert (tmp_path / "helm.calls").read_text() == "--namespace system test radio\n"


def test_the_notes_name_the_stores(chart: Chart) -> None:
    done = chart.helm("install", "radio", "--namespace", "system", "--dry-run=client", stores=STORES)
    assert (
        "Jobs may also name a store, in input.store and output.store: archive, own, shelf.\n\nSettings" in done.stdout
    )
