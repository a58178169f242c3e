"""The life of a release while jobs run: installed from the chart as it once was, upgraded, rolled back, uninstalled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.actors.operator_process import Operator
from cluster.conftest import CRD, OWN_CONTROL_PLANE, conditions
from cluster.workspace import CHART, Workspace, pools
from harness.kubernetes.client import Client, CommandError
from harness.programs import binaries
from harness.waiting import wait_until
from pods.statuses import succeeded

OLD_CHART = Path(__file__).parent / "fixtures" / "chart-dadc9d5.tgz"
"""The chart of commit dadc9d5: another definition, other names, other rights, Recreate."""
DEFINITION = "crd/spectrogramjobs.spectrogram.dev"
OLD_NAME, NEW_NAME = "spectrogram-spectrogram-operator", "spectrogram-operator"
HELM = {"helm 4": lambda: binaries.tools() / "helm", "helm 3": binaries.helm_3}


class Release:
    """One release in the workspace's namespace, and the operator of its Deployment, as a process of this machine."""

    def __init__(self, workspace: Workspace, helm: Path) -> None:
        self.workspace = workspace
        self.client = workspace.client
        self._helm = helm
        self.operators: list[Operator] = []

    def helm(self, *arguments: str) -> str:
        return self.client.helm(*arguments, program=self._helm)

    def operator(self, name: str) -> Operator:
        """With the Deployment's environment, and the rights of its account."""
        spec = self.client.kubectl_json("get", "deployment", name)["spec"]["template"]["spec"]
        environment = {entry["name"]: entry.get("value", "") for entry in spec["containers"][0]["env"]}
        of_its_own = {"SPECTROGRAM_POOLS": pools()}
        ports = ("SPECTROGRAM_HEALTH_PORT", "SPECTROGRAM_METRICS_PORT")
        settings = {key: value for key, value in environment.items() if key not in ports} | of_its_own
        log = self.workspace.folder / f"{name}-{len(self.operators)}.log"
        kubeconfig = self.workspace.kubeconfig_of(spec["serviceAccountName"])
        operator = Operator(kubeconfig, [self.workspace.namespace], log, settings)
        self.operators.append(operator)
        return operator.start()

    def allow_leases(self) -> None:
        """The operator of the old chart knew none; the present one, which stands in for it, cannot do without."""
        accounts = f"system:serviceaccounts:{self.workspace.namespace}"
        self.client.kubectl("create", "role", "leases", "--verb=create,get,update", "--resource=leases")
        self.client.kubectl("create", "rolebinding", "leases", "--role=leases", f"--group={accounts}")

    def end(self, operator: Operator) -> None:
        """Looked at before it is ended, as in Workspace.check_operators."""
        assert operator.complaints() == []
        assert operator.stop() == 0

    def names(self) -> set[str]:
        """Names of what the release has in its namespace."""
        kinds = "deployments,services,serviceaccounts,roles,rolebindings"
        found = self.client.kubectl("get", kinds, "--selector=app.kubernetes.io/managed-by=Helm", "--output=name")
        return {name.partition("/")[2] for name in found.split()}

    def definition_is_of(self, chart: str) -> bool:
        """Whether the API server has the definition of the old or of the new chart, which knows more fields."""
        text = self.client.kubectl("get", DEFINITION, "--output=yaml")
        return ("samplesAtFullScale" in text) is (chart == "new")


@pytest.fixture(params=sorted(HELM))
def release(request: pytest.FixtureRequest, own_workspace: Workspace) -> Iterator[Release]:
    """On a cluster that does not know SpectrogramJobs; afterwards it does again, for the tests that follow."""
    client = own_workspace.client
    client.kubectl("delete", DEFINITION)
    release = Release(own_workspace, HELM[request.param]())
    release.allow_leases()
    yield release
    for operator in release.operators:
        operator.kill()
        print(f"--- {operator.log.name}\n{operator.tail()}")
    client.kubectl("delete", DEFINITION, "--ignore-not-found")
    client.kubectl("apply", "--filename", str(CRD))
    wait_until(lambda: "Established" in conditions(client), what="the definition to be served again")


@OWN_CONTROL_PLANE
def test_jobs_go_on_while_a_release_is_upgraded_rolled_back_and_uninstalled(release: Release) -> None:
    workspace = release.workspace

    release.helm("install", "spectrogram", str(OLD_CHART))
    assert release.definition_is_of("old")
    assert {OLD_NAME, f"{OLD_NAME}-worker"} <= release.names()
    old = release.operator(OLD_NAME)
    workspace.submit("before")
    workspace.submit("queued", suspend=True)
    before = workspace.start("before")
    release.end(old)

    release.helm("upgrade", "spectrogram", str(CHART))
    assert release.definition_is_of("new")
    assert release.names() == {NEW_NAME, f"{NEW_NAME}-metrics", f"{NEW_NAME}-worker"}, "nothing of the old names stays"
    new = release.operator(NEW_NAME)
    assert [pod["metadata"]["uid"] for pod in workspace.pods("before")] == [before["metadata"]["uid"]]
    workspace.play(before, succeeded(before))
    assert workspace.wait_for_end("before").phase == "Succeeded"
    workspace.change("queued", suspend=False)
    queued = workspace.start("queued")
    assert queued["spec"]["serviceAccountName"] == f"{NEW_NAME}-worker"
    release.end(new)

    release.helm("rollback", "spectrogram", "1")
    assert release.definition_is_of("old")
    assert {OLD_NAME, f"{OLD_NAME}-worker"} <= release.names()
    assert NEW_NAME not in release.names()
    back = release.operator(OLD_NAME)
    workspace.play(queued, succeeded(queued))
    assert workspace.wait_for_end("queued").phase == "Succeeded"
    release.end(back)

    release.helm("uninstall", "spectrogram")
    assert release.names() == set()
    jobs = release.client.kubectl_json("get", "spectrogramjobs")["items"]
    assert {job["metadata"]["name"]: job["status"]["phase"] for job in jobs} == dict.fromkeys(
        ("before", "queued"), "Succeeded"
    )


@OWN_CONTROL_PLANE
def test_a_deployment_that_keeps_its_name_is_updated_and_rolled_back(release: Release) -> None:
    """From Recreate to RollingUpdate and back: the API server refuses what is left of the one beside the other."""
    name = "--set=fullnameOverride=radio"

    def strategy() -> str:
        return str(release.client.kubectl_json("get", "deployment", "radio")["spec"]["strategy"]["type"])

    release.helm("install", "spectrogram", str(OLD_CHART), name)
    assert strategy() == "Recreate"
    with pytest.raises(
        CommandError, match=r"serviceMonitor: null, or helm upgrade --reuse-values, takes its default away"
    ):
        release.helm("upgrade", "spectrogram", str(CHART), "--reuse-values")
    release.helm("upgrade", "spectrogram", str(CHART), "--reset-then-reuse-values")
    assert strategy() == "RollingUpdate"
    release.helm("rollback", "spectrogram", "1")
    assert strategy() == "Recreate"
    release.helm("uninstall", "spectrogram")


@OWN_CONTROL_PLANE
def test_what_was_kept_is_taken_over_by_a_release_of_another_name(release: Release) -> None:
    release.helm("install", "spectrogram", str(CHART))
    release.workspace.submit("kept", suspend=True)
    release.helm("uninstall", "spectrogram")

    with pytest.raises(CommandError, match=r"invalid ownership metadata"):
        release.helm("install", "radio", str(CHART))
    assert release.names() == set(), "nothing was changed"
    release.helm("install", "radio", str(CHART), "--take-ownership")

    labels = release.client.kubectl_json("get", DEFINITION)["metadata"]["annotations"]
    assert labels["meta.helm.sh/release-name"] == "radio"
    assert release.client.kubectl("get", "spectrogramjob", "kept", "--output=name").strip().endswith("/kept")
    release.helm("uninstall", "radio")


@OWN_CONTROL_PLANE
def test_a_wrong_value_leaves_the_cluster_as_it_is(release: Release) -> None:
    with pytest.raises(CommandError, match=r'pools\.large\.memory: "4GB" is no memory'):
        release.helm("install", "spectrogram", str(CHART), "--set=pools.large.memory=4GB")
    assert release.client.kubectl("get", "secrets,crds", "--output=name") == ""
    release.helm("install", "spectrogram", str(CHART))
    before = revision(release.client)

    with pytest.raises(CommandError, match=r'pools\.large\.memory: "4GB" is no memory'):
        release.helm("upgrade", "spectrogram", str(CHART), "--set=pools.large.memory=4GB")

    assert revision(release.client) == before
    release.helm("uninstall", "spectrogram")


def revision(client: Client) -> tuple[str, ...]:
    """What an upgrade would have changed: the Deployment, and the records that Helm keeps."""
    deployment = client.kubectl("get", "deployment", NEW_NAME, "--output=jsonpath={.metadata.generation}")
    records = client.kubectl("get", "secrets", "--selector=owner=helm", "--output=name").split()
    return (deployment, *records)
