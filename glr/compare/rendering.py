"""Tables as Markdown and HTML, rows as CSV and JSON; a run's parameters are escaped and stay text in their cells."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from glr.compare.table import Cell, Table
from glr.config.printing import STEERS, printable
from glr.report.template import template
from glr.tracking.rows import Row

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # begin a formula; some spreadsheets accept the wide forms, too
_LONGEST = 200  # characters of one text; longer texts are cut

Records = Sequence[Mapping[str, object]]


def markdown(tables: Iterable[Table]) -> str:
    """Render tables as GitHub's Markdown, each below a heading."""
    blocks = []
    for table in tables:
        rules = [":--------:" if column in table.centred else "-----" for column in table.columns]
        rows = [[_marked(cell) for cell in row] for row in table.rows]
        lines = [f"|{'|'.join(row)}|" for row in ([_escaped(c) for c in table.columns], rules, *rows)]
        blocks.append("\n".join([f"{'#' * table.depth} {_escaped(table.title)}", "", *lines]))
    return "\n\n".join(blocks) + "\n"


def page(tables: Iterable[Table]) -> str:
    """Render tables as HTML, each below a heading, without the rest of a page."""
    return template(__file__).render(tables=tables, shortened=_shortened)


def records(singles: Sequence[Row], ensembles: Sequence[Row]) -> list[dict[str, object]]:
    """Return one flat record per run with unrounded scores; a continuation has its own record with the same index."""
    rows = chain.from_iterable((row, row.continuation) if row.continuation else (row,) for row in singles)
    return [
        {
            "kind": row.run.kind,
            "index": row.index,
            "name": row.run.name,
            "run_id": row.run.id,
            "study": row.run.study,
            "status": row.run.status,
            **row.part_texts,
            "init_from": row.run.init_from,
            "public_score": row.public,
            "private_score": row.private,
            **({} if row.plain is None else {"score": row.plain}),
        }
        for row in chain(rows, ensembles)
    ]


def as_json(singles: Sequence[Row], ensembles: Sequence[Row], more: Records = ()) -> str:
    """The records, and further ones, as a JSON list."""
    text = json.dumps([*records(singles, ensembles), *more], indent=2, ensure_ascii=False)
    return STEERS.sub(_as_escape, text) + "\n"


def as_csv(singles: Sequence[Row], ensembles: Sequence[Row], more: Records = ()) -> str:
    """The records, and further ones, as CSV, with a column for every key of any record.

    No text can act as a spreadsheet's formula.
    """
    whole = [*records(singles, ensembles), *more]
    made = [{key: _neutral(value) for key, value in record.items()} for record in whole]
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
        "".join(f"**{_escaped(span.text)}**" if span.bold and span.text else _escaped(span.text) for span in line)
        for line in cell.lines
    )
    text = "<br>".join(lines)
    return f"~~{text}~~" if cell.struck and text else text


def _escaped(text: str) -> str:
    """Escape a text so that Markdown shows it unchanged; harmless characters (the _ in a word, a lone ~, ->) stay."""
    text = _shortened(text).replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")
    text = re.sub(r"[\\|`*\[\]]", r"\\\g<0>", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    return re.sub(r"(?<! )~|~(?! )", r"\\~", text)


def _shortened(text: str) -> str:
    text = printable(re.sub(r"\s+", " ", text))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
