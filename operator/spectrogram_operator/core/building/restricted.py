"""What Pod Security `restricted` asks of a pod, and read-only roots: of workers, and of what reads their results."""

from typing import Any

CONTAINER_SECURITY: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_security(user: int, group: int) -> dict[str, Any]:
    """The security context of a pod whose processes are this user's, and whose volumes are this group's."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
