"""Figures as SVG inside a page that opens without a network: equal data gives equal bytes."""

import re
from collections.abc import Callable
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Any: the stubs want these names as literals of the version they were written for.
STYLE: Any = {
    "svg.hashsalt": "insula",
    # Letters stay letters: they can be searched, read aloud, and take the font of the page.
    "svg.fonttype": "none",
    # A clinic may be called "$x$": names are text, never formulae.
    "text.parse_math": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 9.5,
    "text.color": "#22282e",
    "axes.labelcolor": "#4a545e",
    "axes.edgecolor": "#9aa4ad",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#4a545e",
    "ytick.color": "#22282e",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def inline_svg(
    name: str, description: str, size_in: tuple[float, float], draw: Callable[[Figure], None]
) -> str:
    """What `draw` puts in a figure of that size (inches), as an `<svg>` element for HTML.

    `description` is what a screen reader says instead. Every id begins with `name`, so that several
    figures share a page. There is no date in it, and no address: HTML implies the namespaces.
    """
    sheet = StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure)
        figure.savefig(sheet, format="svg", metadata=NO_METADATA)
    drawing = sheet.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", drawing, count=2)
    for reference in (' id="', "url(#", ' xlink:href="#'):
        drawing = drawing.replace(reference, f"{reference}{name}-")
    label = escape(description, quote=True)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
