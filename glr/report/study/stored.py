"""Each query's outcome in runs: as the runs stored it, or computed from the descriptors that they stored."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from math import isclose
from pathlib import Path
from typing import Any

import pyarrow as pa

from glr.config.printing import counted
from glr.devices.startup import import_tensorflow
from glr.errors import GlrError
from glr.report.study.words import first_of
from glr.retrieval import outcomes
from glr.storage.temporary import temporary_folder
from glr.tracking.history import PastRun, find
from glr.tracking.store import connect

_THREADS = 8  # files that are fetched at once
_MEMORY = 0.5  # GB for a search
_TOLERANCE = 1e-4  # another device sums in another order, which may exchange near neighbours
_LETTERS = 300  # of a reason


class Outcomes(dict[str, pa.Table]):
    """Tables of outcomes by the id of their run.

    Attributes:
        notes: sentences on the runs that have none, and on tables that could not be stored.
    """

    def __init__(self):
        super().__init__()
        self.notes: list[str] = []


def outcomes_of(runs: Sequence[PastRun], *, compute: bool, columns: Sequence[str] | None = None) -> Outcomes:
    """Read the outcomes of runs' queries; a run is missing if it has none, or none that give the scores that it logged.

    Args:
        runs: runs with scores.
        compute: make missing outcomes from stored descriptors, and store them with the run.
        columns: the columns to return; None: all of `glr.retrieval.outcomes.SCHEMA`.
    """
    wanted = list(columns or outcomes.SCHEMA.names)
    tables, refused, lacking = Outcomes(), list[str](), list[PastRun]()
    with temporary_folder() as copies, ThreadPoolExecutor(_THREADS) as pool:
        answers = list(pool.map(_read, runs, repeat(wanted), repeat(copies)))
    for run, (table, reason) in zip(runs, answers, strict=True):
        if table is None and compute and (reason or _has_descriptors(run)):
            try:
                table, reason = _computed(run, wanted)
            except GlrError as error:
                reason = str(error)
            else:
                tables.notes += [reason] if reason else []
        if table is not None:
            tables[run.id] = table
        elif reason:
            refused.append(f"{run.name} ({reason[:_LETTERS]})")
        else:
            lacking.append(run)
    if lacking:
        tables.notes.append(_advice(lacking, len(runs), compute=compute))
    if refused:
        advice = "" if compute else "; compare.outcomes=compute makes them again from stored descriptors"
        which = f"{len(refused)} of {counted(len(runs), 'run')}"
        tables.notes.append(f"the outcomes of {which} cannot be used: {first_of(refused)}{advice}")
    return tables


def _read(run: PastRun, columns: Sequence[str], copies: Path) -> tuple[pa.Table | None, str]:
    """Return the outcomes that a run stored, or why they cannot be used; empty: there are none."""
    try:
        file = run.stored(outcomes.FILE, copies)
    except GlrError:
        return None, ""
    try:
        table, _ = outcomes.load(file, list(dict.fromkeys([*outcomes.MEASURED, *columns])))
        _check_scores(table, run, "outcomes")
    except GlrError as error:
        return None, str(error).replace(str(file), file.name)  # it may be a temporary copy
    return table.select(columns), ""


def _computed(run: PastRun, columns: Sequence[str]) -> tuple[pa.Table, str]:
    """Return outcomes made from stored descriptors, and a sentence if they could not be stored with the run.

    Raises:
        GlrError: the run stored no descriptors, or they do not give the scores that it logged.
    """
    if run.params.get("reranking", "none") != "none":
        raise GlrError(f"reranking={run.params['reranking']} changed its rankings: evaluate it again")
    members, settings = _members(run)
    try:
        import_tensorflow()  # only for the search: reading outcomes needs no TensorFlow
    except ImportError as error:
        raise GlrError(f"the search needs TensorFlow: {error}") from error
    from glr.retrieval.joint import described, evaluate_joint
    from glr.retrieval.task import evaluate

    with temporary_folder() as folder:
        stored, task = described(members, neighbors=settings["neighbors"], copies=folder)
        if run.kind == "ensemble":
            _, ranking = evaluate_joint(task, stored, settings["weights"], memory=_MEMORY)
        else:
            _, ranking = evaluate(task, stored[0].index, stored[0].query, memory=_MEMORY)
        table = task.outcomes(ranking)
        _check_scores(table, run, "stored descriptors")
        try:
            run.keep(outcomes.save(table, folder, settings))
        except (GlrError, OSError) as error:
            return table.select(columns), f"{error}; the next comparison computes the outcomes of {run.name} again"
    return table.select(columns), ""


def _members(run: PastRun) -> tuple[list[PastRun], dict[str, Any]]:
    """Return the runs whose descriptors gave a run's scores, and the settings of its evaluation.

    Raises:
        GlrError: a parameter is damaged, or the store no longer has a run.
    """
    params = run.params
    try:
        if run.kind == "ensemble":
            ids = json.loads(params["members"])
            weights = json.loads(params["weights"]) or [1.0] * len(ids)
            settings = {"members": ids, "weights": [float(weight) for weight in weights]}
            client = connect(run.store)
            members = [find(client, str(member)) for member in ids]
            if not members or len(members) != len(weights) or min(settings["weights"]) <= 0:
                raise ValueError("weights")
        else:
            members, settings = [run], {}
        neighbors = params.get("neighbors", "null") if run.kind != "train" else params["evaluate.gap.neighbors"]
        if neighbors == "null":  # as in the training of the run that was evaluated; a SavedModel has none
            parent = run.tags.get("mlflow.parentRunId")
            neighbors = find(connect(run.store), parent).params["evaluate.gap.neighbors"] if parent else "1"
        if (count := int(neighbors)) < 1:
            raise ValueError("neighbors")
    except (KeyError, TypeError, ValueError) as error:
        raise GlrError(f"its parameters cannot be read as those of an evaluation: {error}") from error
    return members, settings | {"neighbors": count}


def _check_scores(table: pa.Table, run: PastRun, what: str) -> None:
    """Raise GlrError unless the outcomes give the metrics that the run logged."""
    scores = outcomes.scores(table)
    logged = [name for name in scores if name in run.metrics]
    if not logged:
        raise GlrError(f"its {what} give none of the metrics that it logged")
    for name in logged:
        if not isclose(scores[name], run.metrics[name], rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise GlrError(
                f"its {what} give {name} {scores[name]:.5f}, but it logged {run.metrics[name]:.5f}: they are of "
                "another epoch or another set"
            )


def _has_descriptors(run: PastRun) -> bool:
    return "descriptors" in run.tags or run.kind == "ensemble"


def _advice(lacking: Sequence[PastRun], runs: int, *, compute: bool) -> str:
    """Say that runs lack outcomes, and how to get them."""
    one, described = len(lacking) == 1, sum(map(_has_descriptors, lacking))
    what = f"{len(lacking)} of {counted(runs, 'run')} stored no outcomes of queries, so {'its' if one else 'their'} "
    what += "scores have no interval"
    if described and not compute:
        whose = "them" if described == len(lacking) else f"those of {counted(described, 'run')}"
        return f"{what}; compare.outcomes=compute makes {whose} from stored descriptors"
    return f"{what}; without stored descriptors, only a new evaluation has them: python -m glr.evaluate run=NAME"
