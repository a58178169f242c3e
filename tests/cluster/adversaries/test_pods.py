"""Adversary: whoever may make jobs wants a pod that may more than its own (docs/operating/security.md).

The real admission of the API server judges the pods of generated jobs, in a namespace that enforces `restricted`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.api import Api, ApiError
from harness.kubernetes.control_plane import ApiServer
from pods.jobs import job_body, stored
from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt, AttemptState
from spectrogram_operator.core.building.podspec import build_pod
from spectrogram_operator.core.policy import Policy
from unit.operator.core.strategies import ALLOWED_HOSTS, STORES, specs

PODS = 200
POLICY = Policy(stores=STORES, allowed_url_hosts=ALLOWED_HOSTS, kueue=True)
NO_RIGHTS: dict[str, Any] = {
    "podTemplate": {"spec": {"hostNetwork": True, "hostPID": True, "nodeName": "master"}},
    "template": {"spec": {"containers": [{"securityContext": {"privileged": True}}]}},
    "image": "evil.example.org/worker",
    "command": ["sh"],
    "args": ["-c", "id"],
    "env": [{"name": "LD_PRELOAD", "value": "/data/input/evil.so"}],
    "serviceAccountName": "admin",
    "nodeName": "master",
    "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
    "tolerations": [{"operator": "Exists"}],
    "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
    "securityContext": {"runAsUser": 0},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-node-critical",
}
"""What others' custom resources let people say of pods."""


@pytest.fixture
def restricted(control_plane: ApiServer) -> Iterator[Api]:
    """A namespace that takes no pod but those that meet `restricted`."""
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    with control_plane.client().fresh_namespace("adversary", strict) as namespace:
        namespace.kubectl("create", "serviceaccount", STORES["cloud"].service_account)
        api = Api(control_plane, namespace.namespace)
        yield api
        api.close()


def refusal(api: Api, pod: dict[str, Any]) -> str:
    """What the API server says against this pod; empty where it would take it."""
    try:
        api.request("POST", f"/api/v1/namespaces/{api.namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return error.message
    return ""


def pod_of(api: Api, spec: dict[str, Any], pool: str = "default", memory: int = 2**30) -> dict[str, Any]:
    """The pod that the operator would create for a job with this spec."""
    body = job_body()
    body["spec"] = spec
    body["metadata"]["namespace"] = api.namespace
    job = read_job(stored(body))
    assert isinstance(job, ValidJob)
    attempt = Attempt(number=1, state=AttemptState.CREATING, pod_name="", pool=pool, memory_bytes=memory)
    return build_pod(job, attempt, POLICY)


def test_no_job_makes_a_pod_that_restricted_refuses(restricted: Api) -> None:
    @settings(max_examples=PODS, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(specs(), st.sampled_from(["default", "large_jobs", "gone"]), st.integers(0, 2**62))
    def judge(spec: dict[str, Any], pool: str, memory: int) -> None:
        judged.append(refusal(restricted, pod_of(restricted, spec, pool, memory)))
        assert judged[-1] == ""

    judged: list[str] = []
    judge()
    assert len(judged) >= PODS // 2


@pytest.mark.parametrize(
    "change",
    [
        {"hostNetwork": True},
        {"hostPID": True},
        {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"securityContext": {}},
    ],
    ids=str,
)
def test_a_pod_that_were_not_restricted_would_be_refused(restricted: Api, change: dict[str, Any]) -> None:
    """What the test above goes by: admission does look."""
    pod = pod_of(restricted, job_body()["spec"])
    assert refusal(restricted, pod) == ""
    pod["spec"] |= change
    pod["spec"]["containers"][0].pop("volumeMounts", None)
    assert 'violates PodSecurity "restricted' in refusal(restricted, pod)


def test_what_a_job_says_of_its_pod_is_not_even_stored(restricted: Api) -> None:
    """A client that does not ask for strict validation is not refused, and nothing comes of it."""
    body = job_body(**NO_RIGHTS)
    body["spec"]["input"]["hostPath"] = body["spec"]["output"]["secret"] = "registry"
    path = f"/apis/spectrogram.dev/v1beta1/namespaces/{restricted.namespace}/spectrogramjobs?fieldValidation=Ignore"
    spec = restricted.request("POST", path, body)["spec"]
    plain = restricted.request("POST", path, job_body("plain"))["spec"]
    assert spec == plain
    strict = path.replace("Ignore", "Strict")
    for field, value in NO_RIGHTS.items():
        with pytest.raises(ApiError, match=f'unknown field "spec.{field}"'):
            restricted.request("POST", strict, job_body("strict", **{field: value}))
