"""What an answer of the API server means for a pod that was not created (faults 36, 37, 42 to 45)."""

import pytest

from spectrogram_operator.core.judging.refusals import refusal


@pytest.mark.parametrize(
    ("code", "reason", "message", "name", "final"),
    [
        (403, "Forbidden", 'pods "a1" is forbidden: exceeded quota: jobs, requested: pods=1', "QuotaExceeded", False),
        (403, "Forbidden", "failed quota: jobs: must specify limits.cpu for: worker", "PodRejected", True),
        (403, "Forbidden", "maximum memory usage per Container is 512Mi, but limit is 1Gi", "PodRejected", True),
        (403, "Forbidden", 'violates PodSecurity "restricted:latest": seccompProfile', "PodRejected", True),
        (403, "Forbidden", 'admission webhook "policy.example.org" denied the request: no', "PodRejected", True),
        (403, "Forbidden", 'User "operator" cannot create resource "pods" in API group ""', "Forbidden", False),
        (
            *(403, "Forbidden", 'error looking up service account radio/a: serviceaccount "a" not found'),
            *("ServiceAccountNotFound", False),
        ),
        (403, "NamespaceTerminating", "unable to create new content", "NamespaceTerminating", False),
        (403, "Forbidden", "because namespace radio is being terminated", "NamespaceTerminating", False),
        (403, "Forbidden", "minimum cpu usage per Container is 100m, but limit is 50m", "PodRejected", True),
        (403, "Forbidden", 'pods "a1" is forbidden: no PriorityClass with name radio was found', "PodRejected", True),
        (400, "BadRequest", 'admission webhook "policy.example.org" denied the request: no', "PodRejected", True),
        (422, "Invalid", "ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no", "PodRejected", True),
        (422, "Invalid", "spec.containers[0].image: Required value", "InvalidSpec", True),
        (409, "Conflict", "Operation cannot be fulfilled on resourcequotas", "ClusterUnavailable", False),
        (429, "TooManyRequests", "slow down", "ClusterUnavailable", False),
        (500, "InternalError", 'failed calling webhook "policy.example.org": timeout', "ClusterUnavailable", False),
        (504, "Timeout", "etcdserver: request timed out", "ClusterUnavailable", False),
        (0, "", "connection reset by peer\n", "ClusterUnavailable", False),
    ],
)
def test_a_refusal(code: int, reason: str, message: str, name: str, final: bool) -> None:
    found = refusal(code, reason, message)
    assert (found.reason, found.final) == (name, final)
    assert message.strip() in found.message or name == "NamespaceTerminating"


def test_a_long_answer_is_cut() -> None:
    assert len(refusal(500, "", "x" * 10_000).message) <= 600
