"""A web server with TLS under an address that belongs to the internet outside, and to this network in here."""

import http.server
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trustme

ADDRESS = "128.66.0.1"
"""Of a public network; workers ask no private one. In the node's own network it leads to the node itself."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """A test shows what failed by itself."""


def identity(authority: Path, address: str, folder: Path) -> Path:
    """A file, in `folder`, with the key and the certificate of a server, issued by the authority in its folder."""
    names = ("authority.pem", "authority-key.pem")
    issuer = trustme.CA.from_pem(*((authority / name).read_bytes() for name in names))
    path = folder / "identity.pem"
    issuer.issue_cert(address).private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@contextmanager
def serving(folder: Path, authority: Path) -> Iterator[str]:
    """Serves the files in `folder`; yields the address of the folder. Certified by the authority in its folder."""
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "node0"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as own:
        context.load_cert_chain(identity(authority, ADDRESS, Path(own)))
    server = http.server.ThreadingHTTPServer((ADDRESS, 443), partial(_Quiet, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="web")
    thread.start()
    try:
        yield f"https://{ADDRESS}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
