"""What the best charts have (a table of 32 rows), and what none of them has: each row with the test that shows it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.pages.chart_readme import readme, rows
from spectrogram_operator.api.names import LEASE
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings import read_settings
from unit.operator.chart.rendering import (
    CHART,
    ROOT,
    Object,
    environment,
    of_kind,
    operator_pod,
    refusal,
    render,
    run_helm,
    the,
)

SHOWN_BY = {
    1: "test_a_wrong_value_is_refused_in_words_that_name_it",
    2: "test_scope_cluster_binds_one_cluster_role_and_makes_no_worker_accounts",
    3: "test_watched_namespaces_each_get_a_role_and_a_worker_account",
    4: "test_users_roles_are_added_to_those_of_the_cluster",
    5: "test_the_crd_is_rendered_as_it_is",
    6: "test_the_chart_s_copy_of_the_crd_is_the_crd",
    7: "test_row_7_service_monitor",
    8: "test_row_8_pod_monitor_of_the_workers",
    9: "test_row_9_rules_are_those_of_the_file",
    10: "test_row_10_dashboard_that_the_sidecar_finds",
    11: "test_row_11_network_policy_of_the_operator",
    12: "test_row_12_pod_disruption_budget",
    13: "test_row_13_replicas_of_which_one_acts",
    14: "test_row_14_priority_class",
    15: "test_the_operator_runs_restricted",
    16: "test_an_operator_s_ports_are_probed_and_served",
    17: "test_row_17_environment_from_elsewhere",
    18: "test_row_18_volumes",
    19: "test_row_19_arguments_and_sidecars",
    20: "test_row_20_more_objects",
    21: "test_images_by_registry_tag_and_digest",
    22: "test_row_22_global_registry_and_pull_secrets",
    23: "test_row_23_where_the_operator_runs",
    24: "test_every_object_has_the_release_s_and_the_common_labels",
    25: "test_row_25_helm_test_runs_a_job_from_end_to_end",
    26: "test_row_26_readme_is_made_of_the_values",
    27: "test_row_27_values_of_ci_are_linted_and_rendered",
    28: "test_every_row_has_its_test",
    29: "test_the_chart_s_copy_of_the_crd_is_the_crd",
    30: "test_row_30_what_a_registry_of_charts_shows",
    31: "test_an_old_kubernetes_is_refused",
    32: "test_the_notes_tell_where_to_put_the_first_job",
}
BEYOND = {
    "default alerts": "test_row_9_rules_are_those_of_the_file",
    "helm test from end to end": "test_row_25_helm_test_runs_a_job_from_end_to_end",
    "dashboard": "test_row_10_dashboard_that_the_sidecar_finds",
    "network policy of workers": "test_row_11_network_policy_of_the_workers",
}

MONITORING = "--api-versions=monitoring.coreos.com/v1"
SELECTOR = {"app.kubernetes.io/name": "spectrogram-operator", "app.kubernetes.io/instance": "radio"}
WORKERS = {"app.kubernetes.io/name": "spectrogram-worker", "app.kubernetes.io/managed-by": "spectrogram-operator"}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def test_every_row_has_its_test() -> None:
    tests = (*Path(__file__).parents[1].rglob("test_*.py"), *(ROOT / "tests/node").glob("test_*.py"))
    sources = "".join(path.read_text() for path in tests)
    assert set(SHOWN_BY) == set(range(1, 33))
    assert [name for name in (*SHOWN_BY.values(), *BEYOND.values()) if f"def {name}(" not in sources] == []


def test_row_7_service_monitor() -> None:
    objects = render({"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}, MONITORING)
    monitor, service = the(objects, "ServiceMonitor"), the(objects, "Service")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["system"]}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": service["spec"]["ports"][0]["name"], "interval": "30s", "honorLabels": True}


@pytest.mark.parametrize(
    ("where", "selected"),
    [
        ({}, {"matchNames": ["system"]}),
        ({"watchNamespaces": ["lab", "b"]}, {"matchNames": ["lab", "b"]}),
        ({"scope": "Cluster"}, {"any": True}),
    ],
)
def test_row_8_pod_monitor_of_the_workers(where: dict[str, Any], selected: dict[str, Any]) -> None:
    monitor = the(render({"podMonitor": {"enabled": True}, **where}, MONITORING), "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == selected
    assert monitor["spec"]["selector"]["matchLabels"] == WORKERS
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["progress"]


def test_workers_have_the_labels_by_which_they_are_found() -> None:
    pod = json.loads((ROOT / "tests/pods/running.json").read_text())
    pod = pod.get("pod", pod)
    assert WORKERS.items() <= pod["metadata"]["labels"].items()
    assert [port["name"] for port in pod["spec"]["containers"][0]["ports"]] == ["progress"]


def test_row_9_rules_are_those_of_the_file() -> None:
    rule = the(render({"prometheusRule": {"enabled": True, "labels": {"a": "b"}}}, MONITORING), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "files/rules.yaml").read_text())
    assert rule["metadata"]["labels"]["a"] == "b"
    for alert in (alert for group in rule["spec"]["groups"] for alert in group["rules"]):
        assert alert["alert"].startswith("Spectrogram")
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert alert["annotations"].keys() >= {"summary", "description"}


@pytest.mark.parametrize("name", ["serviceMonitor", "podMonitor", "prometheusRule"])
def test_monitors_and_rules_need_their_definitions(name: str) -> None:
    words = refusal({name: {"enabled": True}})
    assert f"{name}.enabled: the cluster does not know monitoring.coreos.com/v1: install" in words
    assert not {"ServiceMonitor", "PodMonitor", "PrometheusRule"} & {item["kind"] for item in render({}, MONITORING)}


def test_row_10_dashboard_that_the_sidecar_finds() -> None:
    objects = render({"dashboard": {"enabled": True, "namespace": "monitoring"}})
    (found,) = (one for one in of_kind(objects, "ConfigMap") if "spectrogram.json" in one["data"])
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "monitoring"
    dashboard = json.loads(found["data"]["spectrogram.json"])
    assert dashboard == json.loads((CHART / "files/dashboard.json").read_text())
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in dashboard["panels"])


def policies(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(p["metadata"]["namespace"], p["metadata"]["name"]): p["spec"] for p in of_kind(objects, "NetworkPolicy")}


def test_row_11_network_policy_of_the_operator() -> None:
    found = policies(render({"networkPolicy": {"enabled": True, "scrapers": [PROMETHEUS]}}))
    policy = found["system", "radio-spectrogram-operator"]
    assert (policy["podSelector"], policy["policyTypes"]) == ({"matchLabels": SELECTOR}, ["Ingress"])
    assert policy["ingress"] == [{"ports": [{"port": 8080}]}, {"ports": [{"port": 9090}], "from": [PROMETHEUS]}]
    alone = policies(render({"networkPolicy": {"enabled": True}}))["system", "radio-spectrogram-operator"]
    assert alone["ingress"] == [{"ports": [{"port": 8080}]}]


@pytest.mark.parametrize(
    ("where", "namespaces"),
    [
        ({}, ["system"]),
        ({"watchNamespaces": ["lab", "b"]}, ["lab", "b"]),
        ({"scope": "Cluster"}, []),
    ],
)
def test_row_11_network_policy_of_the_workers(where: dict[str, Any], namespaces: list[str]) -> None:
    name = "radio-spectrogram-operator-workers"
    found = policies(render({"networkPolicy": {"enabled": True, "scrapers": [PROMETHEUS]}, **where}))
    assert [namespace for namespace, its_name in found if its_name == name] == namespaces
    for namespace in namespaces:
        policy = found[namespace, name]
        assert policy["podSelector"] == {"matchLabels": WORKERS}
        system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "system"}}}
        operator = system | {"podSelector": {"matchLabels": SELECTOR}}
        assert policy["ingress"] == [{"ports": [{"port": "progress"}], "from": [operator, PROMETHEUS]}]


def test_workers_of_chosen_namespaces_are_shielded_with_scope_cluster() -> None:
    found = policies(render({"scope": "Cluster", "networkPolicy": {"enabled": True, "workerNamespaces": ["a", "b"]}}))
    assert {namespace for namespace, name in found if name.endswith("-workers")} == {"a", "b"}


@pytest.mark.parametrize("most", [1, "50%"])
def test_row_12_pod_disruption_budget(most: Any) -> None:
    budget = the(render({"podDisruptionBudget": {"maxUnavailable": most}}), "PodDisruptionBudget")
    assert budget["spec"] == {"maxUnavailable": most, "selector": {"matchLabels": SELECTOR}}
    assert not of_kind(render({"podDisruptionBudget": {"enabled": False}}), "PodDisruptionBudget")


def test_row_13_replicas_of_which_one_acts() -> None:
    """Two that go to different nodes where they can; one more starts before an old one goes."""
    objects = render({})
    deployment = the(objects, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["labelSelector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    leases = [rule for rule in the(objects, "Role")["rules"] if rule["resources"] == ["leases"]]
    assert [rule.get("resourceNames") for rule in leases] == [None, [LEASE]]
    own = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    chosen = the(render({"replicas": 1, "topologySpreadConstraints": own}), "Deployment")["spec"]
    assert (chosen["replicas"], chosen["template"]["spec"]["topologySpreadConstraints"]) == (1, own)


def test_row_14_priority_class() -> None:
    assert operator_pod(render({"priorityClassName": "high"}))["priorityClassName"] == "high"
    assert "priorityClassName" not in operator_pod(render({}))


def test_row_17_environment_from_elsewhere() -> None:
    sources = [{"configMapRef": {"name": "radio", "optional": True}}, {"secretRef": {"name": "keys"}, "prefix": "S3_"}]
    entry = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
    (container,) = operator_pod(render({"envFrom": sources, "extraEnv": [entry]}))["containers"]
    assert container["envFrom"] == sources
    assert entry in container["env"]


def test_row_18_volumes() -> None:
    volume = {"name": "authority", "configMap": {"name": "authority"}}
    mount = {"name": "authority", "mountPath": "/etc/authority", "readOnly": True}
    pod = operator_pod(render({"extraVolumes": [volume], "extraVolumeMounts": [mount]}))
    assert [one["name"] for one in pod["volumes"]] == ["tmp", "authority"]
    assert volume in pod["volumes"]
    assert mount in pod["containers"][0]["volumeMounts"]


def test_row_19_arguments_and_sidecars() -> None:
    shipper = {"name": "log-shipper", "image": "shipper:1", "securityContext": {"readOnlyRootFilesystem": False}}
    pod = operator_pod(render({"extraArgs": ["--more"], "sidecars": [shipper]}))
    operator, sidecar = pod["containers"]
    assert operator["args"] == ["--more"]
    assert sidecar["image"] == "shipper:1"
    # Pod Security `restricted` would refuse the whole pod for one container.
    strict = {**operator["securityContext"], "readOnlyRootFilesystem": False}
    assert sidecar["securityContext"] == strict


def test_row_20_more_objects() -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-one"}}
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-other}"
    names = {item["metadata"]["name"] for item in of_kind(render({"extraObjects": [one, other]}), "ConfigMap")}
    assert {"radio-one", "radio-other"} <= names


def test_row_22_global_registry_and_pull_secrets() -> None:
    shared = {"imageRegistry": "mirror.example.org:5000", "imagePullSecrets": ["mirror", {"name": "registry"}]}
    own = {"registry": "own.example.org"}
    objects = render({"global": shared, "image": own, "imagePullSecrets": [{"name": "registry"}]})
    pod = operator_pod(objects)
    assert pod["containers"][0]["image"].startswith("own.example.org/spectrogram-operator:")
    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    policy = read_settings(environment(objects)).policy
    assert policy.worker_image.startswith("mirror.example.org:5000/spectrogram-worker:")
    assert policy.image_pull_secrets == ("mirror", "registry")
    assert "imagePullSecrets" not in operator_pod(render({}))


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_workers_pull_secrets_reach_every_pod(scope: str) -> None:
    account = {"imagePullSecrets": [{"name": "registry"}]}
    policy = read_settings(environment(render({"scope": scope, "worker": {"serviceAccount": account}}))).policy
    assert policy.image_pull_secrets == ("registry",)


def test_row_23_where_the_operator_runs() -> None:
    values = {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway"}],
    }
    pod = operator_pod(render(values))
    assert {name: pod[name] for name in values} == values


def test_where_the_pods_of_a_pool_run() -> None:
    pool = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}],
        "runtimeClassName": "gvisor",
        "podAnnotations": {"example.org/note": "a $(note) of $5"},
    }
    policy = read_settings(environment(render({"pools": {"large": pool}}))).policy
    found = policy.pools["large_jobs"]
    assert (found.affinity, found.topology_spread_constraints) == (
        pool["affinity"],
        tuple(pool["topologySpreadConstraints"]),
    )
    assert (found.runtime_class_name, found.pod_annotations) == ("gvisor", pool["podAnnotations"])
    assert policy.pools["default"] == Policy().pools["default"]


@pytest.mark.parametrize(
    ("values", "claim"),
    [
        ({}, "radio-spectrogram-operator-test"),
        ({"test": {"claimName": "scratch"}, "watchNamespaces": ["lab"]}, "scratch"),
    ],
)
def test_row_25_parts_of_the_test(values: dict[str, Any], claim: str) -> None:
    """The real thing is in the node tier."""
    objects = render(values, hooks=True)
    pods = of_kind(objects, "Pod")
    weights = [pod["metadata"]["annotations"]["helm.sh/hook-weight"] for pod in pods]
    assert sorted(weights) == ["1", "2", "3"]
    jobs = (values.get("watchNamespaces") or ["system"])[0]
    assert [pod["metadata"]["namespace"] for pod in pods] == [jobs, "system", jobs]
    assert bool(of_kind(objects, "PersistentVolumeClaim")) is (claim != "scratch")
    service = the(render(values), "Service")["spec"]["selector"]
    for pod in pods:
        assert not service.items() <= pod["metadata"]["labels"].items(), "the operator's Service takes it for its own"
        (container,) = pod["spec"]["containers"]
        compile(container["args"][0], pod["metadata"]["name"], "exec")
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["spec"]["automountServiceAccountToken"] is pod["metadata"]["name"].endswith("-job")
        for volume in pod["spec"].get("volumes", []):
            assert volume["persistentVolumeClaim"] == {"claimName": claim}
    role = the(objects, "Role")
    assert role["metadata"]["namespace"] == jobs
    assert role["rules"] == [
        {"apiGroups": ["spectrogram.dev"], "resources": ["spectrogramjobs"], "verbs": ["get", "create", "delete"]}
    ]


def test_row_26_readme_is_made_of_the_values() -> None:
    assert (CHART / "README.md").read_text() == readme(), "make chart"
    assert [row.name for row in rows() if not row.meaning] == []


@pytest.mark.parametrize("file", sorted((CHART / "ci").iterdir()), ids=lambda file: file.stem)
def test_row_27_values_of_ci_are_linted_and_rendered(file: Path) -> None:
    assert file.name.endswith("-values.yaml")
    values = yaml.safe_load(file.read_text())
    done = run_helm("lint", "--strict", values=values)
    assert done.returncode == 0, done.stdout
    objects = render(values, MONITORING)
    read_settings(environment(objects))
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))


def test_row_27_every_value_is_in_a_file_of_ci() -> None:
    used = {name for file in (CHART / "ci").iterdir() for name in yaml.safe_load(file.read_text())}
    plain = {"serviceAccount", "rbac", "ports", "nameOverride", "fullnameOverride", "extraArgs", "replicas"}
    assert used | plain == set(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_row_30_what_a_registry_of_charts_shows() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart.keys() >= {"home", "sources", "icon", "maintainers", "keywords", "kubeVersion"}
    notes = {name.removeprefix("artifacthub.io/"): text for name, text in chart["annotations"].items()}
    assert notes.keys() >= {"license", "changes", "images", "crds", "crdsExamples", "operator"}
    pod = operator_pod(render({}))
    images = {image["name"]: image["image"] for image in yaml.safe_load(notes["images"])}
    worker = environment(render({}))["SPECTROGRAM_WORKER_IMAGE"]
    assert images == {"operator": pod["containers"][0]["image"], "worker": worker}
    (crd,) = yaml.safe_load(notes["crds"])
    definition = yaml.safe_load((ROOT / "crds/spectrogramjobs.yaml").read_text())
    assert (crd["name"], crd["kind"]) == (definition["metadata"]["name"], definition["spec"]["names"]["kind"])
    assert crd["version"] in [version["name"] for version in definition["spec"]["versions"]]


def test_a_network_that_shuts_prometheus_out_is_refused() -> None:
    words = refusal({"networkPolicy": {"enabled": True}, "podMonitor": {"enabled": True}}, MONITORING)
    assert "networkPolicy would keep Prometheus from what podMonitor.enabled lets it scrape" in words
