"""Records of studies for other programs: of runs, of configurations, and of a whole analysis."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING

from glr.config.usages import USAGES, score_name
from glr.report.study.analysis import Analysis, Row
from glr.statistics.effects import Effect
from glr.tracking import rows as tracked
from glr.tracking.history import PastRun

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, object]


@dataclass(frozen=True)
class Compared:
    """The result of `glr.run("compare", ...)`.

    Attributes:
        text: the written tables.
        records: a record of each configuration, or of each run of a study of recorded scores.
    """

    text: str
    records: list[Record]

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each record, unrounded."""
        import pandas as pd

        return pd.DataFrame(self.records)

    def _repr_markdown_(self) -> str:
        return self.text


def of_runs(singles: Sequence[tracked.Row], ensembles: Sequence[tracked.Row]) -> list[Record]:
    """Return a flat record of each run with unrounded scores; a continuation has a record of its own."""
    rows = chain.from_iterable((row, row.continuation) if row.continuation else (row,) for row in singles)
    return [
        {"kind": row.run.kind, "index": row.index}
        | _of_run(row.run)
        | row.part_texts
        | {"init_from": row.run.init_from, "public_score": row.public, "private_score": row.private}
        | ({} if row.plain is None else {"score": row.plain})
        for row in chain(rows, ensembles)
    ]


def of_configurations(rows: Iterable[Row]) -> list[Record]:
    """Return a flat record of each configuration with unrounded scores."""
    records: list[Record] = []
    for row in rows:
        own, difference = row.configuration, row.difference
        record: Record = {"kind": own.kind, "index": own.index, "configuration": own.key, "name": own.name}
        record |= {"seeds": len(own.finished), **own.settings}
        for name, score in row.scores.items():
            parts = {part: value for part, value in asdict(score).items() if value is not None}
            record |= {name if part == "value" else f"{name}.{part}": value for part, value in parts.items()}
        if difference is not None:
            record |= {f"difference.{part}": value for part, value in asdict(difference).items()}
        records.append(record | {"probability_best": row.probability_best})
    return records


def whole(analysis: Analysis, rows: Iterable[Row]) -> Record:
    """Return a whole analysis as one nested record; docs/commands/compare.md describes its keys."""
    base = analysis.baseline_row
    return {
        "study": analysis.study,
        "metric": analysis.metric,
        "baseline": base and base.configuration.key,
        "queries": dict(analysis.queries),
        "common": dict(analysis.common),
        "rows": [_of_row(row) for row in rows],
        "effects": [_of_effect(effect) for effect in analysis.effects],
        "interactions": [_of_effect(effect) for effect in analysis.interactions],
        "choice": analysis.choice
        and asdict(analysis.choice) | {"best": analysis.rows[analysis.choice.best].configuration.key},
        "notes": list(analysis.notes),
    }


def _of_row(row: Row) -> Record:
    own = row.configuration
    return {
        "configuration": own.key,
        "kind": own.kind,
        "index": own.index,
        "name": own.name,
        "settings": dict(own.settings),
        "labels": dict(own.labels),
        "seeds": own.seeds,
        "runs": [_of_run(run) | _parts(run) for run in own.runs],
        "metrics": {name: asdict(score) for name, score in row.scores.items()},
        "difference": row.difference and asdict(row.difference),
        "probability_best": row.probability_best,
    }


def _of_run(run: PastRun) -> Record:
    return {"name": run.name, "run_id": run.id, "study": run.study, "status": run.status}


def _parts(run: PastRun) -> Record:
    """The parts of a run's model and its settings, as tables print them, and its own scores."""
    model, setting = tracked.parts(run)
    scores = {name: run.metrics[name] for name in map(score_name, USAGES) if name in run.metrics}
    return {**model, **{part: text for part, (_, text) in setting.items()}, **scores}


def _of_effect(effect: Effect) -> Record:
    given = {} if effect.given is None else {"given": dict([effect.given])}
    estimate = {part: getattr(effect.estimate, part) for part in ("value", "low", "high", "p")}
    before, after = effect.values
    return {"setting": effect.setting, "from": before, "to": after, **estimate, "pairs": effect.pairs, **given}
