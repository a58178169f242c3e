"""Why the API server did not create a pod, and whether trying again can help (faults 36, 37, 42 to 45)."""

import re
from dataclasses import dataclass

from spectrogram_worker.contract.report import clean_text

_REJECTIONS = (
    (r"violates PodSecurity", "the namespace's Pod Security level refuses the worker's pod"),
    (r"admission webhook .* denied", "an admission webhook refuses the worker's pod"),
    (r"AdmissionPolicy .* denied request", "an admission policy refuses the worker's pod"),
    (r"must specify", "a ResourceQuota wants a value that worker pods do not have"),
    (r"(maximum|minimum) \S+ usage per|max limit to request ratio", "a LimitRange refuses the worker's pod"),
    (r"no PriorityClass with name", "the pool's priority class does not exist"),
)
"""What admission says, in whatever HTTP status it chooses."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The API server did not create the pod. `final`: trying again cannot help.

    `passing`: the API server itself could not; the same request is made again, after `retry_after` seconds if it said
    so. Neither: something must change first, a quota for example.
    """

    reason: str
    message: str
    final: bool
    passing: bool = False
    retry_after: float | None = None


def refusal(code: int, reason: str, message: str, retry_after: float | None = None) -> Refusal:
    """The meaning of a failed pod creation: its HTTP status, its Status object and its Retry-After, in seconds."""
    text = clean_text(message)
    if code in (400, 403, 422):
        for pattern, meaning in _REJECTIONS:
            if re.search(pattern, message, re.DOTALL):
                return Refusal(reason="PodRejected", message=clean_text(f"{meaning}: {text}"), final=True)
    if code == 422:
        return Refusal(reason="InvalidSpec", message=f"the API server refuses the pod: {text}", final=True)
    if code == 403:
        if "NamespaceTerminating" in reason or "being terminated" in message:
            return Refusal(reason="NamespaceTerminating", message="the namespace is being deleted", final=False)
        if "looking up service account" in message:
            missing = f"waiting for a service account that the platform team must make here: {text}"
            return Refusal(reason="ServiceAccountNotFound", message=clean_text(missing), final=False)
        if "exceeded quota" in message:
            return Refusal(reason="QuotaExceeded", message=f"waiting for quota: {text}", final=False)
        return Refusal(reason="Forbidden", message=f"the operator may not create pods here: {text}", final=False)
    return Refusal(
        reason="ClusterUnavailable",
        message=clean_text(f"the pod could not be created: {text}"),
        final=False,
        passing=True,
        retry_after=retry_after,
    )
