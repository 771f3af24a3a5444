"""A study's configurations as Markdown: the answer, the tables of report.study.table, and the effects of settings."""

from collections.abc import Sequence
from itertools import groupby

from glr.compare.rendering import escaped, markdown
from glr.compare.table import Table, plain
from glr.config.usages import USAGES, metric_name
from glr.report.study.analysis import Analysis, Row
from glr.report.study.answer import answer, ranked
from glr.report.study.table import main_table
from glr.report.study.words import KINDS, Metric, metric_words, queries_in_words, with_interval

_EFFECTS = 30  # a longer table is not read; JSON has all


def text(analysis: Analysis, rows: Sequence[Row], *, decimals: int) -> str:
    """Return the answer, what all configurations share, notes and tables, as Markdown.

    Args:
        analysis: the study.
        rows: its rows in the order to print.
        decimals: decimals of scores.
    """
    shared = ", ".join(f"{name} {value}" for name, value in analysis.common.items())
    queries = ", ".join(queries_in_words(analysis.queries))
    lines = [answer(analysis), *([f"All: {shared}."] if shared else []), *([f"{queries}."] if queries else [])]
    paragraphs = [escaped(line, None) for line in [*lines, *analysis.notes]]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(tables(analysis, rows, decimals=decimals))


def ordered(analysis: Analysis) -> list[Row]:
    """Return the rows by their score in the analysis's metric, the best first; those without a score come last."""
    return [*ranked(analysis), *(row for row in analysis.rows if analysis.metric not in row.scores)]


def tables(analysis: Analysis, rows: Sequence[Row], *, decimals: int) -> list[Table]:
    """Make a table of each kind of configuration, and one of the effects of settings; see `text`."""
    order = list(KINDS)
    by_kind = groupby(sorted(rows, key=lambda row: order.index(_kind(row))), key=_kind)
    made = [_table(analysis, KINDS[kind].capitalize(), list(of_kind), decimals) for kind, of_kind in by_kind]
    return [*made, _effects(analysis, decimals)] if analysis.effects else made


def _kind(row: Row) -> str:
    return row.configuration.kind


def _table(analysis: Analysis, title: str, rows: Sequence[Row], decimals: int) -> Table:
    made = main_table(analysis, rows, metrics=shown(analysis), places=decimals)
    cells = tuple(tuple(plain(" ".join(filter(None, [cell.text, *cell.notes]))) for cell in row) for row in made.rows)
    numbers = {name for name, cell in zip(made.columns, made.rows[0], strict=True) if cell.number and name != "#"}
    return Table(title, 3, tuple(made.columns), frozenset(numbers), cells)


def shown(analysis: Analysis) -> list[Metric]:
    """The metrics that a table shows: the analysis's on all usages, and the leaderboard's scores."""
    names = [metric_name(usage, analysis.metric.rpartition("/")[2]) for usage in USAGES]
    return [*(names if analysis.metric in names else [analysis.metric]), "leaderboard/public", "leaderboard/private"]


def _effects(analysis: Analysis, decimals: int) -> Table:
    columns = ("Setting", "From", "To", metric_words(analysis.metric), "Pairs")
    rows = []
    for effect in analysis.effects[:_EFFECTS]:
        own = effect.estimate
        texts = *effect.values, with_interval(own.value, own.low, own.high, decimals), effect.pairs
        rows.append(tuple(plain(str(text)) for text in (effect.setting, *texts)))
    number = len(analysis.effects)
    title = f"Effects of settings{f': the first {_EFFECTS} of {number:,}' if number > _EFFECTS else ''}"
    return Table(title, 3, columns, frozenset(columns[3:]), tuple(rows))
