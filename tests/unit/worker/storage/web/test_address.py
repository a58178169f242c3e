"""Which addresses may be asked: hosts that are allowed, machines of the public internet, and nothing else."""

import pytest

from spectrogram_worker.contract.addresses import without_query
from spectrogram_worker.storage.web_address import WebAddress, check_url, is_public, redirected

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::", "10.0.0.1", "10.255.255.255"),
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "169.254.0.1", "169.254.169.254"),
    *("100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("2001::1", "2001:10::1", "3fff::1", "5f00::1", "100::1", "64:ff9b:1::1", "::7f00:1", "::a00:1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:0.0.0.0"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:6440:1::", "2002:c0a8:1::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::6440:1"),
    *("", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "128.66.0.1", "172.15.255.255", "172.32.0.1", "192.1.0.1"),
    *("2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_machines_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_machines_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


ALLOWED = ("data.example.org", "*.archive.example", "odd.example.org:8443")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://data.example.org/a/b.wav", WebAddress("data.example.org", 443, "/a/b.wav")),
        ("https://DATA.example.org/b.wav?sig=1/2", WebAddress("data.example.org", 443, "/b.wav?sig=1/2")),
        ("https://eu.archive.example/b.wav", WebAddress("eu.archive.example", 443, "/b.wav")),
        ("https://odd.example.org:8443/b.wav", WebAddress("odd.example.org", 8443, "/b.wav")),
        ("https://data.example.org?name=b.wav", WebAddress("data.example.org", 443, "/?name=b.wav")),
        ("https://data.example.org", WebAddress("data.example.org", 443, "/")),
    ],
)
def test_an_address_that_is_allowed(address: str, found: WebAddress) -> None:
    assert check_url(address, ALLOWED) == found


@pytest.mark.parametrize(
    "address",
    [
        "http://data.example.org/b.wav",
        "ftp://data.example.org/b.wav",
        "file:///etc/passwd",
        "//data.example.org/b.wav",
        "https://user@data.example.org/b.wav",
        "https://data.example.org@evil.example/b.wav",
        "https://data.example.org\\@evil.example/b.wav",
        "https://evil.example#data.example.org/b.wav",
        "https://data.example.org.evil.example/b.wav",
        "https://evildata.example.org/b.wav",
        "https://archive.example/b.wav",
        "https://data.example.org:8443/b.wav",
        "https://odd.example.org/b.wav",
        "https://data.example.org./b.wav",
        "https://[::1]/b.wav",
        "https://127.0.0.1/b.wav",
        "https://dаta.example.org/b.wav",
        "https:///b.wav",
        "https://data.example.org\r\nHost: evil.example/",
        "",
    ],
)
def test_an_address_that_is_not_allowed(address: str) -> None:
    with pytest.raises(ValueError, match=r"https|does not allow"):
        check_url(address, ALLOWED)


def test_where_a_redirection_leads() -> None:
    base = "https://data.example.org/a/b.wav?x=1"
    assert redirected(base, "c.wav") == "https://data.example.org/a/c.wav"
    assert redirected(base, "/c.wav?y=2#part") == "https://data.example.org/c.wav?y=2"
    assert redirected(base, "//evil.example/c.wav") == "https://evil.example/c.wav"
    assert redirected(base, "http://data.example.org/") == "http://data.example.org/"
    assert redirected(base, "/a b\r\nc\xe9") == "https://data.example.org/a%20b%0D%0Ac%E9"


def test_a_signature_is_not_told() -> None:
    assert without_query("https://data.example.org/b.wav?signature=secret") == "https://data.example.org/b.wav"
