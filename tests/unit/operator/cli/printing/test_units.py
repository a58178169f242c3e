"""Numbers as people read them."""

from spectrogram_operator.cli.printing.units import duration, plural, with_prefix


def test_units() -> None:
    assert [with_prefix(value, "Hz") for value in (0, 12, 2.4e6, 1e9)] == ["0 Hz", "12 Hz", "2.4 MHz", "1 GHz"]
    assert [duration(seconds) for seconds in (0.04, 59.94, 125, 3780)] == ["0.0 s", "59.9 s", "2 min 5 s", "1 h 3 min"]
    assert [plural(count, "gap") for count in (0, 1, 2)] == ["0 gaps", "1 gap", "2 gaps"]
