"""Which colour maps there are, known without loading matplotlib: that costs 40 MB, and is wanted only for drawing."""

from spectrogram_worker.errors import WorkerError, invalid_spec

FAMILIAR = ("magma", "viridis", "plasma", "inferno", "cividis", "turbo", "jet", "hot", "cool", "rainbow")

_LIST = """
    Accent Blues BrBG BuGn BuPu CMRmap Dark2 GnBu Grays Greens Greys OrRd Oranges PRGn Paired Pastel1 Pastel2 PiYG
    PuBu PuBuGn PuOr PuRd Purples RdBu RdGy RdPu RdYlBu RdYlGn Reds Set1 Set2 Set3 Spectral Wistia YlGn YlGnBu YlOrBr
    YlOrRd afmhot autumn binary bone brg bwr cividis cool coolwarm copper cubehelix flag gist_earth gist_gray
    gist_grey gist_heat gist_ncar gist_rainbow gist_stern gist_yarg gist_yerg gnuplot gnuplot2 gray grey hot hsv inferno
    jet magma nipy_spectral ocean pink plasma prism rainbow seismic spring summer tab10 tab20 tab20b
    tab20c terrain turbo twilight twilight_shifted viridis winter
"""
_NAMES = frozenset(_LIST.split())
"""What every matplotlib has from 3.9 on, the oldest that the worker is installed with."""


def require_colormap(name: str) -> None:
    """Raise InvalidSpec (64), naming colour maps that exist, unless matplotlib has `name`."""
    if name.removesuffix("_r") in _NAMES or name in _installed():
        return
    raise _unknown(name)


def _installed() -> frozenset[str]:
    from matplotlib import colormaps  # a name that is not in the list: this matplotlib may have it, or may not

    return frozenset(colormaps)


def _unknown(name: str) -> WorkerError:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), {known.lower(): known for known in _NAMES}, n=3)
    meant = [known for known in sorted(_NAMES) if known.lower() in near]
    suggestion = f"did you mean {' or '.join(meant)}? " if meant else ""
    return invalid_spec(f"output.image.colormap: there is no {name}; {suggestion}There are: {', '.join(FAMILIAR)}, …")
