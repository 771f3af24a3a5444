"""Tables as Markdown; a run's parameters are escaped and stay text in their cells."""

import re
from collections.abc import Iterable

from glr.compare.table import Cell, Table
from glr.config.printing import printable

_HARMLESS = re.compile(r"[A-Za-z0-9.,:=%+-]+(?: [A-Za-z0-9.,:=%+-]+)*")  # most cells: escaping them takes long
_LONGEST = 200  # characters of one text; longer texts are cut


def markdown(tables: Iterable[Table]) -> str:
    """Render tables as GitHub's Markdown, each below a heading."""
    blocks = []
    for table in tables:
        rules = [":--------:" if column in table.centred else "-----" for column in table.columns]
        rows = [[_marked(cell) for cell in row] for row in table.rows]
        lines = [f"|{'|'.join(row)}|" for row in ([escaped(c) for c in table.columns], rules, *rows)]
        blocks.append("\n".join([f"{'#' * table.depth} {escaped(table.title)}", "", *lines]))
    return "\n\n".join(blocks) + "\n"


def _marked(cell: Cell) -> str:
    lines = (
        "".join(f"**{escaped(span.text)}**" if span.bold and span.text else escaped(span.text) for span in line)
        for line in cell.lines
    )
    text = "<br>".join(lines)
    return f"~~{text}~~" if cell.struck and text else text


def escaped(text: str, longest: int | None = _LONGEST) -> str:
    """Escape a text so that Markdown shows it unchanged. Harmless characters stay: _ in a word, a lone ~, [0.1, 0.2].

    Args:
        text: any text; line breaks become spaces.
        longest: characters to keep; None: all.
    """
    if _HARMLESS.fullmatch(text) and (longest is None or len(text) <= longest):
        return text
    text = _shortened(text, longest).replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")
    text = re.sub(r"[\\|`*]|\[(?![+-]?\d)|\](?=[(\[:])", r"\\\g<0>", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    return re.sub(r"(?<! )~|~(?! )", r"\\~", text)


def _shortened(text: str, longest: int | None) -> str:
    text = printable(re.sub(r"\s+", " ", text))
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"
