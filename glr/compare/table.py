"""Tables of rows: titles, columns, and cells of plain text that may be bold or struck through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from glr.tracking.rows import Row

_FAILED = "X"
_DIVIDED, _PLAIN = ("Public Score", "Private Score"), "Score"
_VALUES: dict[str, Callable[[Row], float | None]] = {
    "Public Score": lambda row: row.public,
    "Private Score": lambda row: row.private,
    _PLAIN: lambda row: row.plain,
}


@dataclass(frozen=True)
class Span:
    """A piece of text. It may come from a run's parameters and hold anything: a renderer must escape it."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: its lines, each made of spans."""

    lines: tuple[tuple[Span, ...], ...]
    struck: bool = False


@dataclass(frozen=True)
class Table:
    """A title, its heading level (1 is the document's title), the columns, the centred columns, and rows of cells."""

    title: str
    depth: int
    columns: tuple[str, ...]
    centred: frozenset[str]
    rows: tuple[tuple[Cell, ...], ...]


def tables(singles: Sequence[Row], ensembles: Sequence[Row], *, decimals: int, backbones: Sequence[str]) -> list[Table]:
    """Make a table of the single models, a table of the ensembles, and a table of each backbone's single models.

    Args:
        singles: rows in the order to print.
        ensembles: rows in the order to print; without rows, their table is left out.
        decimals: decimals of scores. A backbone's own table truncates scores to at most three decimals.
        backbones: the backbones whose tables come first; the other tables follow in order of appearance.
    """
    scores = _score_columns([*singles, *ensembles])
    rows = tuple((*_described(row), *_scores(row, decimals, scores)) for row in singles)
    made = [Table("Single Model", 3, ("Index", "Model", "Setting", *scores), frozenset(scores), rows)]
    if ensembles:
        rows = tuple((plain(str(row.index)), _model(row), *_scores(row, decimals, scores)) for row in ensembles)
        made.append(Table("Ensemble Model", 3, ("Index", "Model", *scores), frozenset(scores), rows))
    present = list(dict.fromkeys(row.model.get("backbone", "") for row in singles))
    for backbone in sorted(present, key=lambda name: backbones.index(name) if name in backbones else len(backbones)):
        own = [row for row in singles if row.model.get("backbone", "") == backbone]
        # Bold marks changes. In a backbone's own table the backbone does not change after the first row.
        own[1:] = [replace(row, highlights=row.highlights - {"backbone"}) for row in own[1:]]
        rows = tuple((*_described(row), _accuracy(row, min(decimals, 3))) for row in own)
        made.append(Table(backbone, 4, ("Index", "Model", "Setting", "Accuracy"), frozenset({"Accuracy"}), rows))
    return made


def _described(row: Row) -> tuple[Cell, Cell, Cell]:
    lines = tuple((Span(f"{name} = {text}", part in row.highlights),) for part, (name, text) in row.setting.items())
    return plain(str(row.index)), _model(row), Cell(lines, row.failed)


def _model(row: Row) -> Cell:
    spans: list[Span] = []
    for part, text in row.model.items():
        spans += [Span(" + ")] if spans else []
        spans.append(Span(text, part in row.highlights))
    return Cell((tuple(spans),), row.failed)


def _score_columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of scores: Public and Private, or Score if no row's set is divided."""
    undivided = [row for row in rows if row.plain is not None]
    divided = any(row.public is not None or row.private is not None for row in rows)
    return (*(_DIVIDED if divided or not undivided else ()), *((_PLAIN,) if undivided else ()))


def _scores(row: Row, decimals: int, columns: Sequence[str]) -> list[Cell]:
    """The scores of a row; those of a continuation are on a second line, its Private after a slash."""
    then, cells = row.continuation, []
    for column in columns:
        value = _rounded(_VALUES[column](row), decimals, row)
        later = "" if then is None else _rounded(_VALUES[column](then), decimals, then)
        if then is None:
            cells.append(plain(value))
        elif column == "Private Score":
            cells.append(plain(f"{value}/{later}"))
        else:
            cells.append(plain(value, f"after fine-tune:{later}"))
    return cells


def _accuracy(row: Row, decimals: int) -> Cell:
    """The Public or only score, truncated."""
    lines = [_cut(row.main, decimals, row)]
    if row.continuation is not None:
        lines.append(f"after fine-tune:{_cut(row.continuation.main, decimals, row.continuation)}")
    return plain(*lines)


def _rounded(score: float | None, decimals: int, row: Row) -> str:
    return _FAILED if row.failed else "" if score is None else f"{score:.{decimals}f}"


def _cut(score: float | None, decimals: int, row: Row) -> str:
    if row.failed or score is None:
        return _rounded(score, decimals, row)
    return str(Decimal(str(score)).quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN))


def plain(*lines: str) -> Cell:
    """Return a cell of unmarked lines."""
    return Cell(tuple((Span(line),) for line in lines))
