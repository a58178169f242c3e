"""Where things lie in a picture, in whole pixels: known before the first sample, because the axes bound the cells."""

import math
from dataclasses import dataclass

SMALLEST_WITH_TEXT = (320, 240)
"""Width and height in pixels below which a picture has no room for axes: the cells then fill it."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; `left` and `top` count from the picture's upper left corner."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First pixel column to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First pixel row below the box."""
        return self.top + self.height


@dataclass(frozen=True)
class Geometry:
    """The boxes of one picture of `width` by `height` pixels; `text` is the size of ordinary text in pixels.

    `bar` is the colour bar, or None where the picture is too small for any text.
    """

    width: int
    height: int
    text: float
    axes: Box
    bar: Box | None


def largest_size(width: int, height: int, pixels: float) -> tuple[int, int] | None:
    """Width and height of the largest picture of about this shape, and no larger, that has at most so many pixels.

    None where that would have no room for axes, unless the picture is too small for them anyway.
    """
    if width * height <= pixels:
        return width, height
    scale = math.sqrt(max(0.0, pixels) / (width * height))
    least_width, least_height = min(width, SMALLEST_WITH_TEXT[0]), min(height, SMALLEST_WITH_TEXT[1])
    smaller_width, smaller_height = max(least_width, int(width * scale)), max(least_height, int(height * scale))
    smaller_width = max(least_width, min(smaller_width, int(pixels // smaller_height)))
    smaller_height = max(least_height, min(smaller_height, int(pixels // smaller_width)))
    return (smaller_width, smaller_height) if smaller_width * smaller_height <= pixels else None


def plan_geometry(width: int, height: int, *, with_utc: bool) -> Geometry:
    """Boxes of a picture of that many pixels; `with_utc` leaves room for a second time axis above."""
    if width < SMALLEST_WITH_TEXT[0] or height < SMALLEST_WITH_TEXT[1]:
        return Geometry(width, height, 0.0, Box(0, 0, width, height), None)
    text = min(max(16.0 * min(width / 1600, height / 900), 10.0), 40.0)
    left, right = round(8.5 * text), round(8.5 * text)
    top = round((7.2 if with_utc else 4.2) * text)
    bottom = round(4.6 * text)
    axes = Box(left, top, width - left - right, height - top - bottom)
    bar = Box(axes.right + round(text), top, round(1.2 * text), axes.height)
    return Geometry(width, height, text, axes, bar)
