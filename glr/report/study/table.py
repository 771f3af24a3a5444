"""The tables of a study's page: configurations with their scores, the interactions of settings, and the runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from glr.report.study.analysis import Analysis, Difference, Metric, Row
from glr.report.study.configurations import Configuration
from glr.report.study.words import KINDS, decimals, interval, metric_words, plain, signed
from glr.retrieval.scores import headlines
from glr.statistics.effects import Effect

_LISTED = 5  # seeds that are listed


class Cell(NamedTuple):
    """A cell of a table that a reader can sort.

    Attributes:
        text: the first line.
        notes: smaller lines below it.
        key: what the column is sorted by, a number or text; empty cells stay at the end.
        number: True if it is a number, set to the right.
    """

    text: str = ""
    notes: Sequence[str] = ()
    key: str = ""
    number: bool = True


class Table(NamedTuple):
    """Column heads, and rows of cells; the marked row is the baseline."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    marked: int | None = None


def main_table(
    analysis: Analysis,
    rows: Sequence[Row] | None = None,
    *,
    metrics: Sequence[Metric] | None = None,
    places: int | None = None,
) -> Table:
    """Return configurations with their settings, scores, and differences.

    Args:
        analysis: the study.
        rows: the rows to show; None: all.
        metrics: the scores to show; None: those that studies are compared by, the analysis's first.
        places: decimals; None: as many as the width of each interval warrants.
    """
    rows = analysis.rows if rows is None else rows
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    wanted = [analysis.metric, *headlines(dict.fromkeys(names, 0.0))] if metrics is None else metrics
    shown = [name for name in dict.fromkeys(wanted) if name in names]
    columns, naming = _naming(rows)
    against = any(row.difference for row in rows)
    columns += ["Seeds", *map(metric_words, shown)]
    columns += ["Difference", "p (Holm)", "Won/lost", "P(best)"] if against else []
    base = analysis.baseline_row
    made = []
    for row, named in zip(rows, naming, strict=True):
        cells = [*named, _count(row.configuration)]
        cells += [_score(row, metric, places) for metric in shown]
        cells += _compared(row, analysis.metric, places, is_baseline=row is base) if against else []
        made.append(cells)
    return Table(columns, made, next((place for place, row in enumerate(rows) if row is base), None))


def all_metrics(analysis: Analysis) -> Table:
    """Return the configurations with every metric."""
    names = sorted({name for row in analysis.rows for name in row.scores})
    columns, naming = _naming(analysis.rows)
    rows = [[*named, *(_score(row, name) for name in names)] for row, named in zip(analysis.rows, naming, strict=True)]
    return Table([*columns, *map(metric_words, names)], rows, analysis.baseline)


def interaction_tables(effects: Sequence[Effect], metric: Metric) -> dict[str, Table]:
    """Return a table for each two settings: the changes of one setting, at each value of the other; by title."""
    pairs: dict[tuple[str, str], list[Effect]] = {}
    for effect in effects:
        assert effect.given is not None
        if (effect.given[0], effect.setting) not in pairs:  # the same interaction, seen from the other setting
            pairs.setdefault((effect.setting, effect.given[0]), []).append(effect)
    tables = {}
    for (setting, other), several in pairs.items():
        columns = list(dict.fromkeys(effect.given[1] for effect in several if effect.given))
        if len(columns) < 2:
            continue
        changes: dict[tuple[object, object], dict[object, Effect]] = {}
        for effect in several:
            assert effect.given is not None
            changes.setdefault(effect.values, {})[effect.given[1]] = effect
        rows = [
            [Cell(f"{before} → {after}", number=False), *(_effect(by_value.get(value), metric) for value in columns)]
            for (before, after), by_value in changes.items()
        ]
        tables[f"{setting} by {other}"] = Table([setting, *(f"{other}={value}" for value in columns)], rows)
    return tables


def run_table(analysis: Analysis) -> list[Mapping[str, str]]:
    """Return what repeats each run: configuration, name, seed, status, score, commit, command."""
    rows = []
    for row in analysis.rows:
        for run in row.configuration.runs:
            value = run.metrics.get(analysis.metric)
            tags = run.tags
            rows.append(
                {
                    "id": run.id,
                    "index": str(row.configuration.index),
                    "name": run.name,
                    "seed": run.params.get("seed", ""),
                    "status": run.status.lower(),
                    "score": "" if value is None else plain(value, decimals(analysis.metric)),
                    "commit": tags.get("mlflow.source.git.commit", ""),
                    "changed": "with uncommitted changes" if tags.get("git.uncommitted_changes") == "True" else "",
                    "command": tags.get("command", ""),
                }
            )
    return rows


def _naming(rows: Sequence[Row]) -> tuple[list[str], list[list[Cell]]]:
    """Return the columns that name configurations, and each row's cells in them.

    The kind has a column if there are several: single models and ensembles are numbered from 1 each.
    """
    settings = list(dict.fromkeys(key for row in rows for key in row.configuration.labels))
    kinds = ["Kind"] if len({row.configuration.kind for row in rows}) > 1 else []
    words = [key if "." in key else key.replace("_", " ").capitalize() for key in settings]
    cells = []
    for own in (row.configuration for row in rows):
        texts = [KINDS[own.kind].removesuffix("s") for _ in kinds] + [own.labels.get(key, "") for key in settings]
        cells.append(
            [Cell(str(own.index), key=str(own.index)), *(Cell(text, (), text, number=False) for text in texts)]
        )
    return ["#", *kinds, *words], cells


def _count(own: Configuration) -> Cell:
    finished, failed = len(own.finished), len(own.runs) - len(own.finished)
    listed = ", ".join(filter(None, own.seeds))
    notes = [f"({listed})"] if listed and finished <= _LISTED else []
    return Cell(str(finished), [*notes, *([f"({failed} failed)"] if failed else [])], str(finished))


def _score(row: Row, metric: Metric, places: int | None = None) -> Cell:
    score = row.scores.get(metric)
    if score is None:
        return Cell()
    ends = None if score.low is None or score.high is None else (score.low, score.high)
    places = decimals(metric, ends[1] - ends[0] if ends else 0.0) if places is None else places
    notes = [interval(*ends, places)] if ends else []
    notes += [] if score.sd is None else [f"± {plain(score.sd, places)}"]
    return Cell(plain(score.value, places), notes, repr(score.value))


def _compared(row: Row, metric: Metric, places: int | None, *, is_baseline: bool) -> list[Cell]:
    best = row.probability_best
    probability = Cell() if best is None else Cell(f"{best:.0%}", key=repr(best))
    if row.difference is None:
        return [Cell("baseline" if is_baseline else "", key="0" if is_baseline else ""), Cell(), Cell(), probability]
    return [*_difference(row.difference, metric, places), probability]


def _difference(difference: Difference, metric: Metric, places: int | None) -> list[Cell]:
    places = decimals(metric, difference.high - difference.low) if places is None else places
    within = interval(difference.low, difference.high, places)
    p = difference.p_holm
    return [
        Cell(signed(difference.value, places), [within], repr(difference.value)),
        Cell() if p is None else Cell(f"{p:.2g}", key=repr(p)),
        Cell(f"{difference.wins:,}/{difference.losses:,}", key=str(difference.wins - difference.losses)),
    ]


def _effect(effect: Effect | None, metric: Metric) -> Cell:
    if effect is None:
        return Cell()
    estimate = effect.estimate
    places = decimals(metric, estimate.high - estimate.low)
    return Cell(signed(estimate.value, places), [interval(estimate.low, estimate.high, places)])
