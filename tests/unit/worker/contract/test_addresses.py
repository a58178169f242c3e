"""Web addresses: which hosts may be asked, and that nobody can take an address's host for another."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrogram_worker.contract.addresses import (
    ADDRESS_PATTERN,
    ALLOWED_HOST_PATTERN,
    LONGEST_FILE_NAME,
    file_name,
    is_allowed,
    origin,
)
from spectrogram_worker.contract.base import is_relative_path

HOSTS = ("data.example.org", "*.sdr.example", "lab.example.org:8443", "*.lab.example.org:8443")


@pytest.mark.parametrize(
    "address",
    [
        "https://data.example.org/a.wav",
        "https://DATA.Example.ORG/a.wav",
        "https://data.example.org:443/a.wav",
        "https://data.example.org?key=value",
        "https://data.example.org",
        "https://one.sdr.example/a.wav",
        "https://one.two.sdr.example/a.wav",
        "https://lab.example.org:8443/a.wav",
        "https://north.lab.example.org:8443/a.wav",
        "https://data.example.org/@evil.example/a.wav",
    ],
)
def test_hosts_that_may_be_asked(address: str) -> None:
    assert is_allowed(address, HOSTS)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/a.wav",
        "http://data.example.org/a.wav",
        "HTTPS://data.example.org/a.wav",
        "//data.example.org/a.wav",
        "https://data.example.org:8443/a.wav",
        "https://data.example.org:80/a.wav",
        "https://data.example.org:0/a.wav",
        "https://data.example.org:/a.wav",
        "https://data.example.org:443443/a.wav",
        "https://data.example.org./a.wav",
        "https://.data.example.org/a.wav",
        "https://www.data.example.org/a.wav",
        "https://data.example.org.evil.example/a.wav",
        "https://evil-data.example.org/a.wav",
        "https://data.example.org@evil.example/a.wav",
        "https://data.example.org:443@evil.example/a.wav",
        "https://evil.example\\@data.example.org/a.wav",
        "https://data.example.org\\@evil.example/a.wav",
        "https://data.example.org\\.evil.example/a.wav",
        "https://me@data.example.org/a.wav",
        "https://data.example.org%2eevil.example/a.wav",
        "https://data.example.org%00.evil.example/a.wav",
        "https://data.example.org\x00.evil.example/a.wav",
        "https://data.example.org\n.evil.example/a.wav",
        "https://data.example.org\t/a.wav",
        "https://data.example.org#@evil.example/a.wav",
        "https://data.example.org;evil.example/a.wav",
        "https://sdr.example/a.wav",
        "https://.sdr.example/a.wav",
        "https://evilsdr.example/a.wav",
        "https://one.sdr.example:8443/a.wav",
        "https://lab.example.org/a.wav",
        "https://lab.example.org:08443/a.wav",
        "https://dàta.example.org/a.wav",
        "https://data。example.org/a.wav",
        "https://data.example.org／.evil.example/a.wav",
        "https://ＤＡＴＡ.example.org/a.wav",
        "https://[::ffff:169.254.169.254]/a.wav",
        "https://[fd00::1]/a.wav",
        "https://169.254.169.254/a.wav",
        "https://2852039166/a.wav",
        "https:///a.wav",
        "https:data.example.org/a.wav",
        " https://data.example.org/a.wav",
        "",
    ],
)
def test_hosts_that_may_not_be_asked(address: str) -> None:
    assert not is_allowed(address, HOSTS)


def test_without_hosts_nobody_is_asked() -> None:
    assert not is_allowed("https://data.example.org/a.wav", ())


near_addresses = st.text(st.sampled_from("ht:ps/.@?#%[]\\-_0149aAo \t\n\x00é。／"), max_size=24).map(
    lambda rest: f"https://{rest}"
)


@given(st.one_of(near_addresses, st.from_regex(ADDRESS_PATTERN, fullmatch=True)))
def test_what_has_a_host_has_the_host_that_other_programs_see(address: str) -> None:
    found = origin(address)
    if re.fullmatch(ADDRESS_PATTERN, address):
        assert found is not None
    if found is not None:
        parts = urlsplit(address)
        assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", *found)
        assert parts.username is None


@given(st.from_regex(ALLOWED_HOST_PATTERN, fullmatch=True))
def test_an_allowed_host_allows_itself_and_nothing_that_ends_otherwise(entry: str) -> None:
    host = entry.replace("*", "one")
    assert is_allowed(f"https://{host}/a.wav", [entry])
    assert is_allowed(f"https://{host.upper()}/a.wav", [entry])
    name, colon, port = host.partition(":")
    assert not is_allowed(f"https://{name}.evil.example{colon}{port}/a.wav", [entry])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.org/2026/fm.wav", "fm.wav"),
        ("https://a.org/fm.wav?key=/a/b.png", "fm.wav"),
        (
            "https://a.org/gqrx_20261101_120000_100000000_2400000_fc.raw",
            "gqrx_20261101_120000_100000000_2400000_fc.raw",
        ),
        ("https://a.org/my%20band%2B1.wav", "my band+1.wav"),
        ("https://a.org/a%2Fb.wav", "a_b.wav"),
        ("https://a.org/%2e%2e%2fpasswd", "_passwd"),
        ("https://a.org/%2e%2e", "recording"),
        ("https://a.org/.hidden", "hidden"),
        ("https://a.org/a%00%0Ab.wav", "a__b.wav"),
        ("https://a.org/%C3%A4.wav", "_.wav"),
        (f"https://a.org/{'a' * 500}.wav", "a" * 196 + ".wav"),
    ],
)
def test_the_name_of_the_file_at_an_address(address: str, name: str) -> None:
    assert file_name(address) == name


@given(st.from_regex(ADDRESS_PATTERN, fullmatch=True))
def test_the_name_of_a_file_can_stand_in_any_folder(address: str) -> None:
    name = file_name(address)
    assert is_relative_path(name)
    assert "/" not in name
    assert name.isprintable()
    assert name not in (".", "..")
    assert 1 <= len(name.encode()) <= LONGEST_FILE_NAME
