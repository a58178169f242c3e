"""What the chart makes besides: names, labels, ports, images, the operator's pod, and what others read."""

from typing import Any

import pytest

from spectrogram_operator.api.names import LABEL_PUBLISHES, PLACE_OF_ALL
from spectrogram_operator.cli.view.reader import WorkerPods, read_published
from spectrogram_operator.settings import read_settings
from unit.operator.chart.rendering import Chart, environment, of_kind, render, the


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


def test_images_by_registry_tag_and_digest(chart: Chart) -> None:
    digest = "sha256:" + "0" * 64
    image = {"registry": "registry.example.org", "repository": "radio/operator", "tag": "9", "digest": digest}
    worker = {"image": {"registry": "localhost", "tag": "test", "pullPolicy": "Never"}}
    objects = chart.render(image=image, worker=worker)
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.org/radio/operator:9@{digest}"
    policy = read_settings(environment(objects)).policy
    assert (policy.worker_image, policy.image_pull_policy) == ("localhost/spectrogram-worker:test", "Never")


def test_every_object_has_the_release_s_and_the_common_labels(chart: Chart) -> None:
    objects = chart.render(commonLabels={"team": "radio"}, crds={"install": False})
    for item in objects:
        labels = item["metadata"]["labels"]
        assert (labels["app.kubernetes.io/instance"], labels["team"]) == ("radio", "radio")
