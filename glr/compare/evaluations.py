"""Evaluations side by side: the settings in which they differ, and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from glr.compare.table import Cell, Span, Table, plain
from glr.config.identity import EVALUATION
from glr.retrieval.scores import headlines
from glr.tracking.history import PastRun

_PLACES = ("prepared", "index", "queries", "revisited", "images")  # of the images


@dataclass(frozen=True)
class EvaluationRow:
    """A finished run of `evaluate`.

    Attributes:
        run: the run.
        model: the run or the SavedModel that was evaluated.
        settings: the settings whose values differ among the evaluations compared.
        scores: the metrics that evaluations are compared by.
    """

    run: PastRun
    model: str
    settings: dict[str, str]
    scores: dict[str, float]


def evaluations(runs: Sequence[PastRun], score: str | None) -> list[EvaluationRow]:
    """Return the finished evaluations among runs, in order of start.

    Args:
        runs: runs of any kind, in order of start.
        score: a metric; None: the headlines.
    """
    names = {run.id: run.name for run in runs}
    runs = [run for run in runs if run.kind == "evaluation" and run.status == "FINISHED"]
    values: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.params.items():
            if key.split(".")[0] in (*EVALUATION, *_PLACES) and key.split(".")[-1] not in ("_target_", "label"):
                values.setdefault(key, set()).add(value)
    # A setting of a choice, such as whitening.dimension, does not differ from a run without the choice.
    differing = sorted(key for key, of_runs in values.items() if len(of_runs) > 1)
    return [
        EvaluationRow(
            run,
            names.get(run.tags.get("mlflow.parentRunId", "")) or _given(run, "run") or _given(run, "model"),
            {key: run.params[key] for key in differing if key in run.params},
            headlines(run.metrics) if score is None else _of_metric(run, score),
        )
        for run in runs
    ]


def _given(run: PastRun, key: str) -> str:
    """A parameter's text; empty if it is null or missing."""
    value = run.params.get(key, "null")
    return "" if value == "null" else value


def _of_metric(run: PastRun, score: str) -> dict[str, float]:
    """A metric on each part of the task; public before private."""
    names = sorted((name for name in run.metrics if name.partition("/")[2] == score), reverse=True)
    return {name: run.metrics[name] for name in names}


def table(compared: Sequence[EvaluationRow], *, decimals: int) -> Table:
    """Return a table with a column for each score."""
    scores = list(dict.fromkeys(name for each in compared for name in each.scores))
    rows = []
    for each in compared:
        setting = Cell(tuple((Span(f"{key} = {value}"),) for key, value in each.settings.items()))
        numbers = [f"{each.scores[name]:.{decimals}f}" if name in each.scores else "" for name in scores]
        rows.append((plain(each.model), setting, *map(plain, numbers)))
    return Table("Evaluation", 3, ("Model", "Setting", *scores), frozenset(scores), tuple(rows))


def records(compared: Sequence[EvaluationRow]) -> list[dict[str, object]]:
    """Return one flat record per evaluation with unrounded scores."""
    return [
        {
            "kind": each.run.kind,
            "name": each.run.name,
            "run_id": each.run.id,
            "study": each.run.study,
            "status": each.run.status,
            "model": each.model,
            **each.settings,
            **each.scores,
        }
        for each in compared
    ]
