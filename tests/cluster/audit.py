"""The API server's audit log: who asked for what, and what the answer was."""

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
"""
WRITES = ("create", "update", "patch", "delete", "deletecollection")


class Request(NamedTuple):
    """One request and its answer. `resource` is as in spectrogramjobs/status."""

    verb: str
    resource: str
    name: str
    code: int


class Audit:
    """`flags` are for the API server; its log is written before it answers."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "audit.log"
        policy = folder / "policy.yaml"
        policy.write_text(_POLICY)
        self.flags = [f"--audit-policy-file={policy}", f"--audit-log-path={self._log}"]

    def requests(self, namespace: str, account: str) -> list[Request]:
        """What this service account of this namespace asked for, in order."""
        user = f"system:serviceaccount:{namespace}:{account}"
        found = []
        for line in self._log.read_text().splitlines():
            if user not in line:
                continue
            entry = json.loads(line)
            if entry["user"]["username"] != user or "objectRef" not in entry:
                continue
            about = entry["objectRef"]
            resource = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
            found.append(Request(entry["verb"], resource, about.get("name", ""), entry["responseStatus"]["code"]))
        return found

    def writes(self, namespace: str, account: str) -> Counter[str]:
        """How often it changed what, as in `update spectrogramjobs/status`; refused ones count too."""
        asked = self.requests(namespace, account)
        return Counter(f"{one.verb} {one.resource}" for one in asked if one.verb in WRITES)
