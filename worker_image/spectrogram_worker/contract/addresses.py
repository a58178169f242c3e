"""Web addresses of recordings and the hosts that may be asked, read alike by the API server, the planner and the worker.

What is accepted is narrower than RFC 3986: two programs cannot take the host of such an address for two different ones.
There is no user before the host, no dot after it, no IPv6 literal, no letter beyond ASCII, no character without a name.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
HOST_PATTERN = rf"{_LABEL}(\.{_LABEL})*"
PORT_PATTERN = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"  # 1 to 65535
_IN_SEGMENT = "!$-.0-;=@-Z_a-z~"  # what RFC 3986 allows between two slashes, and %
ADDRESS_PATTERN = (
    rf"https://{HOST_PATTERN}(:{PORT_PATTERN})?/([{_IN_SEGMENT}/]*/)?"
    rf"[{_IN_SEGMENT}]*[A-Za-z0-9][{_IN_SEGMENT}]*(\?[{_IN_SEGMENT}/?]*)?"
)
"""An address that a job may name: https, a host, perhaps a port, a path that ends in a file's name, perhaps a query."""
ALLOWED_HOST_PATTERN = rf"(\*\.)?{HOST_PATTERN}(:{PORT_PATTERN})?"
"""An entry of the allowed hosts: this host, or with *. every host below it; port 443 unless it says another."""
HTTPS_PORT = 443
LONGEST_FILE_NAME = 200

_ORIGIN = re.compile(rf"https://(?P<host>{HOST_PATTERN})(:(?P<port>{PORT_PATTERN}))?(?=[/?]|\Z)")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+=@, -]")


def origin(address: str) -> tuple[str, int] | None:
    """Host, in lower case, and port of an https address, also of one that a redirection leads to. None for any other."""
    found = _ORIGIN.match(address)
    return None if found is None else (found["host"].lower(), int(found["port"] or HTTPS_PORT))


def is_allowed(address: str, allowed_hosts: Iterable[str]) -> bool:
    """Whether one of the allowed hosts is the address's, with its port."""
    asked = origin(address)
    return asked is not None and any(_covers(entry.lower(), *asked) for entry in allowed_hosts)


def _covers(entry: str, host: str, port: int) -> bool:
    name, _, its_port = entry.partition(":")
    same_host = host.endswith(name[1:]) if name.startswith("*.") else host == name
    return same_host and port == int(its_port or HTTPS_PORT)


def file_name(address: str) -> str:
    """The last part of the address's path, as the name of a file that can stand in any folder."""
    segment = without_query(address).rpartition("/")[2]
    name = _UNSAFE.sub("_", unquote(segment)).strip(" ").lstrip(".")
    return name[-LONGEST_FILE_NAME:] or "recording"


def without_query(address: str) -> str:
    """The address as it may be told: what follows the question mark is often a signature."""
    return address.partition("?")[0]
