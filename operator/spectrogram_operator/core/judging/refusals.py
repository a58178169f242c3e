"""Why the API server did not create a pod, and whether trying again can help (faults.md rows 36, 37, 42–45)."""

from dataclasses import dataclass

from spectrogram_worker.contract.report import clean_text

_FINAL = (
    ("violates PodSecurity", "PodRejected", "the namespace's Pod Security level refuses the worker's pod"),
    ("admission webhook", "PodRejected", "an admission webhook refuses the worker's pod"),
    ("must specify", "PodRejected", "a ResourceQuota wants a value that worker pods do not have"),
    ("maximum memory usage", "PodRejected", "a LimitRange allows less memory"),
    ("maximum cpu usage", "PodRejected", "a LimitRange allows less CPU"),
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The API server did not create the pod. `final`: trying again cannot help; else Policy.refusal_seconds later."""

    reason: str
    message: str
    final: bool


def refusal(code: int, reason: str, message: str) -> Refusal:
    """The meaning of a failed pod creation, from the HTTP status and the Status object of the answer."""
    text = clean_text(message)
    if code == 422:
        return Refusal(reason="InvalidSpec", message=f"the API server refuses the pod: {text}", final=True)
    if code == 403:
        if "NamespaceTerminating" in reason or "being terminated" in message:
            return Refusal(reason="NamespaceTerminating", message="the namespace is being deleted", final=False)
        for pattern, name, meaning in _FINAL:
            if pattern in message:
                return Refusal(reason=name, message=clean_text(f"{meaning}: {text}"), final=True)
        if "looking up service account" in message:
            missing = f"waiting for a service account that the platform team must make here: {text}"
            return Refusal(reason="ServiceAccountNotFound", message=clean_text(missing), final=False)
        if "exceeded quota" in message:
            return Refusal(reason="QuotaExceeded", message=f"waiting for quota: {text}", final=False)
        return Refusal(reason="Forbidden", message=f"the operator may not create pods here: {text}", final=False)
    return Refusal(
        reason="ClusterUnavailable", message=clean_text(f"the pod could not be created: {text}"), final=False
    )
