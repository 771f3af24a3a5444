"""Plots as SVG inside an HTML page: its style sheet colours them, so that they suit a light and a dark ground."""

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glr.config.printing import printable
from glr.html.palette import SERIES

WIDTH = 360  # points: about the width of a phone, so that letters stay readable there
LINE = 15  # points between two lines of text

# Matplotlib knows no CSS: it draws in these colours, which then become those of the page.
INK, FAINT, RULE, PAPER = "#000001", "#000002", "#000003", "#000004"
COLOURS = [f"#0001{number:02x}" for number in range(len(SERIES))]
_CSS = {
    **{INK: "currentColor", FAINT: "var(--faint)", RULE: "var(--rule)", PAPER: "var(--panel)"},
    **{colour: f"var(--series-{number})" for number, colour in enumerate(COLOURS)},
}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud, and takes the page's font
    "svg.hashsalt": "glr",  # equal pages of equal studies
    "axes.unicode_minus": False,  # as in the text of tables
    "text.parse_math": False,  # a name with two $ is not mathematics
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}


def drawn(plot: Callable[[Axes], None], height: float, label: str) -> str:
    """Draw a plot as SVG.

    Args:
        plot: draws into axes, in the colours of this module.
        height: height of the figure, in points.
        label: says in words what the plot shows, for those who do not see it.

    Returns:
        An `<svg>` element without ids, so that a page can hold several.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        plot(figure.subplots())
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with catch_warnings():
            filterwarnings("ignore", r"Glyph .* missing")  # the page's font has the letters that Matplotlib's lacks
            figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"(fill|stroke): (#000[01][0-9a-f]{2})", lambda m: f"{m[1]}: {_CSS.get(m[2], m[2])}", text)
    text = re.sub(r' (?:width|height)="[0-9.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(printable(label))}"', 1)


def shortened(text: str, longest: int) -> str:
    """Shorten a name by its middle to `longest` characters: consecutive ids differ at the end.

    Control characters are escaped.

    Examples:
        >>> shortened("a long name", 7)
        'a l…ame'
    """
    text, kept = printable(text), longest - 1
    return text if len(text) <= longest else f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
