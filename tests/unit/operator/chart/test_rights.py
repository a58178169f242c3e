"""Who may what: the least that each needs."""

import re

import pytest

from spectrogram_operator.api.names import LEASE, LEASE_OF_ALL
from spectrogram_operator.control.reconciling.corrections import CONFIG_MAP
from spectrogram_operator.settings import read_settings
from unit.operator.chart.rendering import ROOT, Chart, Object, environment, of_kind, render, the

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
