"""Tables as Markdown, records as CSV and JSON; a run's parameters are escaped and stay text in their cells."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain

from glr.compare.table import Cell, Table
from glr.config.printing import STEERS, printable

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # begin a formula; some spreadsheets accept the wide forms, too
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


def as_json(content: object) -> str:
    """A value as JSON that a terminal can show."""
    return STEERS.sub(_as_escape, json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def as_csv(records: Iterable[Mapping[str, object]]) -> str:
    """Records as CSV, with a column for every key of any record. No text can act as a spreadsheet's formula."""
    made = [{key: _neutral(value) for key, value in record.items()} for record in records]
    columns = list(dict.fromkeys(chain.from_iterable(made)))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    return text.getvalue()


def _as_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _neutral(value: object) -> object:
    """Change a text so that spreadsheets do not read it as a formula."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.lstrip()[:1] in _FORMULA else printable(value)


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
