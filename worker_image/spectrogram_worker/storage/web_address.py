"""Which web addresses may be asked, and at which machines. Pure: no name is resolved here.

A job's author writes the address, and the server that answers can send the worker on to another: each one is checked,
and so is every machine that a name stands for (server-side request forgery).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from spectrogram_worker.contract.addresses import is_allowed, origin

_SAFE_IN_URL = "!#$%&'()*+,/:;=?@[]~"
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
"""What IANA's special-purpose registries do not call globally reachable, and multicast. Written out: what the standard
library calls global has changed between versions of Python."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class WebAddress:
    """A checked address: `target` is its path with the query."""

    host: str
    port: int
    target: str


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and stands for no other that is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not any(found in network for network in _REFUSED if network.version == found.version)


def check_url(address: str, allowed_hosts: Iterable[str]) -> WebAddress:
    """The parts of an address that may be asked. Raises ValueError with the reason, which follows on "leads to"."""
    asked = origin(address)
    if asked is None:
        raise ValueError("an address that is not https, or whose host is not plainly written")
    if not is_allowed(address, allowed_hosts):
        raise ValueError(f"the host {asked[0]} with port {asked[1]}, which the platform team does not allow")
    rest = address.removeprefix("https://")
    start = min((rest.index(mark) for mark in "/?" if mark in rest), default=len(rest))
    return WebAddress(*asked, f"/{rest[start:].removeprefix('/')}")


def redirected(address: str, location: str) -> str:
    """The address that the header Location names, seen from `address`. Raises ValueError as `check_url` does."""
    try:
        return urljoin(address, quote(location.encode("latin-1"), safe=_SAFE_IN_URL)).partition("#")[0]
    except ValueError:  # of brackets in the host, which are no IPv6 address
        raise ValueError("what is no address") from None
