"""spectrogram.png: exact sizes, cells in the right pixels, what is missing shown as missing."""

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.picture.cells import PictureCells, color_limits
from spectrogram_worker.outputs.picture.colormaps import _NAMES, FAMILIAR, require_colormap
from spectrogram_worker.outputs.picture.drawing import Scene, draw_picture, paint_cells, use_scratch_for_caches
from spectrogram_worker.outputs.picture.geometry import largest_size, plan_geometry
from spectrogram_worker.outputs.results import describe_scene
from unit.worker.jobs import SIGNAL, START, layout, parsed

NOISE = np.random.default_rng(1).normal(-80, 5, (60, 40)).astype(np.float32)


def scene(**changes: Any) -> Scene:
    """A scene of 60 s around 100 MHz."""
    values: dict[str, Any] = {
        "title": "fm.sigmf",
        "subtitle": "max of 3 frames",
        "value_label": "max, dB(FS²/Hz)",
        "times": (0.0, 60.0),
        "frequencies": (99e6, 101e6),
        "start_time": START,
        "colormap": "magma",
        "limits": None,
    }
    return Scene(**values | changes)


def drawn(width: int, height: int, cells: NDArray[np.float32] = NOISE, **changes: Any) -> NDArray[np.uint8]:
    """The picture's pixels, (height, width, 4), read back from the PNG."""
    shown = scene(**changes)
    file = io.BytesIO()
    geometry = plan_geometry(width, height, with_utc=shown.start_time is not None)
    draw_picture(file, geometry, shown, cells)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@pytest.mark.parametrize(
    "size",
    [(1600, 900), (640, 400), (320, 240), (64, 64), (65, 1000), (1093, 777), (113, 116), (2051, 459), (3001, 64)],
)
def test_pictures_have_exactly_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    assert drawn(*size).shape == (size[1], size[0], 4)


@pytest.mark.parametrize(("center", "said"), [(100e6, "centre 100 MHz"), (-5e3, "centre -5 kHz"), (0.0, None)])
def test_the_title_names_the_center_frequency_where_there_is_one(
    tmp_path: Path, center: float, said: str | None
) -> None:
    """Sound has none."""
    signal = replace(SIGNAL, center_frequency=center)
    shown = describe_scene(parsed(tmp_path), layout(), signal, (), 6).subtitle.split(" · ")
    assert [part for part in shown if "centre" in part] == ([said] if said else [])


def test_nothing_is_cut_off_at_the_edges() -> None:
    long_name = "recordings/" + "W" * 300 + "/fm_$x^2$.sigmf-meta"
    for size in ((1600, 900), (640, 400), (320, 240)):
        cells = np.vstack([NOISE, np.full((3, 40), np.nan, np.float32), np.full((3, 40), -np.inf, np.float32)])
        narrow: dict[str, Any] = {"frequencies": (1420.405e6 - 100, 1420.405e6 + 100), "limits": (-12345.5, -12344.5)}
        pixels = drawn(*size, cells=cells, title=long_name, subtitle=long_name, **narrow)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (edge == 255).all(), f"something touches the edge at {size}"


def test_cells_lie_where_time_and_frequency_say() -> None:
    cells = np.full((10, 10), -100.0, np.float32)
    cells[9, 0] = 0.0  # last in time, lowest in frequency: the lower right corner
    pixels = drawn(64, 64, cells=cells, limits=(-100.0, 0.0), colormap="gray")[:, :, 0]
    assert pixels[-1, -1] == 255
    assert pixels[0, -1] == pixels[-1, 0] == pixels[0, 0] == 0


def test_missing_data_and_zero_power_are_not_painted_as_noise_floor() -> None:
    table = np.zeros((256, 4), np.uint8)
    target = np.zeros((30, 30, 4), np.uint8)
    cells = np.array([[np.nan], [-np.inf], [-80.0]], np.float32)
    paint_cells(target, cells, table, (-80.0, -70.0))
    assert (target[:, :20, :3] > 0).all()
    assert (target[:, 20:] == 0).all()
    assert len(np.unique(target[:, :10, 0])) == 2, "no data is striped"
    assert len(np.unique(target[:, 10:20, 0])) == 1, "zero power is plain"


def test_a_gap_that_is_narrower_than_a_pixel_is_marked() -> None:
    plain, marked = drawn(1600, 900), drawn(1600, 900, gaps=((30.0, 30.000001),))
    box = plan_geometry(1600, 900, with_utc=True).axes
    rows, columns = np.nonzero((plain != marked).any(axis=2)[box.top : box.bottom, box.left : box.right])
    assert 1 < len(np.unique(columns)) < 20
    assert abs(columns.mean() / box.width - 0.5) < 0.01
    assert rows.max() < 20


def test_a_picture_of_nothing_at_all_can_be_drawn() -> None:
    drawn(640, 400, cells=np.full((5, 5), np.nan, np.float32))
    drawn(640, 400, cells=np.full((5, 5), -np.inf, np.float32))
    drawn(640, 400, cells=np.full((1, 1), -3.0, np.float32), start_time=None, times=(0.0, 1e-6))


def cells_of(
    spectra: NDArray[np.float32], reduction: Reduction, width: int, height: int, frames: int = 1
) -> PictureCells:
    """The cells of columns, (T, F) in dB, of `frames` frames each; NaN is a column without any."""
    cells = PictureCells(bins=spectra.shape[1], columns=len(spectra), width=width, height=height, reduction=reduction)
    for index, spectrum in enumerate(spectra):
        cells.add(index, spectrum, 0 if np.isnan(spectrum).all() else frames)
    return cells


def test_cells_keep_a_short_burst_on_both_axes() -> None:
    spectra = np.full((500, 1000), -100.0, np.float32)
    spectra[300, 700] = -10.0
    values = cells_of(spectra, Reduction.MAX, 7, 3).values
    assert values.shape == (7, 3)
    assert values[300 * 7 // 500, 2] == -10.0
    assert (values == -10.0).sum() == 1


REDUCED: dict[Reduction, Any] = {Reduction.MAX: np.max, Reduction.MEAN: np.mean, Reduction.MIN: np.min}


@pytest.mark.parametrize("reduction", REDUCED)
def test_cells_of_many_bins_and_columns_show_what_the_title_says(reduction: Reduction) -> None:
    """Noise of −60.0 dB: 64 bins and 16 columns lie in a cell."""
    power = 1e-6 * np.random.default_rng(3).gamma(20, 1 / 20, (12, 16, 5, 64))
    spectra = (10 * np.log10(power)).reshape(192, 320).astype(np.float32)
    expected = 10 * np.log10(REDUCED[reduction](power, axis=(1, 3)))
    found = cells_of(spectra, reduction, 12, 5)
    np.testing.assert_allclose(found.values, expected, atol=2e-5)
    if reduction is Reduction.MEAN:
        np.testing.assert_allclose(found.values, -60.0, atol=0.15)
    again = found.reduced(width=3, height=1)
    coarse = 10 * np.log10(REDUCED[reduction](power.reshape(3, 64, 320), axis=(1, 2)))
    np.testing.assert_allclose(again.values[:, 0], coarse, atol=2e-5)


@given(
    columns=st.integers(1, 40),
    bins=st.integers(1, 40),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    smaller=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
)
def test_the_mean_of_all_cells_is_that_of_all_frames_however_often_they_are_reduced(
    columns: int, bins: int, width: int, height: int, smaller: tuple[int, int], seed: int
) -> None:
    """To one cell, from cells of any sizes: each counts as many bins and frames as lie in it."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 9, columns)
    power = 10.0 ** random.uniform(-9, -6, (columns, bins))
    cells = PictureCells(bins=bins, columns=columns, width=width, height=height, reduction=Reduction.MEAN)
    for index, (one, count) in enumerate(zip(power, frames.tolist(), strict=True)):
        cells.add(index, (10 * np.log10(one)).astype(np.float32) if count else np.full(bins, np.nan, np.float32), count)
    found = cells.reduced(width=smaller[0], height=smaller[1]).reduced(width=1, height=1).values
    if frames.any():
        assert found == pytest.approx(10 * np.log10(np.average(power.mean(axis=1), weights=frames)), abs=1e-4)
    else:
        assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("reduction", "half_zero"),
    [(Reduction.MAX, -50.0), (Reduction.MEAN, -50.0 - 10 * np.log10(2)), (Reduction.MIN, -np.inf)],
)
def test_cells_are_missing_only_where_there_is_no_data_at_all(reduction: Reduction, half_zero: float) -> None:
    """Zero power is data: it lowers a mean, and is a minimum."""
    levels = [np.nan, -50.0, np.nan, np.nan, -np.inf, -50.0, -np.inf, np.nan]
    spectra = np.repeat(np.array(levels, np.float32)[:, np.newaxis], 4, axis=1)
    values = cells_of(spectra, reduction, 4, 2, frames=7).values
    np.testing.assert_allclose(values[:, 0], [-50.0, np.nan, half_zero, -np.inf], atol=1e-5)
    np.testing.assert_array_equal(values[:, 0], values[:, 1])


def test_fewer_columns_than_pixels_are_one_cell_each() -> None:
    spectra = np.random.default_rng(4).normal(-80, 5, (4, 5)).astype(np.float32)
    for reduction in REDUCED:
        found = cells_of(spectra, reduction, 100, 100)
        np.testing.assert_array_equal(found.values, spectra)
        assert not found.are_shared


@pytest.mark.parametrize(
    ("time", "cells", "shared", "label"),
    [
        ("max", "auto", True, "max, dB(FS²/Hz)"),
        ("mean", "auto", True, "mean, dB(FS²/Hz)"),
        ("min", "auto", True, "min, dB(FS²/Hz)"),
        ("none", "auto", True, "power, max of each cell, dB(FS²/Hz)"),
        ("none", "auto", False, "power, dB(FS²/Hz)"),
        ("mean", "max", True, "mean, max of each cell, dB(FS²/Hz)"),
        ("mean", "max", False, "mean, dB(FS²/Hz)"),
        ("max", "mean", True, "max, mean of each cell, dB(FS²/Hz)"),
        ("max", "max", True, "max, dB(FS²/Hz)"),
        ("none", "mean", True, "power, mean of each cell, dB(FS²/Hz)"),
    ],
)
def test_the_colour_bar_says_how_cells_are_reduced(
    tmp_path: Path, time: str, cells: str, shared: bool, label: str
) -> None:
    document = parsed(tmp_path, output={"image": {"cells": cells}})
    shape = layout(reductions=(time,))
    assert describe_scene(document, shape, SIGNAL, (), 6, are_shared=shared).value_label == label


def test_colours_span_the_robust_percentiles() -> None:
    cells = np.linspace(-100, 0, 100_001, dtype=np.float32)
    cells[:2] = np.nan, -np.inf
    assert color_limits(cells, None) == pytest.approx((-99.0, -0.2), abs=0.01)
    assert color_limits(cells, (-30.0, -20.0)) == (-30.0, -20.0)


def test_colours_span_at_least_ten_decibels() -> None:
    low, high = color_limits(np.full(100, -50.0, np.float32), None)
    assert (low, high) == pytest.approx((-55.0, -45.0))


def test_the_list_of_colour_maps_is_matplotlibs() -> None:
    for name in colormaps:
        require_colormap(name)
    assert set(FAMILIAR) <= set(colormaps)


def test_an_unknown_colour_map_is_refused_with_names_that_exist() -> None:
    with pytest.raises(WorkerError, match=r"there is no virids; did you mean .*viridis.*magma") as caught:
        require_colormap("virids")
    assert caught.value.code == 64
    with pytest.raises(WorkerError, match="magma"):
        require_colormap("qqqqq")


def test_a_font_cache_that_the_image_holds_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/fontlist.json").write_text("fonts")
    monkeypatch.setattr("spectrogram_worker.outputs.picture.drawing._PREPARED_CACHES", tmp_path / "image")
    monkeypatch.setenv("MPLCONFIGDIR", "")
    monkeypatch.delenv("MPLCONFIGDIR")
    for _ in range(2):  # scratch may be that of an earlier worker
        use_scratch_for_caches(tmp_path / "scratch")
        assert Path(os.environ.pop("MPLCONFIGDIR"), "fontlist.json").read_text() == "fonts"


@given(width=st.integers(64, 16_384), height=st.integers(64, 16_384), pixels=st.floats(-1e9, 3e8, allow_nan=False))
def test_a_smaller_picture_has_room_for_axes_and_about_the_same_shape(width: int, height: int, pixels: float) -> None:
    size = largest_size(width, height, pixels)
    least = min(width, 320), min(height, 240)
    if size is None:
        assert least[0] * least[1] > pixels
        return
    assert size[0] * size[1] <= max(pixels, 0)
    assert least[0] <= size[0] <= width
    assert least[1] <= size[1] <= height
    if size[0] > least[0] and size[1] > least[1]:
        assert size[0] / width == pytest.approx(size[1] / height, abs=1.5 / min(width, height))


@pytest.mark.parametrize(
    ("pixels", "size"),
    [(1600 * 900, (1600, 900)), (1600 * 900 / 4, (800, 450)), (320 * 240, (320, 240)), (320 * 240 - 1, None)],
)
def test_a_smaller_picture_takes_the_pixels_that_there_are(pixels: float, size: tuple[int, int] | None) -> None:
    assert largest_size(1600, 900, pixels) == size


def test_a_picture_without_axes_is_not_made_smaller_than_it_is() -> None:
    assert largest_size(64, 64, 64 * 64) == (64, 64)
    assert largest_size(64, 64, 64 * 64 - 1) is None
    assert largest_size(64, 1000, 64 * 500) == (64, 500)


@pytest.mark.parametrize("reduction", REDUCED)
def test_cells_for_a_smaller_picture_are_those_that_it_would_have_had(reduction: Reduction) -> None:
    spectra = np.random.default_rng(2).normal(-80, 5, (96, 64)).astype(np.float32)
    spectra[5:9] = np.nan
    large = cells_of(spectra, reduction, 48, 32)
    small = cells_of(spectra, reduction, 12, 8)
    np.testing.assert_allclose(large.reduced(width=12, height=8).values, small.values, atol=2e-5)
    assert large.reduced(width=48, height=500) is large


def test_a_colour_map_that_not_every_matplotlib_has_is_asked_for() -> None:
    assert not {"berlin", "managua", "vanimo", "okabe_ito"} & _NAMES
    assert set(colormaps) >= _NAMES


@pytest.mark.parametrize("calls", range(1, 8))
def test_drawing_ends_where_it_is_asked_to(calls: int) -> None:
    """Between the steps, and between the pieces of the file."""
    count = iter(range(calls))

    def raise_if_stopped() -> None:
        if next(count, None) is None:
            raise InterruptedError

    file = io.BytesIO()
    with pytest.raises(InterruptedError):
        draw_picture(file, plan_geometry(1600, 900, with_utc=True), scene(), NOISE, raise_if_stopped)
