"""What others add to pods when they are created, as an injector of sidecars does: a real mutating webhook, over TLS."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from harness.kubernetes.client import Client


@contextmanager
def injecting(client: Client, address: str, folder: Path, patch: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Until the context ends, pods of the client's namespace are created with this JSON patch.

    `address` is one of this machine that the API server reaches.
    """
    authority = trustme.CA()
    certificate = folder / "webhook.pem"
    authority.issue_cert(address).private_key_and_cert_chain_pem.write_to_path(certificate)
    answer = base64.b64encode(json.dumps(patch).encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            uid = review["request"]["uid"]
            review["response"] = {"uid": uid, "allowed": True, "patchType": "JSONPatch", "patch": answer}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="webhook")
    thread.start()
    name = f"inject-{client.namespace}"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    webhook = {
        "name": "inject.example.org",
        "clientConfig": {
            "url": f"https://{address}:{server.server_port}/",
            "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode(),
        },
        "rules": [pods],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": client.namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    try:
        client.apply({**kind, "metadata": {"name": name}, "webhooks": [webhook]})
        yield
    finally:
        client.kubectl("delete", "mutatingwebhookconfiguration", name, "--ignore-not-found")
        server.shutdown()
        thread.join()
        server.server_close()
