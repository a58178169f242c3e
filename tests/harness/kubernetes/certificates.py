"""One certificate authority per cluster, the certificates that it issues, and kubeconfig files that carry them.

All of it is made anew for each cluster and is worth nothing outside of it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml

_AUTHORITY, _KEY = "authority.pem", "authority-key.pem"


@dataclass(frozen=True)
class KeyPair:
    certificate: Path
    key: Path


class Certificates:
    """Those in `folder`. Their authority is a new one, or that of a cluster whose certificates are in `cluster`."""

    def __init__(self, folder: Path, cluster: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority = folder / _AUTHORITY
        if cluster is None:
            self._authority = trustme.CA()
            self._authority.private_key_pem.write_to_path(folder / _KEY)
        else:
            self._authority = trustme.CA.from_pem((cluster / _AUTHORITY).read_bytes(), (cluster / _KEY).read_bytes())
        self._authority.cert_pem.write_to_path(self.authority)

    def issue(self, user: str, *, group: str | None = None, addresses: Sequence[str] = ("localhost",)) -> KeyPair:
        """A certificate for a client (Kubernetes reads user and group from its subject), good for a server too."""
        issued = self._authority.issue_cert(*addresses, common_name=user, organization_name=group)
        name = user.replace(":", "-")
        pair = KeyPair(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(pair.key)
        return pair

    def kubeconfig(self, user: str, server: str, *, group: str | None = None) -> Path:
        """A kubeconfig for a new certificate of `user`. Complete in itself: it may be copied elsewhere."""
        pair = self.issue(user, group=group)
        cluster = {"server": server, "certificate-authority-data": _base64(self.authority)}
        credentials = {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "harness", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "harness", "context": {"cluster": "harness", "user": user}}],
            "current-context": "harness",
        }
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content))
        return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
