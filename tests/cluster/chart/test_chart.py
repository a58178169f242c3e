"""What the chart renders, judged by a real API server."""

import json
from pathlib import Path

import pytest
import yaml

from cluster.workspace import CHART
from harness.kubernetes.client import Client

# The cluster of the tests has no Prometheus Operator.
FOREIGN = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
OF_THE_CLUSTER = ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")


@pytest.mark.parametrize("file", sorted((CHART / "ci").iterdir()), ids=lambda file: file.stem)
def test_the_api_server_takes_what_the_values_of_ci_give(namespace: Client, file: Path) -> None:
    """Every field is known to it, and right: what it would refuse, it refuses in a dry run too."""
    options = ["--api-versions=monitoring.coreos.com/v1", "--values", str(file)]
    text = namespace.helm("template", "radio", str(CHART), *options)
    objects = [one for one in yaml.load_all(text, yaml.CSafeLoader) if one and one["kind"] not in FOREIGN]
    for one in objects:
        if one["kind"] not in OF_THE_CLUSTER:
            one["metadata"]["namespace"] = namespace.namespace
    # A pod is refused whose account is not there, in a dry run too.
    namespace.apply(*(one for one in objects if one["kind"] == "ServiceAccount"))
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    done = namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", input=content)
    assert len(done.splitlines()) == len(objects)
