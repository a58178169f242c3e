"""Quantities as Kubernetes reads them (k8s.io/apimachinery/pkg/api/resource)."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_operator.api.quantity import bytes_quantity, format_bytes, parse_bytes, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (0, "0"),
        (1073741824, "1073741824"),
        ("1", "1"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("1k", "1000"),
        ("2M", "2000000"),
        ("3G", "3000000000"),
        ("1T", "1000000000000"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("2e9", "2000000000"),
        ("2E9", "2000000000"),
        ("1.5e3", "1500"),
        ("1e0", "1"),
    ],
)
def test_a_quantity(text: int | str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1" * 33,
        "1." + "1" * 33,
        "Gi",
        "1GB",
        "1gi",
        "1 Gi",
        "-1",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e999",
        "0x10",
        "1K",
        "1mi",
        "1Gi\n",
        "٣",
        "1e-3",
        True,
    ],
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity: write a number with an optional unit"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("1500m", 2), ("1m", 1), ("0.1", 1), ("1.5Ki", 1536)])
def test_bytes_are_whole_and_rounded_up(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1Ki"),
        (1536, "1.5Ki"),
        (412 * 2**20, "412Mi"),
        (412 * 2**20 + 300_000, "412Mi"),
        (2**30, "1Gi"),
        (3 * 2**29, "1.5Gi"),
        (17 * 2**30, "17Gi"),
        (2**40, "1Ti"),
    ],
)
def test_bytes_as_people_read_them(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1, "1"),
        (2**30, "1Gi"),
        (3 * 2**29, "1536Mi"),
        (2_000_000_000, "1953125Ki"),
        (2**30 + 1, "1073741825"),
    ],
)
def test_bytes_as_a_quantity_of_the_same_value(count: int, text: str) -> None:
    assert bytes_quantity(count) == text


@settings(deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 62))
def test_the_quantity_reads_back_as_the_same(count: int, shift: int) -> None:
    assert parse_bytes(bytes_quantity(count << shift)) == count << shift


@settings(deadline=None)
@given(st.integers(0, 2**62))
def test_what_is_written_reads_back_as_about_the_same(count: int) -> None:
    assert abs(parse_bytes(format_bytes(count)) - count) <= max(1, count * 0.05)
